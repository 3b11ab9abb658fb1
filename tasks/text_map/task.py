"""Documents in; a map both ways, a writer of texts for embeddings, and what both are worth, out."""

from tasks.artifact import Artifact, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.reporting import log_line, progress, show_markdown, show_table
from tasks.text_map.params import DocumentsParams, GenerationParams, PlacingParams, Recipe, Text, WritingParams


@cached_task("choose papers")
def choose_papers(papers: Artifact, params: DocumentsParams) -> Artifact:
    """A user's table of papers, checked, and cut by lot to the limit: documents.parquet."""
    from tasks.text_map.documents import drawn, read_papers

    table = drawn(read_papers(papers.path), params.limit, params.seed)
    with new_artifact("text_map", "documents.parquet") as out:
        table.write_parquet(out.path)
        out.holds(len(table))
    return out.sealed()


@cached_task("describe λ-terms")
def describe_terms(terms: Artifact, params: DocumentsParams) -> Artifact:
    """Documents that this project makes itself: what λ-terms are like, and what becomes of them."""
    from tasks.text_map.described import descriptions
    from tasks.text_map.documents import drawn

    table = drawn(descriptions(terms.path), params.limit, params.seed)
    with new_artifact("text_map", "documents.parquet") as out:
        table.write_parquet(out.path)
        out.holds(len(table))
    return out.sealed()


@cached_task("{text}s to encode")
def texts_of(documents: Artifact, text: Text) -> Artifact:
    """What an encoder reads of documents, a table or a folder: id, prompt; the other text where one is empty."""
    import polars as pl

    from tasks.text_map.kept import table_of

    is_empty = pl.col(text).str.strip_chars() == ""
    other = "content" if text == "title" else "title"
    table = table_of(documents.path).select(
        pl.col("document_id").alias("id"),
        pl.when(is_empty).then(other).otherwise(text).alias("prompt"),
        pl.lit(None, pl.String).alias("assistant"),
    )
    with new_artifact("text_map", "texts.parquet") as out:
        table.write_parquet(out.path)
        out.holds(len(table))
    return out.sealed()


@cached_task("lay documents out")
def lay_out(documents: Artifact, embeddings: Artifact, params: DocumentsParams) -> Artifact:
    """A folder of the three JSON files: places by UMAP, to two dimensions."""
    import polars as pl

    from tasks.tables import read_embeddings
    from tasks.text_map.documents import Documents, write_folder
    from tasks.text_map.layout import umap_layout

    ids, emb = read_embeddings(embeddings.path)
    texts = pl.DataFrame({"document_id": ids}).join(pl.read_parquet(documents.path), on="document_id", how="left")
    with progress(f"lay out {len(ids)} documents"):
        places = umap_layout(emb, params)
    with new_artifact("text_map", "folder") as out:
        write_folder(out.path, Documents(texts, emb, places))
        out.holds(len(ids))
    return out.sealed()


@cached_task("read documents")
def read_documents(folder: Artifact) -> Artifact:
    """The three files, checked, as a folder that is read in no time."""
    from tasks.text_map.documents import read_folder
    from tasks.text_map.kept import save_documents, unit_vectors

    made = read_folder(folder.path)
    unit_vectors(made)
    with new_artifact("text_map", "documents") as out:
        save_documents(out.path, made)
        out.holds(len(made.emb), dimensions=made.emb.shape[1])
    return out.sealed()


@cached_task("learn places, {recipe}")
def learn_places(documents: Artifact, params: PlacingParams, recipe: Recipe) -> Artifact:
    """Both networks, from the documents that are not held out: the folder parametric_umap."""
    from tasks.runtime import one_thread
    from tasks.text_map.fit import Scaler, fit_networks
    from tasks.text_map.kept import MapModel, load_documents, save_map, unit_vectors
    from tasks.text_map.splits import split

    made = load_documents(documents.path)
    rows, _ = split(len(made.emb), params.seed)
    scaler = Scaler.of(made.places[rows])
    emb, places = unit_vectors(made)[rows], scaler.standardised(made.places[rows])
    with one_thread(), progress(f"learn places of {len(rows)} documents") as show:
        encoder, decoder = fit_networks(emb, places, params, recipe=recipe, work=work_folder("text_map"), show=show)
    with new_artifact("text_map", "parametric_umap") as out:
        save_map(out.path, MapModel(encoder, decoder, scaler), recipe, documents.fingerprint)
        out.holds(len(rows))
    return out.sealed()


@cached_task("judge places")
def judge_places(documents: Artifact, learnt: Artifact, reference: Artifact, params: PlacingParams) -> Artifact:
    """A folder: metrics.json (parametric_umap) of held-out documents, and pictures."""
    from tasks.text_map.judge_places import judge, pictures
    from tasks.text_map.kept import load_documents, load_map

    made = load_documents(documents.path)
    with progress("judge places") as show:
        judged = judge(made, load_map(learnt.path), load_map(reference.path), params.seed, show)
    with new_artifact("text_map", "judged_places") as out:
        out.path.mkdir()
        pictures(out.path, judged)
        out.holds(judged.held_out)
    return out.sealed()


def language_model(name_or_path: str) -> Artifact:
    """What backend hf begins from: a folder, or a hub's model."""
    from tasks.model_folders import find_model

    return find_model(name_or_path)


