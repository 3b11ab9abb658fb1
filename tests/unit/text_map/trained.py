"""A small trained model folder, as a run leaves it, made without a flow: ten documents are enough."""

import shutil
from pathlib import Path

import polars as pl

from tasks.artifact import fingerprint
from tasks.minilm import minilm_folder
from tasks.runtime import torch_threads
from tasks.sentences import encode_sentences
from tasks.text_map.documents import Documents
from tasks.text_map.fit import Scaler, fit_networks
from tasks.text_map.kept import DOCUMENTS, EMBEDDER, GENERATION, UMAP, WRITER, MapModel, save_documents, save_map
from tasks.text_map.layout import umap_layout
from tasks.text_map.params import DocumentsParams, GenerationParams, PlacingParams, WritingParams
from tasks.text_map.writers import learn, save_writer

TITLES = [
    "Deep networks for images",
    "Convolutions that see",
    "A survey of image recognition",
    "Speech without labels",
    "Listening machines",
    "Recognising spoken words",
    "Proofs by machine",
    "A prover for algebra",
    "Lean and its library",
    "Theorems found by search",
]


def documents() -> Documents:
    texts = pl.DataFrame({"document_id": [f"doc/{number}" for number in range(10)], "title": TITLES}).with_columns(
        pl.concat_str([pl.lit("We study this. "), pl.col("title"), pl.lit(". It works <b>well</b>.")]).alias("content"),
        pl.lit("A. Author").alias("authors"),
    )
    emb = encode_sentences(minilm_folder(), texts["content"].to_list())
    return Documents(texts, emb, umap_layout(emb, DocumentsParams()))


def model_folder(out: Path) -> Path:
    made = documents()
    save_documents(out / DOCUMENTS, made)
    scaler = Scaler.of(made.places)
    params = PlacingParams(epochs=30, batch_size=4)
    with torch_threads(1):
        networks = fit_networks(made.emb, scaler.standardised(made.places), params)
        save_map(out / UMAP, MapModel(*networks, scaler), "ours", fingerprint(out / DOCUMENTS))
        small = WritingParams(epochs=40, batch_size=5, vocabulary=300, hidden=32, layers=1, max_length=24)
        titles = encode_sentences(minilm_folder(), TITLES)
        speaker = learn(TITLES, titles, small, None, out / "work", lambda share: None)
    shutil.rmtree(out / "work", ignore_errors=True)
    (out / EMBEDDER).symlink_to(minilm_folder())
    embedder = {"name": "minilm", "sha256": fingerprint(minilm_folder(), follow_links=True)}
    told = {"backend": "small", "text": "title", "embedder": embedder, "documents": fingerprint(out / DOCUMENTS)}
    save_writer(out / WRITER, speaker, told)
    how = GenerationParams(samples=4, num_beams=2, max_length=24, max_correction_iterations=3, embedding_tolerance=0.0)
    (out / GENERATION).write_text(how.model_dump_json())
    return out
