"""An invertible map of documents, and text for any point of it.

papers (or λ-terms, told) → texts → embeddings → laid out ─┐
documents of a folder ─────────────────────────────────────┴→ read ─┬→ learn places → judge ───────────────┬→ report
                                                                    ├→ learn to write → judge texts ───────┤
                                                                    └→ both ──────────→ judge texts of places
"""

from pathlib import Path

from flows.cli import publish_contents, run
from flows.deployed import deployable
from flows.embed import embedded
from flows.params import TextMapParams
from tasks.artifact import Artifact, external, publish, require_writable
from tasks.embed.task import embedding_model
from tasks.terms.task import generate_terms
from tasks.text_map.task import (
    choose_papers,
    describe_terms,
    judge_places,
    judge_points,
    judge_texts,
    language_model,
    lay_out,
    learn_places,
    learn_to_write,
    read_documents,
    report,
    same_embedder,
    texts_of,
)

Made = dict[str, Artifact]
KEPT = ("documents", "parametric_umap", "vec2text", "embedder")


@deployable("text-map", "text map")
def text_map(params: TextMapParams = TextMapParams()) -> dict[str, Path]:
    """Learn a map of documents both ways and a writer of texts for embeddings, and judge them on held-out ones."""
    if params.prepare:
        require_writable(params.out)
        return publish_contents(prepared(params), params.out)
    require_writable(params.output_dir)
    documents = read_documents(external(params.data_dir) if params.data_dir else prepared(params))
    made = {"documents": documents}
    if not params.skip_umap:
        made |= places(documents, params)
    if not params.skip_vec2text:
        made |= texts(documents, params)
    if not params.skip_umap and not params.skip_vec2text:
        made["judged_points"] = points(made, params)
    judged = [of for name, of in made.items() if name.startswith("judged")]
    published = {name: publish(made[name], params.output_dir / name) for name in KEPT if name in made}
    return published | publish_contents(report(judged, params.generation), params.output_dir)


def prepared(params: TextMapParams) -> Artifact:
    """A folder of documents with embeddings and places, of a user's papers or of the project's own λ-terms."""
    documents = (
        choose_papers(external(params.prepare), params.documents)
        if params.prepare
        else describe_terms(generate_terms(params.terms), params.documents)
    )
    embedder = embedding_model(params.embed, {})
    return lay_out(documents, embedded(texts_of(documents, "content"), embedder, params.embed), params.documents)


def places(documents: Artifact, params: TextMapParams) -> Made:
    """The networks between embeddings and places, judged beside the plain recipe's."""
    learnt = learn_places(documents, params.placing, "ours")
    reference = learn_places(documents, params.placing, "reference")
    return {"parametric_umap": learnt, "judged_places": judge_places(documents, learnt, reference, params.placing)}


def texts(documents: Artifact, params: TextMapParams) -> Made:
    """The writer, its embedder, and what it writes of held-out texts."""
    embedder = embedding_model(params.embed, {})
    same_embedder(documents, embedder)
    vectors = embedded(texts_of(documents, params.text), embedder, params.embed)
    model = language_model(params.vec2text_model) if params.vec2text_model else None
    writer = learn_to_write(documents, vectors, embedder, params.encoder, model, params.writing)
    judged = judge_texts(documents, vectors, embedder, writer, params.writing, params.generation)
    return {"vec2text": writer, "embedder": embedder, "vectors": vectors, "judged_texts": judged}


def points(made: Made, params: TextMapParams) -> Artifact:
    """What is written of held-out documents' places alone."""
    return judge_points(
        made["documents"],
        made["vectors"],
        made["embedder"],
        made["vec2text"],
        made["parametric_umap"],
        params.writing,
        params.generation,
    )


if __name__ == "__main__":
    run(text_map, TextMapParams)
