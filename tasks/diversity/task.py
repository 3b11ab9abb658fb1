"""Models in; what they say to held-out prompts, and how they differ, out."""

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.diversity.params import DiversityParams
from tasks.reporting import log_line, progress, show_markdown, show_table
from tasks.rewards import RewardMix


@cached_task("sample {name}, {params.prompts} prompts")
def sample_model(name: str, prompts: Artifact, model: Artifact, params: DiversityParams) -> Artifact:
    """Sample completions of held-out prompts. Returns completions.parquet: id, prompt, source, meta, answers, ended."""
    import polars as pl

    from tasks.diversity.held_out import held_out_prompts
    from tasks.models import load_causal_lm, load_tokenizer, longest_prompt
    from tasks.runtime import device, torch_threads
    from tasks.sampling import sample_completions
    from tasks.tables import PROMPTS, read_table

    table = read_table(prompts.path, {**PROMPTS, "split": pl.String, "meta": pl.String})
    language_model, tokenizer = load_causal_lm(model.path / "model"), load_tokenizer(model.path / "model")
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
            seed=params.seed,
            progress=show,
        )
        asked.with_columns(
            answers=pl.Series([[one.text for one in of] for of in sampled], dtype=pl.List(pl.String)),
            ended=pl.Series([[one.ended for one in of] for of in sampled], dtype=pl.List(pl.Boolean)),
        ).write_parquet(out.path)
        out.holds(len(asked), too_long=too_long)
    return out.sealed()


@cached_task("compare {names}")
def compare_models(
    names: list[str],
    samples: list[Artifact],
    policies: list[Artifact],
    density: Artifact,
    reward: Artifact,
    mix: RewardMix,
    params: DiversityParams,
) -> Artifact:
    """Measure what each model said. Returns a folder: comparison.json and report.md."""
    import json

    from tasks.diversity.compare import compare
    from tasks.diversity.judge import judge
    from tasks.diversity.report import metric_rows, source_rows, write_report
    from tasks.runtime import torch_threads

    with torch_threads(), new_artifact("diversity", "diversity") as out, progress("diversity") as show:
        prompts, said, vectors = judge(names, samples, density.path, reward.path, show)
        comparison = compare(
            prompts,
            said,
            vectors,
            mix,
            token_budget=params.token_budget,
            resamples=params.resamples,
            seed=params.seed,
        )
        accuracy = json.loads((reward.path / "accuracy.json").read_text())
        settings = [json.loads((policy.path / "settings.json").read_text()) for policy in policies]
        report = write_report(comparison, json.loads((density.path / "report.json").read_text()), accuracy, settings)
        out.path.mkdir()
        (out.path / "comparison.json").write_text(json.dumps(comparison, indent=1))
        (out.path / "report.md").write_text(report)
        show_table("diversity", metric_rows(comparison), "Means over held-out prompts with 95 % intervals")
        show_table("correct-by-source", source_rows(comparison, "pass@1"), "Share correct by source")
        show_markdown("report", report, "The comparison as a page")
    return out.sealed()
