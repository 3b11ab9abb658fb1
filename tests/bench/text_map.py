"""The map to text on real abstracts and titles (../shared/data/papers_arxiv.parquet). Bars, in one run:
hybrid trustworthiness ≥ umap.transform − .03, neighbour recall ≥ it, coordinate MSE ≤ half the plain recipe's; MLP ≥
plain recipe + .02; decoder (cosine − floor) / (oracle − floor) ≥ .95 and ≥ umap.inverse_transform + .05; MLP ≥ 500
times as fast a point as umap.transform in batches, ≥ 30 times singly, ≥ 500 times inverse_transform (after warm-up).
Vec2Text `small` on titles, trained in ≤ 10 min on two cores: cosine ≥ .80 and ≥ nearest title + .08, F1 ≥ .38; every
round ≥ the one before, F1 and BLEU not below round 0.

Medians of seeds on which no setting was found: a seed draws the held-out tenth and all training.

    python -m tests.bench.text_map [places|titles|page]
"""

import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import numpy as np
import polars as pl
import uvicorn
from playwright.sync_api import sync_playwright

from tasks.artifact import fingerprint
from tasks.minilm import minilm_folder
from tasks.runtime import torch_threads
from tasks.sentences import encode_sentences
from tasks.tables import Floats
from tasks.text_map.documents import Documents
from tasks.text_map.fit import Scaler, fit_networks
from tasks.text_map.judge_places import judge as judge_map
from tasks.text_map.judge_texts import judge as judge_writing
from tasks.text_map.kept import DOCUMENTS, UMAP, MapModel, save_documents, save_map
from tasks.text_map.layout import umap_layout
from tasks.text_map.networks import Decoder, Encoder
from tasks.text_map.params import DocumentsParams, GenerationParams, PlacingParams, WritingParams
from tasks.text_map.peers import umap_on
from tasks.text_map.place import embeddings_at, place_by_network, place_hybrid
from tasks.text_map.serve import application
from tasks.text_map.service import EmbeddingToTextService
from tasks.text_map.speak import SpokenProposer
from tasks.text_map.splits import split
from tasks.text_map.texts import JUDGED, embed_with
from tasks.text_map.writers import learn
from tests.bench.measure import ROOT
from tests.bench.prompt_map import READ_BACK, VIEWPORT, turned
from tests.browser.conftest import FLAGS, chromium

PAPERS = ROOT.parent / "shared/data/papers_arxiv.parquet"
ABSTRACTS = 7200
SHOWN, ROUNDS = 20_000, 5
POINTS, SINGLE = 700, 20
SEEDS = (11, 12, 13)
Figures = dict[str, dict[str, float]]


def main(which: str = "") -> None:
    if not PAPERS.exists():
        print(f"{PAPERS} is not there: the map to text was not measured")
        return
    if which in ("", "places"):
        places()
    if which in ("", "titles"):
        titles()
    if which in ("", "page"):
        page()


def places() -> None:
    table = pl.read_parquet(PAPERS)
    rows = np.sort(np.random.default_rng(0).choice(len(table), ABSTRACTS, replace=False))
    texts = table[rows].select("document_id", "title", "content", pl.lit("").alias("authors"))
    emb = encode_sentences(minilm_folder(), texts["content"].to_list())
    made = Documents(texts, emb, umap_layout(emb, DocumentsParams()))
    found: list[Figures] = []
    for seed in SEEDS:
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
        cosine = judged.metrics["avg_cosine_similarity"]
        share = (cosine["decoder"] - cosine["global_mean"]) / (cosine["kernel_oracle"] - cosine["global_mean"])
        found.append({**judged.metrics, "of what two coordinates can tell": {"decoder": share}})
        print(f"places, seed {seed}: {len(known)} abstracts learnt from, {judged.held_out} held out; {spent:.0f} CPU s")
    show("places", found)
    speeds(emb, known, at, MapModel(*ours, scaler))


def show(what: str, found: list[Figures]) -> None:
    """Medians over seeds, and the least and the most."""
    for name, of in found[0].items():
        each = {method: [one[name][method] for one in found] for method in of}
        said = (f"{method} {median(all):.3f} [{min(all):.3f}, {max(all):.3f}]" for method, all in each.items())
        print(f"{what}, {name}: {', '.join(said)}", flush=True)


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
    found: list[Figures] = []
    for seed in SEEDS:
        known, held = split(len(texts), seed)
        params = WritingParams(seed=seed)
        begun, cpu = time.monotonic(), time.process_time()
        with torch_threads():
            said = [texts[row] for row in known]
            speaker = learn(said, emb[known], params, None, None, lambda share: None)
        spent = f"{time.monotonic() - begun:.0f} s, {time.process_time() - cpu:.0f} CPU s"
        true = [texts[row] for row in held[:JUDGED]]
        print(f"titles, seed {seed}: {len(said)} learnt from in {spent}; {len(true)} held out", flush=True)
        how = GenerationParams(seed=seed)
        judged = judge_writing(true, emb[held[:JUDGED]], said, emb[known], SpokenProposer(speaker), embed, "small", how)
        found.append(judged.metrics)
        for one in judged.rounds:
            print(f"  {', '.join(f'{name} {value:.3f}' for name, value in one.items())}", flush=True)
    show("titles", found)


def page() -> None:
    """20,000 documents on the served page in headless Chromium: bytes, seconds until it is drawn, frames a second."""
    rng = np.random.default_rng(0)
    middles = rng.normal(scale=4, size=(40, 2))
    places = (middles[rng.integers(0, 40, SHOWN)] + rng.standard_normal((SHOWN, 2))).astype(np.float32)
    texts = pl.read_parquet(PAPERS).head(SHOWN)
    texts = texts.select("document_id", "title", "content", pl.lit("").alias("authors"))
    with tempfile.TemporaryDirectory() as made, served(Path(made), Documents(texts, places, places)) as address:
        with urlopen(f"{address}/api/map") as answer:
            size = len(answer.read())
        with sync_playwright() as playwright:
            browser = chromium(playwright, FLAGS)
            opened = browser.new_page(viewport=VIEWPORT)
            opened.goto(address)
            opened.wait_for_selector("html[data-ready]", timeout=120_000)
            seconds = opened.evaluate(READ_BACK) / 1000
            rate = median(turned(opened) for _ in range(ROUNDS))
            print(
                f"page, {SHOWN} documents: {size / 1e6:.1f} MB, drawn after {seconds:.1f} s, {rate:.0f} frames a second"
            )
            browser.close()


@contextmanager
def served(folder: Path, documents: Documents) -> Iterator[str]:
    """The page of documents with networks that learnt nothing."""
    save_documents(folder / DOCUMENTS, documents)
    dim = documents.emb.shape[1]
    model = MapModel(Encoder(dim, "ours"), Decoder(dim, "ours"), Scaler.of(documents.places))
    save_map(folder / UMAP, model, "ours", fingerprint(folder / DOCUMENTS))
    service = EmbeddingToTextService()
    service.load_trained_model(folder)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(service), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