@cached_task("learn to write {params.text}s, {params.backend}")
def learn_to_write(
    documents: Artifact,
    vectors: Artifact,
    embedder: Artifact,
    encoder: str,
    model: Artifact | None,
    params: WritingParams,
) -> Artifact:
    """The folder vec2text of a writer of the documents' texts, those aside that are held out.

    vectors: embeddings.parquet of the texts.  embedder: that made them.  model: what backend hf begins from.
    """
    from tasks.runtime import torch_threads
    from tasks.text_map.texts import training_texts
    from tasks.text_map.writers import learn, save_editor, save_writer

    _, texts, emb = training_texts(documents.path, vectors.path, params)
    told = {
        "backend": params.backend,
        "text": params.text,
        "documents": documents.fingerprint,
        "embedder": {"name": encoder, "sha256": embedder.fingerprint},
    }
    with new_artifact("text_map", "vec2text") as out:
        if params.backend == "retrieve_edit":
            save_editor(out.path, texts, emb, told)
        else:
            with torch_threads(), progress(f"learn to write {params.text}s") as show:
                speaker = learn(texts, emb, params, model.path if model else None, work_folder("text_map"), show)
            save_writer(out.path, speaker, told)
        out.holds(len(texts))
    return out.sealed()


@cached_task("judge texts")
def judge_texts(
    documents: Artifact,
    vectors: Artifact,
    embedder: Artifact,
    writer: Artifact,
    params: WritingParams,
    how: GenerationParams,
) -> Artifact:
    """A folder: metrics.json (vec2text) of held-out texts, by round and beside the nearest text; a picture."""
    from tasks.text_map.judge_texts import judge, pictures
    from tasks.text_map.texts import embed_with, held_out_texts, training_texts
    from tasks.text_map.writers import load_writer

    _, true, emb = held_out_texts(documents.path, vectors.path, params)
    _, known, of_known = training_texts(documents.path, vectors.path, params)
    proposer, _ = load_writer(writer.path)
    with progress(f"write what is held out ({len(true)})") as show:
        judged = judge(true, emb, known, of_known, proposer, embed_with(embedder.path), params.backend, how, show)
    with new_artifact("text_map", "judged_texts") as out:
        out.path.mkdir()
        pictures(out.path, judged)
        out.holds(len(true))
    return out.sealed()


@cached_task("judge texts of places")
def judge_points(
    documents: Artifact,
    vectors: Artifact,
    embedder: Artifact,
    writer: Artifact,
    learnt: Artifact,
    params: WritingParams,
    how: GenerationParams,
) -> Artifact:
    """A folder: metrics.json (vec2text) of texts that are written of held-out documents' places alone."""
    import json

    from sklearn.neighbors import KDTree

    from tasks.text_map.judge_texts import judge_of_places
    from tasks.text_map.kept import load_documents, load_map
    from tasks.text_map.place import embeddings_at
    from tasks.text_map.texts import embed_with, held_out_texts, training_texts
    from tasks.text_map.writers import load_writer

    made, model = load_documents(documents.path), load_map(learnt.path)
    row = {one: at for at, one in enumerate(made.texts["document_id"])}
    new, known = (of(documents.path, vectors.path, params) for of in (held_out_texts, training_texts))
    there, around = (made.places[[row[one] for one in of.ids]] for of in (new, known))
    decoded, _ = embeddings_at(model.decoder, model.scaler.standardised(there))
    beside = [known.texts[at] for at in KDTree(around).query(there, return_distance=False)[:, 0]]
    proposer, _ = load_writer(writer.path)
    with progress(f"write texts of held-out places ({len(new.ids)})"):
        embed = embed_with(embedder.path)
        metrics, examples = judge_of_places(new.texts, new.emb, decoded, beside, proposer, embed, how)
    with new_artifact("text_map", "judged_points") as out:
        out.path.mkdir()
        (out.path / "metrics.json").write_text(json.dumps({"vec2text": metrics}, indent=1))
        (out.path / "details.json").write_text(json.dumps({"of_places": examples}, indent=1, ensure_ascii=False))
        out.holds(len(new.ids))
    return out.sealed()


@cached_task("report")
def report(judged: list[Artifact], how: GenerationParams) -> Artifact:
    """A folder: metrics.json, details.json, report.md and the pictures of all that was judged.

    And generation.json, by which the service looks for texts.
    """
    from tasks.text_map.report import gather, table

    with new_artifact("text_map", "report") as out:
        out.path.mkdir()
        metrics = gather([one.path for one in judged], out.path)
        (out.path / "generation.json").write_text(how.model_dump_json(indent=1))
        out.holds(len(metrics))
    show_table("text-map", table(metrics), "On held-out documents")
    text = (out.sealed().path / "report.md").read_text()
    show_markdown("text-map-report", text, "What the map and the writer are worth")
    return out.sealed()


def same_embedder(documents: Artifact, embedder: Artifact) -> None:
    """Raise InputError where the documents' embeddings have another size than the embedder's; warn where it seems
    another's."""
    from tasks.text_map.texts import compare_embedder

    if said := compare_embedder(documents.path, embedder.path):
        log_line("%s", said)
