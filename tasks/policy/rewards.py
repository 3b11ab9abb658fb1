"""Rewards as TRL calls them: columns of the schedule in, one number for each completion out."""

import contextlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerState

from tasks.prompting import answer_text, closing_ids, prompt_ids
from tasks.rewards import RewardMix, verdicts
from tasks.scoring import score_tokens

RewardFunction = Callable[..., Sequence[float | None]]


def checker_reward(mix: RewardMix) -> RewardFunction:
    """The weighted verdict, None for prompts without a checker."""

    def checker(completions: Sequence[Any], meta: Sequence[str | None], **_: Any) -> list[float | None]:
        right = verdicts(meta, [answer_text(answer) for answer in completions])
        return [None if one is None else mix.checker_weight * one for one in right]

    return checker


def model_reward(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, mix: RewardMix) -> RewardFunction:
    """The reward model's weighted score of prompt and completion, token by token as sampled.

    The completion's own tokens are scored: where it ended, its end token is among them, and what a chat template
    puts behind it is added, as in the reward model's training. Scoring its text, as TRL does with a model, would lose
    that token.
    """
    closing = closing_ids(tokenizer)

    def reward_model(
        completion_ids: Sequence[list[int]], text: Sequence[str], meta: Sequence[str | None], **_: Any
    ) -> list[float | None]:
        sequences = [
            [*prompt_ids(prompt, tokenizer), *answer, *(closing if answer[-1:] == [tokenizer.eos_token_id] else [])]
            for prompt, answer in zip(text, completion_ids, strict=True)
        ]
        scores = score_tokens(model, tokenizer, sequences).tolist()
        return [mix.of_model(of) * score for of, score in zip(meta, scores, strict=True)]

    return reward_model


class Seen:
    """Rewards nothing, and writes down what the trainer really asked about, step by step.

    Each process has a record of its own in the trainer's work folder, so that a run that goes on after a kill still
    knows its beginning.
    """

    __name__ = "seen"

    def __init__(self, work: Path, rank: int = 0) -> None:
        self._path = work / f"seen-{rank:04}.jsonl"

    def __call__(
        self,
        completions: Sequence[Any],
        id: Sequence[str],
        text: Sequence[str],
        trainer_state: TrainerState,
        **_: Any,
    ) -> list[float]:
        rows = [
            {"id": name, "prompt": prompt, "completion": answer_text(answer)}
            for name, prompt, answer in zip(id, text, completions, strict=True)
        ]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write("\n" + json.dumps({"step": trainer_state.global_step, "rows": rows}))
        return [0.0] * len(completions)


def zero_variance_groups(
    seen: Mapping[int, Sequence[Mapping[str, str]]], metas: Mapping[str, str | None], generations: int
) -> dict[int, float]:
    """Of each step's groups the share that can teach nothing: all answers right or all wrong, or one and the same.

    seen: as `read_seen` gives it.  metas: by id.  Said of the checker's verdicts where there is a checker: the reward
    model's small share of the sum differs always.
    """
    shares = {}
    for step, rows in seen.items():
        answers = [row["completion"] for row in rows]
        judged = verdicts([metas[row["id"]] for row in rows], answers)
        decides = [answer if right is None else right for right, answer in zip(judged, answers, strict=True)]
        groups = [set(decides[at : at + generations]) for at in range(0, len(rows), generations)]
        shares[step] = sum(len(group) == 1 for group in groups) / len(groups)
    return shares


def read_seen(work: Path) -> dict[int, list[dict[str, str]]]:
    """What all processes saw: for each step the rows {id, prompt, completion} of its batch in order.

    A step that was run again after a kill counts as it was run last.
    """
    steps: dict[int, list[dict[str, str]]] = defaultdict(list)
    for path in sorted(work.glob("seen-*.jsonl")):
        last: dict[int, list[dict[str, str]]] = {}
        for line in path.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # torn by a kill: that step is run again
                entry = json.loads(line)
                last[entry["step"]] = entry["rows"]
        for step, rows in last.items():
            steps[step] += rows
    return dict(steps)
