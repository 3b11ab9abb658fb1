"""Sources in; preference pairs, bad rows and counts out."""

import json

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.pairs.params import PairsParams
from tasks.reporting import log_line, show_table


def needs_terms(params: PairsParams) -> bool:
    """Whether pairs are made from λ-terms."""
    return "lambda" in params.sources


def resolve_sources(params: PairsParams) -> tuple[list[Artifact], list[str]]:
    """The files of `file:` sources and the revisions of `hf:` ones as they are now, so that they enter the key."""
    from tasks.pairs.collect import find_sources

    return find_sources(params.sources)


@cached_task("collect pairs from {params.sources}")
def collect_pairs(params: PairsParams, terms: Artifact | None, files: list[Artifact], revisions: list[str]) -> Artifact:
    """A folder: pairs.parquet, bad_rows.jsonl (may be empty), counts.json."""
    from tasks.pairs.collect import collect

    found = collect(params, terms.path if terms else None, [file.path for file in files], revisions)
    with new_artifact("pairs", "pairs") as out:
        out.path.mkdir()
        found.pairs.write_parquet(out.path / "pairs.parquet")
        (out.path / "bad_rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found.bad_rows))
        (out.path / "counts.json").write_text(json.dumps(found.counts, indent=1))
        out.holds(found.pairs.height)
    show_table("pairs", found.counts["sources"], "pairs by source")
    log_line("pairs: %s", {name: value for name, value in found.counts.items() if name != "sources"})
    return out.sealed()
