"""comparison.json as a page of Markdown that claims no more than was measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.diversity.compare import BASE, DELTA, between_arms
from tasks.diversity.intervals import SIGNIFICANT

BAND = (0.2, 0.8)
CHANCE = 0.5
NOVELTY = "density-by-novelty"
FEWEST_SEEDS = 6
MOST_CUT = 0.2


def answer(comparison: Mapping[str, Any]) -> str:
    """What can be said of the primary contrast: yes, no, no difference, or not decided.

    Tests flip whole seeds and take the prompts as they are; the interval covers both. Both must say so.
    """
    name, metric = comparison["primary"]["contrast"], comparison["primary"]["metric"]
    if name is None:
        return "**Not asked**: the question needs the arms density and placebo, or density and uniform."
    of = comparison["contrasts"][name][metric]
    if of["difference"] is None:
        return f"**Not decided**: {metric} is defined for no prompt."
    told = f"{metric}, {between_arms(list(comparison['arms']))[name]}: {_interval(of)}"
    seeds, p, same = comparison["seeds"], of["sign_flip_p"], of["equivalence"]
    few = ""
    if seeds < FEWEST_SEEDS:
        few = (
            f". With {seeds} paired {_seeds(seeds)} the exact sign-flip test cannot fall below p = {2 / 2**seeds:.3g}, "
            f"so no difference between arms can be called significant; {FEWEST_SEEDS} seeds are the least that can"
        )
    if p is None:
        return f"**Not decided**: {metric} is the same for every prompt in both arms{few}."
    margin = f"δ = {same['delta']:.3f} ({DELTA:g} standard deviations of the SFT model over prompts)"
    tests = f"sign-flip p = {p:.3g}, equivalence p = {_number(same['p'])} at {margin}"
    figures = f"{told}, {tests}, {seeds} paired {_seeds(seeds)}{few}"
    differs = p <= SIGNIFICANT and not of["low"] <= 0 <= of["high"]
    within = same["holds"] and -same["delta"] <= of["low"] and of["high"] <= same["delta"]
    if differs:
        verdict = "Yes: it raises diversity" if of["difference"] > 0 else "No: it lowers diversity"
        return f"**{verdict}**{', by less than δ' if within else ''}. {figures}."
    if within:
        return f"**No difference larger than δ**. {figures}."
    if p <= SIGNIFICANT or same["holds"]:
        return (
            f"**Not decided**: what the tests show of these prompts the interval, which is of others too, does not. "
            f"{figures}."
        )
    why = "" if same["delta"] else " SFT's answers do not vary in it, so no margin can be set: train SFT longer."
    return f"**Not decided**: neither a difference nor its absence is shown.{why} {figures}."


def training_verdict(contrast: Mapping[str, Any]) -> str:
    """Whether an arm's held-out reward rose over SFT's, by the interval of the paired difference."""
    reward = contrast["reward"]
    if reward["low"] is not None and reward["low"] > 0:
        said = "training worked"
    elif reward["high"] is not None and reward["high"] < 0:
        said = "TRAINING DID HARM: the interval lies below 0"
    else:
        said = "TRAINING DID NOT WORK: the interval is not clear of 0"
    return f"{reward['difference']:+.3f} [{reward['low']:+.3f}, {reward['high']:+.3f}], {said}"


def reward_model_verdict(by_source: Sequence[Mapping[str, Any]]) -> str:
    """Whether the reward model knows more than length does, and who wrote an answer, on held-out pairs."""
    whole = by_source[0]
    told = [
        f"The reward model puts {whole['accuracy']:.1%} of {whole['pairs']} held-out pairs in the right order.",
        _beside(whole, "length", "length"),
        _beside(whole, "writer", "who wrote it"),
    ]
    weak = [of["source"] for of in by_source[1:] if of["low"] <= CHANCE]
    if weak:
        told.append(f"NOT CLEAR OF CHANCE on {', '.join(weak)}: its scores there may be noise.")
    return " ".join(filter(None, told))


def _beside(of: Mapping[str, Any], guess: str, name: str) -> str:
    """The model beside a guess on the same pairs."""
    share, p = of[f"{guess}_only"], of[f"{guess}_p"]
    if share is None:
        return ""
    if p > SIGNIFICANT:
        said = f"IT IS NOT SHOWN TO BEAT A GUESS BY {name.upper()}, so do not trust its scores"
    elif of["accuracy"] < share:
        said = f"A GUESS BY {name.upper()} BEATS IT: do not trust its scores"
    else:
        said = f"It beats a guess by {name}"
    return f"{said} ({share:.1%}, p = {p:.2g})."


def band_verdict(comparison: Mapping[str, Any]) -> str:
    """Which sources the SFT model gets right too seldom or too often for GRPO to learn from."""
    shares = {source: of["pass@1"]["mean"] for source, of in comparison["by_source"][BASE].items()}
    outside = [f"{source} {share:.0%}" for source, share in shares.items() if share is not None and not _in_band(share)]
    if all(share is None for share in shares.values()):
        return "No prompt has a checker, so there is no share of right answers."
    return "GRPO learns where a group's rewards differ. The SFT model is right in 20 to 80 % of samples " + (
        f"except on {', '.join(outside)}." if outside else "on every checked source."
    )


def cut_verdict(comparison: Mapping[str, Any]) -> list[str]:
    """A warning where the limit of tokens, not the model, ended many answers."""
    cut = {arm: 1 - of["ended"]["mean"] for arm, of in comparison["arms"].items()}
    if max(cut.values()) <= MOST_CUT:
        return []
    shares = ", ".join(f"{arm} {share:.0%}" for arm, share in cut.items())
    return [f"MANY ANSWERS WERE CUT at the limit of tokens ({shares}): raise --diversity.max-completion."]


def _in_band(share: float) -> bool:
    return BAND[0] <= share <= BAND[1]


def metric_rows(comparison: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row for each metric, a column for each arm."""
    arms = comparison["arms"]
    return [
        {"metric": name, "n": str(of["n"]), **{arm: _estimate(metrics[name]) for arm, metrics in arms.items()}}
        for name, of in arms[BASE].items()
    ]


