"""Problems and their vectors in; how novel each row is by every detector, and how good that is, out."""

from collections.abc import Mapping, Sequence

from tasks.artifact import Artifact, finished_artifacts, new_artifact
from tasks.caching import cached_task, source_hash
from tasks.errors import InputError
from tasks.novelty.params import Experiment, Member, NoveltyParams, PromptNoveltyParams, View
from tasks.reporting import log_line, progress, show_markdown, show_table

NETWORKS = "networks.parquet"


@cached_task("split problems, {params.train_source} known")
def split_problems(problems: Artifact, train_rows: int, params: NoveltyParams) -> Artifact:
    """Returns a folder: known.parquet (rows to learn, drawn in this order), judged.parquet (id, part, novel, near),
    problems.parquet (all of these rows)."""
    import polars as pl

    from tasks.novelty.split import PROBLEMS, split
    from tasks.tables import read_table

    table = read_table(problems.path, PROBLEMS)
    made = split(
        table,
        params.train_source,
        params.novel_sources,
        train_rows=train_rows,
        judged_rows=params.judged_rows,
        seed=params.split_seed,
    )
    with new_artifact("novelty", "split") as out:
        out.path.mkdir()
        made.known.select(*PROBLEMS).write_parquet(out.path / "known.parquet")
        made.judged.write_parquet(out.path / "judged.parquet")
        rows = table.filter(pl.col("id").is_in(pl.concat([made.known["id"], made.judged["id"]]).implode()))
        rows.write_parquet(out.path / "problems.parquet")
        out.holds(len(rows))
    counts = made.judged.group_by("part", "novel", "near").len("rows").sort("part", "near", "novel").to_dicts()
    show_table("novelty-split", counts, f"Rows to judge beside {len(made.known)} of {params.train_source} to learn")
    return out.sealed()


@cached_task("texts to encode")
def texts_of(split: Artifact, with_answer: bool) -> Artifact:
    """What an encoder reads: id, prompt (the problem), assistant (its solution, or null)."""
    import polars as pl

    rows = pl.read_parquet(split.path / "problems.parquet")
    without = rows["solution"].null_count()
    if with_answer and without == len(rows):
        raise InputError("No row has a solution, so concat_problem_answer would encode problems alone. Leave it out.")
    if with_answer and without:
        log_line("%d of %d rows have no solution: their problems are encoded alone", without, len(rows))
    answer = pl.col("solution") if with_answer else pl.lit(None, pl.String)
    with new_artifact("novelty", "texts.parquet") as out:
        rows.select("id", pl.col("problem").alias("prompt"), answer.alias("assistant")).write_parquet(out.path)
        out.holds(len(rows))
    return out.sealed()


def plan_networks(
    experiments: Sequence[Experiment], vectors: Mapping[View, Artifact], split: Artifact, params: NoveltyParams
) -> list[tuple[str, Member]]:
    """Every experiment's networks with their keys: for each seed one, and what the last seeds' ensembles need more."""
    from tasks.novelty.results import ENSEMBLE

    data = {
        (one.view, one.num_train_samples): _rows_hash(vectors[one.view], split, one.num_train_samples)
        for one in experiments
    }
    members = [Member(experiment=one, seed=seed) for one in experiments for seed in range(params.seeds + ENSEMBLE - 1)]
    return [
        (network_key(one, data[one.experiment.view, one.experiment.num_train_samples], params.numbers), one)
        for one in members
    ]


def groups_of(members: Mapping[str, Member], vectors: Mapping[View, Artifact]) -> list[dict[str, Member]]:
    """What `train_networks` can train at once, by key."""
    import pyarrow.parquet as pq

    from tasks.novelty.experiment import together

    sizes = {view: pq.read_schema(made.path).field("emb").type.list_size for view, made in vectors.items()}
    return together(members, sizes)


