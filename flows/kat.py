"""The main flow: from preference pairs to trained policies, their comparison and a map.

terms ─┐
       ├→ pairs → prompts → sft → embed → density → reward → policy (arms) → diversity → map
hub ───┘
"""

from collections.abc import Generator, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import NamedTuple

from prefect import flow, unmapped
from prefect.futures import PrefectConcurrentFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.cli import publish_until, run
from flows.deployed import deployable
from flows.embed import embedded
from flows.params import KatParams, MainParams
from tasks.artifact import Artifact, external
from tasks.density.task import weigh_by_density
from tasks.diversity.params import SpreadBy
from tasks.diversity.task import compare_models, measure_model, sample_model
from tasks.embed.params import POLICY
from tasks.embed.task import embedding_model
from tasks.novelty.task import judge_prompts
from tasks.pairs.task import collect_pairs, needs_terms, resolve_sources
from tasks.policy.params import Arm, PolicyParams
from tasks.policy.task import stop_training, train_policy
from tasks.prompt_map.task import draw_prompt_map
from tasks.prompts.task import unique_prompts
from tasks.reward.task import train_reward_model
from tasks.sft.task import find_sft_model, train_sft_model
from tasks.terms.task import generate_terms


@deployable("kat", "kat {params.preset} to {params.until}")
def kat(params: KatParams = KatParams()) -> dict[str, Path]:
    """Map what preference data covers, train more on what is rare in it, and measure whether that helps."""
    return publish_until(params.until, params.out, stages(params), params.refreshed)


class Prepared(NamedTuple):
    """What the arms have in common."""

    prompts: Artifact
    sft: Artifact
    embeddings: Artifact
    density: Artifact
    by_novelty: Artifact | None
    reward: Artifact

    def weights(self, arm: Arm) -> Artifact:
        """Those that an arm is trained with."""
        weighed = self.by_novelty if arm == "density-by-novelty" and self.by_novelty else self.density
        return weighed.part("weights.parquet")


Stages = Iterator[tuple[str, dict[str, Artifact]]]


def prepared(p: MainParams) -> Generator[tuple[str, dict[str, Artifact]], None, Prepared]:
    """Each stage before the arms: its name and what it publishes, made when asked for."""
    terms = generate_terms(p.terms) if needs_terms(p.pairs) else None
    yield "terms", {"terms.parquet": terms} if terms else {}

    collected = collect_pairs(p.pairs, terms, *resolve_sources(p.pairs))
    pairs = collected.part("pairs.parquet")
    yield "pairs", {"pairs.parquet": pairs, "bad_rows.jsonl": collected.part("bad_rows.jsonl")}

    prompts = unique_prompts(pairs)
    yield "prompts", {"prompts.parquet": prompts}

    sft = train_sft_model(pairs, find_sft_model(p.sft), p.sft)
    yield "sft", {"policy_base": sft.part("base"), "policy_sft": sft.part("model")}

    own = {"base": sft.path / "base", "sft": sft.path / "model"}
    embeddings = embedded(prompts, embedding_model(p.embed, own), p.embed)
    yield "embed", {"embeddings.parquet": embeddings}

    density = weigh_by_density(embeddings, prompts, p.density, external(p.novelty) if p.novelty else None)
    weighed = {name: density.part(name) for name in ("weights.parquet", "sampled_ids.txt", "density.md")}
    by_novelty = None
    if "density-by-novelty" in p.arms:
        scores = judge_prompts(embeddings, p.rnd)
        by_novelty = weigh_by_density(embeddings, prompts, p.density, scores)
        weighed |= {"novelty_scores.parquet": scores, "weights_by_novelty.parquet": by_novelty.part("weights.parquet")}
    yield "density", weighed

    reward = train_reward_model(pairs, sft, p.reward)
    yield "reward", {"reward_model": reward.part("model")}
    return Prepared(prompts, sft, embeddings, density, by_novelty, reward)


def stages(p: KatParams) -> Stages:
    """Each stage's name and what it publishes, made when asked for."""
    made = yield from prepared(p)
    policies = trained(made, p.arms, [p.policy])
    yield "policy", {f"policy_{arm}": policies[arm][0].part("model") for arm in p.arms}

    diversity = compared(made, policies, [p.policy], p)
    yield "diversity", {name: diversity.part(name) for name in ("comparison.json", "report.md")}

    drawn = draw_prompt_map(made.prompts, made.embeddings, made.density, p.map)
    yield "map", {name: drawn.part(name) for name in ("embeddings_3d.json", "prompt_map.html")}


def trained(made: Prepared, arms: list[Arm], runs: list[PolicyParams]) -> dict[str, list[Artifact]]:
    """Each arm's policies, one for each run; runs differ by their seed."""
    places = runs[0].side_by_side
    runner: ThreadPoolTaskRunner[Artifact] = ThreadPoolTaskRunner(max_workers=places)
    train = at_once.with_options(task_runner=runner) if places > 1 else in_turn  # type: ignore[arg-type]
    policies = train([arm for arm in arms for _ in runs], runs * len(arms), made)
    return {arm: policies[at * len(runs) :][: len(runs)] for at, arm in enumerate(arms)}


def in_turn(arms: list[Arm], runs: list[PolicyParams], made: Prepared) -> list[Artifact]:
    """One policy after the other, each with all that the machine has."""
    return [
        train_policy(arm, made.prompts, made.weights(arm), made.sft, made.reward, run)
        for arm, run in zip(arms, runs, strict=True)
    ]


@flow(name="train-policies", flow_run_name="train {runs[0].side_by_side} policies at once")
def at_once(arms: list[Arm], runs: list[PolicyParams], made: Prepared) -> list[Artifact]:
    """As many policies at once as the runner has threads; each trains in a process of its own."""
    weights = [made.weights(arm) for arm in arms]
    policies = train_policy.map(arms, unmapped(made.prompts), weights, unmapped(made.sft), unmapped(made.reward), runs)
    try:
        return policies.result()
    except BaseException:
        threads = [policy.wrapped_future for policy in policies if isinstance(policy, PrefectConcurrentFuture)]
        begun = [thread for thread in threads if not thread.cancel()]
        while wait(begun, timeout=0.1).not_done:
            stop_training()
        raise


def compared(made: Prepared, policies: dict[str, list[Artifact]], runs: list[PolicyParams], p: MainParams) -> Artifact:
    """SFT and the arms on held-out prompts: what each says, what that measures, and how they differ."""
    models = {"sft": [made.sft] * len(runs), **policies}
    said = [
        (name, run.seed, sample_model(name, made.prompts, model, made.sft, made.reward, p.diversity, run.seed))
        for name, of in models.items()
        for model, run in zip(of, runs, strict=True)
    ]
    base = said[0][2]
    spread_by: SpreadBy = "minilm" if p.embed.encoder == POLICY else "sft"
    measured = [
        measure_model(name, samples, base, made.sft, spread_by, p.policy.reward, p.diversity.token_budget, draw)
        for name, draw, samples in said
    ]
    every = [policy for of in policies.values() for policy in of]
    return compare_models(list(models), measured, base, every, made.density, made.reward, p.diversity, made.by_novelty)


if __name__ == "__main__":
    run(kat, KatParams)
