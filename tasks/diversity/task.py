"""Models in; what they say to held-out prompts, and how they differ, out."""

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.diversity.params import DiversityParams, SpreadBy
from tasks.reporting import log_line, progress, show_markdown, show_table
from tasks.rewards import RewardMix

KL_OF = 4
"""Answers of each prompt whose divergence from SFT is taken: enough over hundreds of prompts, and two passes each."""


@cached_task("sample {name}, draw {draw}")
def sample_model(
    name: str,
    prompts: Artifact,
    model: Artifact,
    sft: Artifact,
    reward: Artifact,
    params: DiversityParams,
    draw: int = 0,
) -> Artifact:
    """Sample completions of held-out prompts, the same ones in every draw, and score them with the reward model.

    Returns completions.parquet: id, prompt, source, meta, answers, ended, scores, and kl, how far the first answers to
    a prompt are from what the SFT model would say.
    """
    import numpy as np
    import polars as pl

    from tasks.diversity.divergence import divergences
    from tasks.diversity.held_out import held_out_prompts
    from tasks.models import load_causal_lm, load_reward_model, load_tokenizer, longest_prompt
    from tasks.runtime import device, torch_threads
    from tasks.sampling import sample_completions
    from tasks.scoring import score_answers
    from tasks.tables import PROMPTS, read_table

    table = read_table(prompts.path, {**PROMPTS, "split": pl.String, "meta": pl.String})
    language_model, tokenizer = load_causal_lm(model.path / "model"), load_tokenizer(model.path / "model")
    judge, its_tokenizer = load_reward_model(reward.path / "model"), load_tokenizer(reward.path / "model")
    longest = longest_prompt(language_model, params.max_prompt, params.max_completion)
    asked, too_long = held_out_prompts(table, params.prompts, params.seed, tokenizer, longest)
    if too_long:
        log_line("%d held-out prompts of more than %d tokens are not asked", too_long, longest)
    with torch_threads(), new_artifact("diversity", "completions.parquet") as out, progress(f"sample {name}") as show:
        sampled = sample_completions(
            language_model.to(device()),
            tokenizer,
            asked["prompt"].to_list(),
            k=params.completions,
            max_new_tokens=params.max_completion,
            temperature=params.temperature,
            seed=params.seed + draw,
            progress=show,
        )
        said = asked.with_columns(
            answers=pl.Series([[one.text for one in of] for of in sampled], dtype=pl.List(pl.String)),
            ended=pl.Series([[one.ended for one in of] for of in sampled], dtype=pl.List(pl.Boolean)),
        )
        flat = said.select("prompt", "answers", "ended").explode("answers", "ended")
        scores = score_answers(judge.to(device()), its_tokenizer, *(column.to_list() for column in flat))
        by_prompt = scores.reshape(len(said), -1).tolist()
        kl = np.zeros(len(asked))
        if model.path != sft.path:
            first = [
                (prompt, one.tokens) for prompt, of in zip(asked["prompt"], sampled, strict=True) for one in of[:KL_OF]
            ]
            before = load_causal_lm(sft.path / "model").to(device())
            moved = divergences(language_model, before, tokenizer, *zip(*first, strict=True), params.temperature)
            kl = moved.reshape(len(asked), -1).mean(axis=1)
        said.with_columns(scores=pl.Series(by_prompt, dtype=pl.List(pl.Float64)), kl=kl).write_parquet(out.path)
        out.holds(len(asked), too_long=too_long)
    return out.sealed()


@cached_task("measure {name}, draw {draw}")
def measure_model(
    name: str,
    samples: Artifact,
    base: Artifact,
    sft: Artifact,
    spread_by: SpreadBy,
    mix: RewardMix,
    token_budget: int,
    draw: int,
) -> Artifact:
    """Measure one model's answers. base: the SFT model's, which say what is good.

    Returns a folder: measures.parquet (a row for each prompt, a column for each measure), vocabulary.json.
    """
    import json

    from tasks.diversity.measure import Base, measure, read_samples
    from tasks.diversity.metrics import vocabulary_ratios
    from tasks.diversity.vectors import answer_vectors
    from tasks.runtime import torch_threads

    with torch_threads(), progress(f"measure {name}") as show:
        metas, said = read_samples(samples.path)
        _, by_sft = read_samples(base.path)
        vectors = answer_vectors(spread_by, said.texts, by_sft.texts, sft.path / "model", show)
        measures = measure(metas, said, Base.of(by_sft), vectors, mix)
        ratios = vocabulary_ratios([answer for answers in said.answers for answer in answers], token_budget)
    with new_artifact("diversity", "measures") as out:
        out.path.mkdir()
        measures.write_parquet(out.path / "measures.parquet")
        (out.path / "vocabulary.json").write_text(json.dumps(ratios))
        out.holds(len(measures))
    return out.sealed()


@cached_task("compare {arms}")
def compare_models(
    arms: list[str],
    measured: list[Artifact],
    asked: Artifact,
    policies: list[Artifact],
    density: Artifact,
    reward: Artifact,
    params: DiversityParams,
    by_novelty: Artifact | None = None,
) -> Artifact:
    """Compare arms over training seeds.

    arms: "sft" first.  measured: of `measure_model`, for each arm its seeds.  policies: of `train_policy`, for each
    trained arm its seeds.  asked: completions of any model, for the prompts.  density, by_novelty: weights, the second
    of the arm density-by-novelty.
    Returns a folder: comparison.json, report.md, forest.svg, training.svg.
    """
    import json

    from tasks.diversity.compare import compare
    from tasks.diversity.inputs import asked_prompts, read_measured, read_training
    from tasks.diversity.pictures import forest, training_curves
    from tasks.diversity.report import metric_rows, source_rows, write_report

    training = read_training(arms[1:], policies)
    comparison = compare(
        asked_prompts(asked.path, density.path),
        *read_measured(arms, measured),
        resamples=params.resamples,
        seed=params.seed,
    )
    comparison |= {"completions": params.completions, "schedule": training.schedule, "training": training.at_the_end}
    accuracy = json.loads((reward.path / "accuracy.json").read_text())
    weighed = {"density": density} | ({"density-by-novelty": by_novelty} if by_novelty else {})
    weightings = {name: json.loads((of.path / "report.json").read_text()) for name, of in weighed.items()}
    report = write_report(comparison, weightings, accuracy, training.settings)
    with new_artifact("diversity", "diversity") as out:
        out.path.mkdir()
        (out.path / "comparison.json").write_text(json.dumps(comparison, indent=1))
        (out.path / "report.md").write_text(report)
        (out.path / "forest.svg").write_text(forest(comparison))
        (out.path / "training.svg").write_text(training_curves(training.logs))
        out.holds(comparison["prompts"], seeds=comparison["seeds"])
    show_table("diversity", metric_rows(comparison), "Means over held-out prompts with 95 % intervals")
    show_table("correct-by-source", source_rows(comparison, "pass@1"), "Share correct by source")
    show_markdown("report", report, "The comparison as a page")
    return out.sealed()
