"""What a map of documents is in files, and back: documents, the two networks, their scale."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tasks.errors import InputError, first_line
from tasks.sealed_folders import fill, load_folder, save_folder, weights_of
from tasks.tables import Floats
from tasks.text_map.documents import TEXTS, Documents
from tasks.text_map.fit import Scaler
from tasks.text_map.networks import Decoder, Encoder
from tasks.text_map.params import Recipe
from tasks.vectors import unit

DOCUMENTS, UMAP, WRITER, EMBEDDER = "documents", "parametric_umap", "vec2text", "embedder"
GENERATION = "generation.json"
FORM = "katflow-parametric-umap-1"


@dataclass(frozen=True)
class MapModel:
    """Both ways between unit vectors and places."""

    encoder: Encoder
    decoder: Decoder
    scaler: Scaler
    documents: str = ""
    """Fingerprint of the folder that they were learnt from, where it is known."""


def save_documents(folder: Path, made: Documents) -> None:
    """documents.parquet and map.safetensors (emb, places): JSON takes a thousand times as long to read."""
    folder.mkdir(parents=True)
    made.texts.write_parquet(folder / "documents.parquet")
    save_file({"emb": made.emb, "places": made.places}, folder / "map.safetensors")


def load_documents(folder: Path) -> Documents:
    """Raises InputError where they are missing, damaged or not of the same documents."""
    try:
        texts = pl.read_parquet(folder / "documents.parquet").select(*TEXTS)
        read = load_file(folder / "map.safetensors")
        made = Documents(texts, read["emb"], read["places"])
        if not len(texts) == len(made.emb) == len(made.places) or made.emb.ndim != 2 or made.places.shape[1:] != (2,):
            raise ValueError("its files are not of the same documents")
        return made
    except (OSError, SafetensorError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{folder} holds no documents of a text map ({first_line(error)}). Give the --output-dir of a run, or copy "
            "the whole folder again."
        ) from None


def unit_vectors(made: Documents) -> Floats:
    """Directions of the embeddings: what counts here is the cosine. Raises InputError where one has none."""
    emb = unit(made.emb)
    if not (lengths := np.square(emb).sum(axis=1) > 0.5).all():
        one = made.texts["document_id"][int(np.argmin(lengths))]
        raise InputError(f"The embedding of {one!r} is zero, so it has no direction. Embed it again or leave it out.")
    return emb


def table_of(path: Path) -> pl.DataFrame:
    """The texts of documents: of a table, or of a folder of `save_documents`."""
    return pl.read_parquet(path / "documents.parquet" if path.is_dir() else path)


def save_map(folder: Path, made: MapModel, recipe: Recipe, documents: str) -> None:
    """config.json, encoder.safetensors, decoder.safetensors, scaler.json. documents: fingerprint of their folder."""
    dim = made.encoder.layers[0].in_features
    scaler = json.dumps({"mean": list(made.scaler.mean), "std": made.scaler.std})
    weights = {"encoder.safetensors": weights_of(made.encoder), "decoder.safetensors": weights_of(made.decoder)}
    save_folder(folder, FORM, {"dim": dim, "recipe": recipe, "documents": documents}, weights, {"scaler.json": scaler})


def load_map(folder: Path) -> MapModel:
    """Raises InputError where the folder holds no whole map."""
    config, weights = load_folder(folder, FORM)
    try:
        scaler = json.loads((folder / "scaler.json").read_text())
        encoder, decoder = Encoder(config["dim"], config["recipe"]), Decoder(config["dim"], config["recipe"])
        scale = Scaler((float(scaler["mean"][0]), float(scaler["mean"][1])), float(scaler["std"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{folder} is not of one training ({error}). Copy the whole folder again.") from None
    fill(encoder, weights.get("encoder.safetensors", {}), folder)
    fill(decoder, weights.get("decoder.safetensors", {}), folder)
    return MapModel(encoder.eval(), decoder.eval(), scale, config["documents"])