def _rows_hash(embeddings: Artifact, split: Artifact, train_rows: int) -> str:
    """Of the rows that a network learns and judges, and of their vectors: other experiments may need more rows."""
    import hashlib

    import polars as pl

    from tasks.novelty.vectors import load_precomputed_embeddings

    known = pl.read_parquet(split.path / "known.parquet", columns=["id"])["id"].to_list()[:train_rows]
    judged = pl.read_parquet(split.path / "judged.parquet", columns=["id"])["id"].to_list()
    total = hashlib.sha256("\0".join([*known, "", *judged]).encode())
    total.update(load_precomputed_embeddings(embeddings.path, [*known, *judged]).tobytes())
    return total.hexdigest()


def network_key(member: Member, data: str, dtype: str) -> str:
    """Under what a network's scores are found again: its experiment but the name, seed, data, numbers and source."""
    import hashlib
    import json

    said = [member.identity(), data, dtype, source_hash(__name__)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def known_networks(keys: Sequence[str]) -> dict[str, Artifact]:
    """The artifacts of earlier runs that hold these networks, each whole."""
    import polars as pl

    wanted = set(keys)
    found: dict[str, Artifact] = {}
    for _, artifact in finished_artifacts("novelty", NETWORKS):
        try:
            held = wanted & set(pl.read_parquet(artifact.path, columns=["key"])["key"])
        except (pl.exceptions.PolarsError, OSError):
            continue
        if held - set(found) and artifact.take():
            found |= dict.fromkeys(held - set(found), artifact)
    return found


@cached_task("train {members[0].experiment.name} and alike")
def train_networks(
    members: list[Member], keys: list[str], embeddings: list[Artifact], split: Artifact, dtype: str
) -> Artifact:
    """Train networks of one shape together.

    embeddings: for each member.  keys: of `network_key`.
    Returns networks.parquet: key, seed, losses (by epoch), scores (of judged rows, in their order), seconds.
    """
    import polars as pl

    from tasks.novelty.experiment import train_members
    from tasks.novelty.vectors import known_and_judged
    from tasks.runtime import torch_threads

    known = pl.read_parquet(split.path / "known.parquet")["id"].to_list()
    judged = pl.read_parquet(split.path / "judged.parquet")["id"].to_list()
    rows = known[: members[0].experiment.num_train_samples]
    sources = [(made.path, one.experiment.normalize_embeddings) for made, one in zip(embeddings, members, strict=True)]
    read = {(path, unit): known_and_judged(path, rows, judged, normalize=unit) for path, unit in set(sources)}
    learnt, asked = zip(*(read[source] for source in sources), strict=True)
    with torch_threads(), progress(f"train {len(members)} networks") as show:
        trained = train_members(members, learnt, asked, dtype, show)  # type: ignore[arg-type]
    with new_artifact("novelty", NETWORKS) as out:
        pl.DataFrame(
            {
                "key": keys,
                "seed": [member.seed for member in members],
                "losses": [one.losses.tolist() for one in trained],
                "scores": [one.scores.tolist() for one in trained],
                "seconds": [one.seconds for one in trained],
            }
        ).write_parquet(out.path)
        out.holds(len(trained))
    return out.sealed()


@cached_task("other detectors with {view.encoder_name}")
def judge_by_others(embeddings: Artifact, split: Artifact, view: View, train_rows: int, seeds: int) -> Artifact:
    """Score judged rows by the detectors beside RND.

    Returns detectors.parquet: detector, seed, scores (of judged rows, in their order), seconds.
    """
    import time

    import polars as pl

    from tasks.novelty.detectors import DETECTORS, SEEDED, length
    from tasks.novelty.vectors import known_and_judged
    from tasks.runtime import torch_threads

    known = pl.read_parquet(split.path / "known.parquet").head(train_rows)
    judged = pl.read_parquet(split.path / "judged.parquet")
    texts = dict(pl.read_parquet(split.path / "problems.parquet").select("id", "problem").iter_rows())
    ids = known["id"].to_list(), judged["id"].to_list()
    learnt, asked = known_and_judged(embeddings.path, *ids, normalize=view.normalize_embeddings)
    rows: list[tuple[str, int, list[float], float]] = []
    with torch_threads():
        for name, detector in DETECTORS.items():
            for seed in range(seeds):
                if seed and name not in SEEDED:
                    rows.append((name, seed, *rows[-1][2:]))
                    continue
                begun = time.perf_counter()
                scores = detector(learnt, asked, seed)
                rows.append((name, seed, scores.tolist(), time.perf_counter() - begun))
    by_length = length(known["problem"].to_list(), [texts[name] for name in judged["id"]]).tolist()
    rows += [("length", seed, by_length, 0.0) for seed in range(seeds)]
    with new_artifact("novelty", "detectors.parquet") as out:
        pl.DataFrame(rows, schema=["detector", "seed", "scores", "seconds"], orient="row").write_parquet(out.path)
        out.holds(len(rows))
    return out.sealed()


@cached_task("evaluate {params.seeds} seeds of each experiment")
def evaluate_experiments(
    experiments: list[Experiment],
    keys: list[str],
    networks: list[Artifact],
    others: list[Artifact],
    split: Artifact,
    notes: list[str],
    params: NoveltyParams,
) -> Artifact:
    """Say how well each detector tells what is new.

    keys: of every experiment's networks, one experiment after the other.  others: of `judge_by_others`, for each
    experiment.  notes: to stand at the top of the report.
    Returns a folder: results.parquet, results.json, scores.parquet, report.html, novelty.parquet, six pictures.
    """
    import json

    from tasks.novelty.analyze import analyze_and_visualize, read_batch
    from tasks.novelty.report import mean_rows

    batch = read_batch(
        experiments, keys, [made.path for made in networks], [made.path for made in others], split.path, params.seeds
    )
    with new_artifact("novelty", "novelty") as out:
        out.path.mkdir()
        results = analyze_and_visualize(batch, out.path, notes, resamples=params.resamples, seed=params.split_seed)
        chosen = json.loads((out.path / "results.json").read_text())
        out.holds(len(results))
    show_table("novelty", mean_rows(results), "Mean AUROC over seeds; near: of the known source's domain")
    defaults = "\n".join(f"- {name}: {of['default_detector']}" for name, of in chosen.items())
    show_markdown("novelty-default", defaults, "Default detectors, chosen by validation")
    return out.sealed()


@cached_task("compare batches")
def compare_batches(batches: list[Artifact], names: list[str]) -> Artifact:
    """Tables of several batches' results.parquet side by side: comparison.csv, comparison.md, comparison.svg."""
    import polars as pl

    from tasks.novelty.compare import comparison_page, forest
    from tasks.novelty.report import comparison_rows

    rows = comparison_rows({name: pl.read_parquet(of.path) for name, of in zip(names, batches, strict=True)})
    page = comparison_page(rows)
    with new_artifact("novelty", "comparison") as out:
        out.path.mkdir()
        pl.DataFrame(rows).write_csv(out.path / "comparison.csv")
        (out.path / "comparison.md").write_text(page)
        (out.path / "comparison.svg").write_text(forest(rows))
        out.holds(len(rows))
    show_table("novelty-comparison", rows, "Mean AUROC over seeds")
    return out.sealed()


@cached_task("judge prompts by novelty")
def judge_prompts(embeddings: Artifact, params: PromptNoveltyParams) -> Artifact:
    """Returns scores.parquet: id and score of every prompt, higher is more novel."""
    import polars as pl

    from tasks.novelty.prompts import cross_fitted_novelty
    from tasks.runtime import torch_threads
    from tasks.tables import read_embeddings

    ids, emb = read_embeddings(embeddings.path)
    with torch_threads(), progress(f"novelty of {len(ids)} prompts") as show:
        scores = cross_fitted_novelty(emb, params, show)
    with new_artifact("novelty", "scores.parquet") as out:
        pl.DataFrame({"id": ids, "score": scores}).write_parquet(out.path)
        out.holds(len(ids))
    return out.sealed()
