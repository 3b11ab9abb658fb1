"""comparison.json as a page of Markdown that claims no more than was measured."""

from collections.abc import Mapping
from typing import Any

from tasks.diversity.compare import BASE

HEAD = "One training run of each arm: intervals cover the choice of prompts, not the luck of a training seed."


def training_verdict(contrast: Mapping[str, Any]) -> str:
    """Whether an arm's held-out reward rose over SFT's, by the interval of the paired difference."""
    reward = contrast["reward"]
    rose = reward["low"] is not None and reward["low"] > 0
    said = "training worked" if rose else "TRAINING DID NOT WORK: the interval is not clear of 0"
    return f"{reward['difference']:+.3f} [{reward['low']:+.3f}, {reward['high']:+.3f}], {said}"


def metric_rows(comparison: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row for each metric, a column for each arm."""
    arms = comparison["arms"]
    return [{"metric": name, **{arm: _estimate(metrics[name]) for arm, metrics in arms.items()}} for name in arms[BASE]]


def source_rows(comparison: Mapping[str, Any], metric: str) -> list[dict[str, str]]:
    """A row for each source, a column for each arm."""
    by_source = comparison["by_source"]
    return [
        {"source": source, **{arm: _estimate(sources[source][metric]) for arm, sources in by_source.items()}}
        for source in by_source[BASE]
    ]


def write_report(comparison: Mapping[str, Any], density: Mapping[str, Any], reward: Mapping[str, Any]) -> str:
    """report.md: did training work, the measures, the differences, by source and by rarity."""
    trained = [arm for arm in comparison["arms"] if arm != BASE]
    between = [name for name in comparison["contrasts"] if not name.endswith(f"-{BASE}")]
    overall = reward["by_source"][0]
    lines = [
        "# Does training on what is rare keep a policy diverse?",
        "",
        f"{comparison['prompts']} held-out prompts, {comparison['completions']} completions each. {HEAD}",
        "With one seed no difference between arms can be called significant; six paired seeds are the least that can.",
        "",
        "## Did training work?",
        "",
        "Held-out reward less the SFT model's, paired by prompt, 95 % interval:",
        "",
        *(f"- {arm}: {training_verdict(comparison['contrasts'][f'{arm}-{BASE}'])}" for arm in trained),
        "",
        f"The reward model puts {overall['accuracy']:.1%} of {overall['pairs']} held-out pairs in the right order; "
        f"a guess by length {overall['length_only']:.1%}.",
        f"Weights: effective sample size {density['ess_share']:.2f} of the prompts at α = {density['alpha']:.2f}.",
        "",
        "## Measures",
        "",
        *_table(metric_rows(comparison)),
        "",
    ]
    for name in between:
        lines += [
            f"## {name.replace('-', ' less ')}, paired by prompt",
            "",
            *_table(_contrast_rows(comparison, name)),
            "",
        ]
    lines += [
        "## Share correct by source",
        "",
        *_table(source_rows(comparison, "pass@1")),
        "",
        "## Distinct correct answers by density decile (1 is the rarest tenth)",
        "",
        *_table(_decile_rows(comparison, "distinct_correct")),
        "",
    ]
    return "\n".join(lines)


def _contrast_rows(comparison: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    return [
        {"metric": metric, "difference": _estimate({**of, "mean": of["difference"]}, sign="+")}
        for metric, of in comparison["contrasts"][name].items()
    ]


def _decile_rows(comparison: Mapping[str, Any], metric: str) -> list[dict[str, str]]:
    by_decile = comparison["by_density_decile"]
    return [
        {"decile": str(d + 1), **{arm: _estimate(metrics[metric][d]) for arm, metrics in by_decile.items()}}
        for d in range(10)
    ]


def _estimate(of: Mapping[str, Any], sign: str = "") -> str:
    if of["mean"] is None:
        return "–"
    return f"{of['mean']:{sign}.3f} [{of['low']:{sign}.3f}, {of['high']:{sign}.3f}]"


def _table(rows: list[dict[str, str]]) -> list[str]:
    names = list(rows[0])
    return [
        "| " + " | ".join(names) + " |",
        "|" + " --- |" * len(names),
        *("| " + " | ".join(row[name] for name in names) + " |" for row in rows),
    ]