def source_rows(comparison: Mapping[str, Any], metric: str) -> list[dict[str, str]]:
    """A row for each source, a column for each arm."""
    by_source = comparison["by_source"]
    return [
        {"source": source, **{arm: _estimate(sources[source][metric]) for arm, sources in by_source.items()}}
        for source in by_source[BASE]
    ]


def write_report(
    comparison: Mapping[str, Any],
    weightings: Mapping[str, Mapping[str, Any]],
    reward: Mapping[str, Any],
    settings: Sequence[Mapping[str, Any]],
) -> str:
    """report.md: did training work, the measures, the differences, by source and by rarity.

    weightings: what `weigh_by_density` reported, by the arm that draws with its weights.
    """
    trained = [arm for arm in comparison["arms"] if arm != BASE]
    lines = [
        "# Does training on what is rare keep a policy diverse?",
        "",
        answer(comparison),
        "",
        f"{comparison['prompts']} held-out prompts, {comparison['completions']} completions each, "
        f"{comparison['seeds']} training {_seeds(comparison['seeds'])}. Intervals are 95 % and cover the choice of "
        f"prompts{' and of seeds' if comparison['seeds'] > 1 else ', not the luck of a training seed'}. The SFT and "
        "the reward model are one each.",
        "",
        "## Did training work?",
        "",
        "Held-out reward less the SFT model's, paired by prompt, 95 % interval:",
        "",
        *(f"- {arm}: {training_verdict(comparison['contrasts'][f'{arm}-{BASE}'])}" for arm in trained),
        "",
        reward_model_verdict(reward["by_source"]),
        band_verdict(comparison),
        *cut_verdict(comparison),
        "",
        *_table([{name: str(value) for name, value in row.items()} for row in settings]),
        "",
        "What the trainer logged, means over the last fifth of the steps; tokens of the whole run, prompts among them:",
        "",
        *_table(_figure_rows(comparison["training"])),
        "",
        "Draws against what the weights ask for (ess: effective sample size of the expectations, over prompts; "
        "chi_square and p: all seeds, over cells of five draws or more; furthest: the prompt drawn most besides its "
        "weight):",
        "",
        *_table(_figure_rows(comparison["schedule"])),
        "",
        "## What the reward model knows",
        "",
        "Held-out pairs in the right order, beside guesses by length and by which model wrote an answer:",
        "",
        *_table([_accuracy_row(of, "source") for of in reward["by_source"]]),
        "",
        "By how many characters longer the chosen answer is; who goes by length falls or rises from row to row:",
        "",
        *_table([_accuracy_row(of, "longer_by") for of in reward["by_length"]]),
        "",
        "## What the weights favour",
        "",
        *(
            f"{arm}: effective sample size {of['ess_share']:.2f} of the prompts at α = {of['alpha']:.2f}, weights "
            f"capped at {of['cap']:g} times the median (cap reached: {'yes' if of['capped'] else 'no'})."
            for arm, of in weightings.items()
        ),
        "To density rare means few near neighbours among the prompts' vectors. A small family of look-alike prompts is "
        "dense, so its weight can lie below 1:",
        "",
        *_table(_weight_rows(comparison)),
        "",
        *(["They are density's; placebo permutes them, density-by-novelty has others."] if NOVELTY in trained else []),
        "",
        "## Measures",
        "",
        "distinct_correct and entropy count right answers only, 0 where there is none: accuracy moves them too; "
        "prompts that have one right answer only, or no checker, are left out. good_spread is how far good answers lie "
        "apart: right ones, or without a checker those whose reward is above the median of SFT's answers to the "
        "prompt. "
        "one_verdict is the share of prompts whose answers are all right or all wrong, kl how far a policy's answers "
        "are from SFT's, in nats an answer. "
        "Held-out prompts are wordings that were not trained on; what a make-prompt asks for can occur in training. "
        "n: prompts for which a measure is defined; of vocabulary_ratio, runs of tokens.",
        "",
        *_table(metric_rows(comparison)),
        "",
    ]
    for name, told in between_arms(list(comparison["arms"])).items():
        lines += [
            f"## {told}, paired by seed and prompt",
            "",
            least_holm_p(comparison, name),
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


def least_holm_p(comparison: Mapping[str, Any], contrast: str) -> str:
    """What a reader must know before taking a large corrected p for the absence of an effect."""
    tests = sum(of.get("holm_p") is not None for of in comparison["contrasts"][contrast].values())
    least = min(1.0, tests * 2 / 2 ** comparison["seeds"])
    return (
        f"{tests} measures of this contrast are corrected for their number; with {comparison['seeds']} "
        f"{_seeds(comparison['seeds'])} none of their p values can fall below {least:.3g}"
        f"{', so they describe and cannot show' if least > SIGNIFICANT else ''}."
    )


def _weight_rows(comparison: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"source": source, "mean weight of held-out prompts": f"{of['mean']:.2f}"}
        for source, of in comparison["weight_by_source"].items()
    ]


