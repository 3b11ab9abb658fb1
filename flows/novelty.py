"""How novel is what was not learnt? Experiments with random network distillation, beside other detectors.

problems → split → texts → vectors ─┬→ networks (experiments × seeds) ─┬→ results, report
                                    └→ other detectors ────────────────┘
"""

from pathlib import Path

from prefect.logging import get_run_logger

from flows.cli import publish_contents, run
from flows.deployed import deployable, require_allowed
from flows.embed import embedded
from flows.params import NoveltyFlowParams
from tasks.artifact import Artifact, external, publish, require_writable
from tasks.embed.params import EmbedParams
from tasks.embed.task import embedding_model, embedding_model_if_reachable
from tasks.novelty.params import ENCODERS, STAND_IN, Experiment, NoveltyParams, View, read_experiments
from tasks.novelty.task import (
    compare_batches,
    evaluate_experiments,
    groups_of,
    judge_by_others,
    known_networks,
    plan_networks,
    split_problems,
    texts_of,
    train_networks,
)


@deployable("novelty", "novelty to {params.until}, {params.seeds} seeds")
def novelty(params: NoveltyFlowParams) -> dict[str, Path]:
    """Train random networks on stored vectors, and measure how well they and others tell what is new."""
    require_writable(params.out)
    if params.compare:
        return compared(params)
    wanted = read_experiments(params.experiments)
    for one in wanted:
        require_allowed(EmbedParams(encoder=one.encoder_name))
    rows = max(one.num_train_samples for one in wanted)
    split = split_problems(external(params.data), rows, params.novelty)
    used, models, notes = found_encoders({one.encoder_name for one in wanted})
    experiments = [one.model_copy(update={"encoder_name": used[one.encoder_name]}) for one in wanted]
    vectors = {view: encoded(split, view, models) for view in dict.fromkeys(one.view for one in experiments)}
    published = {
        name: publish(split.part(name), params.out / name)
        for name in ("known.parquet", "judged.parquet", "problems.parquet")
    }
    for view, made in vectors.items():
        name = f"embeddings/{view.file}"
        published[name] = publish(made, params.out / name)
    if params.until == "precompute":
        return published
    keys, networks = trained(experiments, vectors, split, params.novelty)
    others = [
        judge_by_others(vectors[one.view], split, one.view, one.num_train_samples, params.seeds) for one in experiments
    ]
    made = evaluate_experiments(experiments, keys, networks, others, split, notes, params.novelty)
    return published | publish_contents(made, params.out)


def found_encoders(names: set[str]) -> tuple[dict[str, str], dict[str, Artifact], list[str]]:
    """What encodes for each name, the models of these, and notes: MiniLM stands in for what no hub gives."""
    used: dict[str, str] = {}
    models: dict[str, Artifact] = {}
    notes = []
    for name in sorted(names):
        wanted = ENCODERS.get(name, name)
        model = embedding_model_if_reachable(EmbedParams(encoder=wanted)) if name in ENCODERS else None
        used[name] = name
        if name in ENCODERS and model is None:
            used[name] = STAND_IN
            notes.append(f"{name} ({wanted}) cannot be reached: minilm stands in for it.")
            get_run_logger().warning(notes[-1])
        models[used[name]] = model or embedding_model(EmbedParams(encoder=used[name]), {})
    return used, models, notes


def encoded(split: Artifact, view: View, models: dict[str, Artifact]) -> Artifact:
    """Vectors of all rows of the split, from the store where they are there."""
    texts = texts_of(split, view.concat_problem_answer)
    encoder = ENCODERS.get(view.encoder_name, view.encoder_name)
    return embedded(texts, models[view.encoder_name], EmbedParams(encoder=encoder, normalize=view.normalize_embeddings))


def trained(
    experiments: list[Experiment], vectors: dict[View, Artifact], split: Artifact, params: NoveltyParams
) -> tuple[list[str], list[Artifact]]:
    """Keys of every experiment's networks, and the artifacts that hold them: of earlier runs, or trained now."""
    planned = plan_networks(experiments, vectors, split, params)
    keys = [key for key, _ in planned]
    known = known_networks(keys)
    groups = groups_of({key: one for key, one in planned if key not in known}, vectors)
    made = []
    for group in groups:
        embeddings = [vectors[one.experiment.view] for one in group.values()]
        made.append(train_networks(list(group.values()), list(group), embeddings, split, params.numbers))
        for key, one in planned:
            if key in group:
                why = "" if one.seed < params.seeds else ", for ensembles"
                get_run_logger().info("experiment %s seed %d done%s", one.experiment.name, one.seed, why)
    get_run_logger().info("made %d, reused %d", sum(map(len, groups)), len(known))
    return keys, [*dict.fromkeys(known.values()), *made]


def compared(params: NoveltyFlowParams) -> dict[str, Path]:
    """Tables and pictures of batches that other runs left."""
    batches = [external(folder / "results.parquet") for folder in params.compare]
    return publish_contents(compare_batches(batches, [str(folder) for folder in params.compare]), params.out)


if __name__ == "__main__":
    run(novelty, NoveltyFlowParams)
