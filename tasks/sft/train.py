"""Supervised training on the chosen answers (TRL's SFTTrainer), the loss on the answer's tokens only."""

from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from tasks.errors import TrainingError
from tasks.models import context_length
from tasks.prompting import answered_ids, as_answer, as_prompt
from tasks.sft.params import SftParams
from tasks.training import common_arguments, steps_to_train, train


def train_sft(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[str],
    params: SftParams,
    work: Path,
    progress: Callable[[float], None],
) -> list[dict[str, float]]:
    """Train `model` in place on prompt → answer; return the log by step.

    Goes on from the last whole checkpoint in `work`.
    """
    steps = steps_to_train(
        token_lengths(tokenizer, prompts, answers),
        params.batch,
        max_steps=params.max_steps,
        max_epochs=params.max_epochs,
        max_tokens=params.max_tokens,
    )
    data = Dataset.from_dict(
        {
            "prompt": [as_prompt(text, tokenizer) for text in prompts],
            "completion": [as_answer(text, tokenizer) for text in answers],
        }
    )
    arguments = SFTConfig(
        **common_arguments(
            work, max_steps=steps, save_steps=params.save_steps, seed=params.seed, tracker=params.tracker
        ),
        per_device_train_batch_size=params.batch,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, steps // 20),
        adam_beta2=0.95,
        weight_decay=0.1,
        max_length=None,
        completion_only_loss=True,
    )
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
    return train(trainer, work, progress)


def short_enough(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[str],
    max_length: int,
) -> list[int]:
    """Numbers of the examples with at most max_length tokens, and no more than the model has positions.

    Raises TrainingError where none is left.
    """
    longest = min(max_length, context_length(model))
    kept = [i for i, length in enumerate(token_lengths(tokenizer, prompts, answers)) if length <= longest]
    if not kept:
        raise TrainingError(
            f"No example has at most {longest} tokens of prompt and answer (the lesser of --sft.max-length and the "
            "model's positions), so there is nothing to learn from. Raise the limit, or give shorter pairs."
        )
    return kept


def token_lengths(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], answers: Sequence[str]) -> list[int]:
    """Tokens of each example: prompt, answer and end."""
    return [len(answered_ids(prompt, answer, tokenizer)) for prompt, answer in zip(prompts, answers, strict=True)]
