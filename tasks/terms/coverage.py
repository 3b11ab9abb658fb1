"""What a run's rows cover: shares, histograms, and a picture of them."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambda_gen_rs._native import RunStats

SHARES: dict[str, Callable[[RunStats], float]] = {
    "depth > 10": lambda s: sum(s["depth"][11:]) / s["rows"],
    "size > 150": lambda s: sum(s["size"][151:]) / s["rows"],
    "redex depth > 4": lambda s: sum(s["redex_depth"][5:]) / s["rows"],
    "redex depth ≥ 10": lambda s: sum(s["redex_depth"][10:]) / s["rows"],
    "growth > 0": lambda s: s["growing"] / s["rows"],
    "growth > 0 among first contractions": lambda s: s["growing_first_steps"] / max(1, s["first_steps"]),
    "three leading λs and a redex": lambda s: s["prefixed"] / s["rows"],
    "normal form": lambda s: s["normal_forms"] / s["rows"],
    "under ten nodes": lambda s: s["under_ten_nodes"] / s["rows"],
    "in a trace that was cut": lambda s: s["incomplete"] / s["rows"],
}
"""Shares of rows, but where the name says otherwise."""

HISTOGRAMS = {
    "size": "nodes of the term",
    "depth": "depth of the term (edges)",
    "redex_depth": "depth of the redex (edges)",
    "cycle": "complexity cycle",
}

WIDTH, HEIGHT, MARGIN, TOP = 460, 150, 24, 320


def coverage(stats: RunStats) -> dict[str, Any]:
    """Rows, shares of them, and numbers of rows by value, stratum and cycle."""
    return {
        "rows": stats["rows"],
        "shares": {name: round(share(stats), 6) for name, share in SHARES.items()},
        "rows_by_stratum": stats["stratum"],
        "histograms": {name: stats[name] for name in HISTOGRAMS},  # type: ignore[literal-required]
    }


def merged_stats(parts: Iterable[RunStats]) -> RunStats:
    """The figures of all parts together."""
    first, *others = parts
    total: Any = first
    for other in others:
        total = _added(total, other)
    return total


def _added(a: Any, b: Any) -> Any:
    if isinstance(a, dict):
        return {
            name: _added(a[name], b[name]) if name in a and name in b else a.get(name, b.get(name))
            for name in sorted(a | b)
        }
    if isinstance(a, list):
        longer = max(len(a), len(b))
        return [x + y for x, y in zip(a + [0] * (longer - len(a)), b + [0] * (longer - len(b)), strict=True)]
    return a + b


def coverage_picture(figures: dict[str, Any], title: str) -> str:
    """An SVG: the shares as text, a histogram of each measure, rows upwards."""
    parts = [_text(MARGIN, 28, title, size=18)]
    for line, (name, share) in enumerate(figures["shares"].items()):
        parts.append(_text(MARGIN, 60 + 22 * line, f"{share:6.1%}  {name}"))
    for place, (name, what) in enumerate(HISTOGRAMS.items()):
        x, y = MARGIN + (place % 2) * (WIDTH + MARGIN), TOP + (place // 2) * (HEIGHT + 3 * MARGIN)
        parts += _histogram(figures["histograms"][name], what, x, y)
    width, height = 2 * WIDTH + 3 * MARGIN, TOP + 2 * HEIGHT + 5 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>' + "".join(parts) + "</svg>\n"
    )


def _histogram(counts: list[int], what: str, x: int, y: int) -> list[str]:
    """Bars from 0 to the value that nineteen twentieths of the rows lie below, and one for all from there on."""
    if not any(counts):
        return [_text(x, y - 10, f"{what}: no row has one")]
    kept = next(i for i in range(1, len(counts) + 1) if sum(counts[i:]) <= sum(counts) / 20)
    drawn = [*counts[:kept], sum(counts[kept:])] if len(counts) > 2 * kept else counts
    most, step = max(drawn), WIDTH / len(drawn)
    bars = "".join(
        f"M{x + i * step:.2f} {y + HEIGHT}v{-HEIGHT * count / most:.2f}h{max(0.8 * step, step - 2):.2f}V{y + HEIGHT}z"
        for i, count in enumerate(drawn)
        if count
    )
    every = next(n * 10**power for power in itertools.count() for n in (1, 2, 5) if len(drawn) <= 16 * n * 10**power)
    ticks = [_text(x + (i + 0.4) * step, y + HEIGHT + 16, str(i), 11, "middle") for i in range(0, len(drawn), every)]
    ground = f'<path d="M{x} {y + HEIGHT}h{WIDTH}" stroke="#888"/>'
    beyond = f"; last bar: {kept} and more" if drawn != counts else ""
    title = _text(x, y - 10, what + beyond)
    highest = _text(x + WIDTH, y - 10, f"up to {most:,} rows", 11, "end")
    return [title, highest, f'<path d="{bars}" fill="#4269d0"/>', ground, *ticks]


def _text(x: float, y: float, text: str, size: int = 14, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="#222" xml:space="preserve">'
        f"{html.escape(text)}</text>"
    )