def _contrast_rows(comparison: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    return [
        {
            "metric": metric,
            "n": str(of["n"]),
            "difference": _interval(of),
            "sign-flip p": _number(of["sign_flip_p"]),
            "Holm p": _number(of["holm_p"]) if "holm_p" in of else "primary",
            "δ": _number(of["equivalence"]["delta"]),
            "within δ, p": _number(of["equivalence"]["p"]),
        }
        for metric, of in comparison["contrasts"][name].items()
    ]


def _accuracy_row(of: Mapping[str, Any], first: str) -> dict[str, str]:
    guesses = {f"{name} only (p)": _guess(of, name) for name in ("length", "writer") if f"{name}_only" in of}
    right = f"{of['accuracy']:.1%} [{of['low']:.1%}, {of['high']:.1%}]"
    return {first: str(of[first]), "pairs": str(of["pairs"]), "accuracy": right, **guesses}


def _guess(of: Mapping[str, Any], name: str) -> str:
    share, p = of[f"{name}_only"], of[f"{name}_p"]
    return "–" if share is None else f"{share:.1%} ({p:.2g})"


def _seeds(count: int) -> str:
    return "seed" if count == 1 else "seeds"


def _figure_rows(by_arm: Mapping[str, Mapping[str, float | None]]) -> list[dict[str, str]]:
    return [{"arm": arm, **{name: _number(value) for name, value in of.items()}} for arm, of in by_arm.items()]


def _interval(of: Mapping[str, Any]) -> str:
    return _estimate({**of, "mean": of["difference"]}, sign="+")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


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
