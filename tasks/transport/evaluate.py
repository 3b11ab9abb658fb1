"""From fitted maps and tokens to the folder that a run publishes."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.transport.baselines import emd, identity, mean_shift, ridge
from tasks.transport.choose import chosen, gains
from tasks.transport.fit import load_snapshots
from tasks.transport.judge import Truth, along, chance, compared, judged, plane
from tasks.transport.maps import BURES, BalancedMap, Map, load_map, save_map
from tasks.transport.params import TransportParams
from tasks.transport.pictures import Curve, projections, retrieval, training
from tasks.transport.report import page, report
from tasks.transport.tokens import Pairs, Part


def evaluate(
    out: Path,
    bures: BalancedMap,
    fitted: Mapping[str, Path],
    pairs: Mapping[Part, Pairs],
    truth: Truth | None,
    params: TransportParams,
) -> dict[str, Any]:
    """Choose a map by validation, judge all on the test part; map/, report.json, report.md and pictures into `out`.

    fitted: by method, the folder of `save_learnt`.  Returns the report.
    """
    learnt = {name: load_map(folder / "map") for name, folder in fitted.items()}
    gained = gains(learnt, bures, pairs["validation"], params.seed)
    default = chosen(gained)
    test, maps = pairs["test"], {**baselines(pairs["train"], bures, params), **learnt}
    figures = judged(maps, test, truth, params.seed)
    curves: dict[str, Curve] = {}
    for name, folder in fitted.items():
        seen = load_snapshots(folder)
        quality = along(partial(learnt[name].with_each, [one.weights for one in seen]), test, truth)
        curves[name] = list(zip([one.seconds for one in seen], quality, strict=True))
        figures[name]["seconds"] = seen[-1].seconds
        figures[name]["curve"] = curves[name]
    counts: dict[str, dict[str, int]] = {
        part: {"sequences": len(of.ids), "tokens": len(of.nl), "left_out": of.left_out} for part, of in pairs.items()
    }
    rows = compared(test)
    counts["test"]["compared"] = len(rows)
    made = report(default, figures, chance(len(test.ids)), gained, counts, test.nl.shape[1])
    kept = learnt.get(default, bures)
    save_map(out / "map", kept)
    (out / "report.json").write_text(json.dumps(made, indent=1))
    (out / "report.md").write_text(page(made))
    few, there = test.nl[rows], test.lean[rows]
    (out / "projections.svg").write_text(projections(few, kept(few), there, plane(few, there), default))
    start = along(lambda x: [bures(x)], test, truth)[0]
    (out / "training.svg").write_text(training(curves, start, truth is not None))
    (out / "retrieval.svg").write_text(retrieval(figures, list(figures)))
    return made


def baselines(train: Pairs, bures: BalancedMap, params: TransportParams) -> dict[str, Map]:
    """What a learnt map has to beat. All but ridge see the two sides as if no token had a partner."""
    rng = np.random.default_rng(params.seed)
    balance = bures.balance
    return {
        "identity": identity(len(balance.source_mean)),
        "mean_shift": mean_shift(balance.source_mean, balance.target_mean),
        BURES: bures,
        "ridge": ridge(train.nl, train.lean),
        "emd": emd(train.nl, train.lean, params.emd_tokens, rng),
    }
