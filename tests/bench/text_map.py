"""The map to text on real abstracts and titles (../shared/data/papers_arxiv.parquet). Bars, in one run:
hybrid trustworthiness ≥ umap.transform − .03, neighbour recall ≥ it, coordinate MSE ≤ half the plain recipe's; MLP ≥
plain recipe + .02; decoder (cosine − floor) / (oracle − floor) ≥ .95 and ≥ umap.inverse_transform + .05; MLP ≥ 500
times as fast a point as umap.transform in batches, ≥ 30 times singly, ≥ 500 times inverse_transform (after warm-up).
Vec2Text `small` on titles, trained in ≤ 10 min on two cores: cosine ≥ .80 and ≥ nearest title + .08, F1 ≥ .38; every
round ≥ the one before, F1 and BLEU not below round 0.

    python -m tests.bench.text_map [places|titles]
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from tasks.minilm import minilm_folder
from tasks.runtime import torch_threads
from tasks.sentences import encode_sentences
from tasks.tables import Floats
from tasks.text_map.documents import Documents
from tasks.text_map.fit import Scaler, fit_networks
from tasks.text_map.judge_places import judge as judge_map
from tasks.text_map.judge_texts import judge as judge_writing
from tasks.text_map.kept import MapModel
from tasks.text_map.layout import umap_layout
from tasks.text_map.params import DocumentsParams, GenerationParams, PlacingParams, WritingParams
from tasks.text_map.peers import umap_on
from tasks.text_map.place import embeddings_at, place_by_network, place_hybrid
from tasks.text_map.speak import SpokenProposer
from tasks.text_map.splits import split
from tasks.text_map.texts import JUDGED, embed_with
from tasks.text_map.writers import learn
from tests.bench.measure import ROOT

PAPERS = ROOT.parent / "shared/data/papers_arxiv.parquet"
ABSTRACTS = 7200
POINTS, SINGLE = 700, 20
SEEDS = 3


def main(which: str = "") -> None:
    if not PAPERS.exists():
        print(f"{PAPERS} is not there: the map to text was not measured")
        return
    if which in ("", "places"):
        places()
    if which in ("", "titles"):
        titles()


def places() -> None:
    table = pl.read_parquet(PAPERS)
    rows = np.sort(np.random.default_rng(0).choice(len(table), ABSTRACTS, replace=False))
    texts = table[rows].select("document_id", "title", "content", pl.lit("").alias("authors"))
    emb = encode_sentences(minilm_folder(), texts["content"].to_list())
    made = Documents(texts, emb, umap_layout(emb, DocumentsParams()))
    for seed in range(SEEDS):
        known, _ = split(len(emb), seed)
        scaler = Scaler.of(made.places[known])
        at = scaler.standardised(made.places[known])
        params = PlacingParams(seed=seed)
        begun = time.process_time()
        with torch_threads(1):
            ours = fit_networks(emb[known], at, params)
            spent = time.process_time() - begun
            plain = fit_networks(emb[known], at, params, recipe="reference")
        judged = judge_map(made, MapModel(*ours, scaler), MapModel(*plain, scaler), seed)
        print(f"places, seed {seed}: {len(known)} abstracts learnt from, {judged.held_out} held out; {spent:.0f} CPU s")
        for name, of in judged.metrics.items():
            print(f"  {name}: {', '.join(f'{method} {value:.3f}' for method, value in of.items())}")
        cosine = judged.metrics["avg_cosine_similarity"]
        share = (cosine["decoder"] - cosine["global_mean"]) / (cosine["kernel_oracle"] - cosine["global_mean"])
        print(f"  decoder of what two coordinates can tell: {share:.3f} (bar .95)", flush=True)
        if seed == 0:
            speeds(emb, known, at, MapModel(*ours, scaler))


def speeds(emb: Floats, known: np.ndarray, at: Floats, model: MapModel) -> None:
    """CPU seconds a point of one thread, after a warm-up of each."""
    new = np.delete(emb, known, axis=0)[:POINTS]
    where = place_hybrid(new, emb[known], at)
    peer = umap_on(emb[known], at, 0)
    with torch_threads(1):
        mlp, single = (per_point(lambda x: place_by_network(model.encoder, x), new, by) for by in (POINTS, 1))
        hybrid = per_point(lambda x: place_hybrid(x, emb[known], at), new, POINTS)
        back = per_point(lambda x: embeddings_at(model.decoder, x)[0], where, POINTS)
        theirs, alone = (per_point(peer.transform, new, by) for by in (POINTS, 1))
        inverse = per_point(peer.inverse_transform, where[:100], 100)
    print(
        f"  a point, CPU µs: MLP {1e6 * mlp:.1f}, singly {1e6 * single:.0f}; hybrid {1e6 * hybrid:.0f}; umap.transform "
        f"{1e6 * theirs:.0f} ({theirs / mlp:.0f} times), singly {1e6 * alone:.0f} ({alone / single:.0f} times); "
        f"decoder {1e6 * back:.1f}, inverse_transform {1e6 * inverse:.0f} ({inverse / back:.0f} times)",
        flush=True,
    )


def per_point(method: Callable[[Floats], object], points: Floats, at_once: int) -> float:
    """CPU seconds a point, in batches of so many."""
    method(points[:at_once])
    some = points if at_once > 1 else points[:SINGLE]
    begun = time.process_time()
    for start in range(0, len(some), at_once):
        method(some[start : start + at_once])
    return (time.process_time() - begun) / len(some)


def titles() -> None:
    texts = pl.read_parquet(PAPERS)["title"].to_list()
    emb = encode_sentences(minilm_folder(), texts)
    embed = embed_with(minilm_folder())
    for seed in range(SEEDS):
        known, held = split(len(texts), seed)
        params = WritingParams(seed=seed)
        begun, cpu = time.monotonic(), time.process_time()
        with torch_threads():
            said = [texts[row] for row in known]
            speaker = learn(said, emb[known], params, None, None, lambda share: None)
        spent = f"{time.monotonic() - begun:.0f} s, {time.process_time() - cpu:.0f} CPU s"
        true = [texts[row] for row in held[:JUDGED]]
        how = GenerationParams(seed=seed)
        judged = judge_writing(true, emb[held[:JUDGED]], said, emb[known], SpokenProposer(speaker), embed, "small", how)
        print(f"titles, seed {seed}: {len(said)} learnt from in {spent}; {len(true)} held out")
        for name, of in judged.metrics.items():
            print(f"  {name}: {', '.join(f'{method} {value:.3f}' for method, value in of.items())}")
        for one in judged.rounds:
            print(f"  round {', '.join(f'{name} {value:.3f}' for name, value in one.items())}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
