"""The flow of the map to text, as its command line: what lies where, what is done again, what is refused."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from flows import cli
from flows.params import TextMapParams
from flows.text_map import text_map
from tasks.text_map.documents import read_folder
from tasks.text_map.service import EmbeddingToTextRequest, EmbeddingToTextService
from tests.unit.text_map.trained import TITLES

QUICK = ["--umap-epochs", "3", "--vec2text-epochs", "2", "--generation.samples", "3", "--generation.num-beams", "2"]
QUICK += ["--generation.max-length", "24", "--generation.max-correction-iterations", "2"]


def here(*arguments: str) -> int:
    """A run in this process and the current folder; its exit status."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(text_map, TextMapParams, arguments)
    if isinstance(stopped.value.code, str):
        print(stopped.value.code, file=sys.stderr)
        return 1
    return stopped.value.code or 0


def papers(path: Path, copies: int = 6) -> Path:
    rows = [
        {"document_id": f"p{row}", "title": f"{title} {row}", "content": f"{title}, for the {row}th time."}
        for row, title in enumerate(TITLES * copies)
    ]
    authors = [["A. Author", "B. Writer"]] * len(rows)
    pl.DataFrame(rows).with_columns(pl.Series("authors", authors)).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    folder = tmp_path_factory.mktemp("text_map")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        papers(folder / "papers.parquet", copies=8)
        assert here("--prepare", "papers.parquet", "--limit", "70", "--out", "docs") == 0
        assert here("--data-dir", "docs", "--output-dir", "out", *QUICK) == 0
    return folder


def test_papers_become_the_three_files(made: Path) -> None:
    read = read_folder(made / "docs")
    assert len(read.emb) == 70
    assert read.emb.shape[1] == 384
    assert read.texts["authors"].unique().to_list() == ["A. Author, B. Writer"]
    names = {path.name for path in (made / "docs").glob("[!.]*")}
    assert names == {"all_embeddings.json", "all_metadata.json", "coordinates.json"}


def test_what_is_promised_lies_there_and_needs_nothing_else(made: Path, tmp_path: Path) -> None:
    out = made / "out"
    names = {path.name for path in out.glob("[!.]*")}
    folders = {"documents", "parametric_umap", "vec2text", "embedder"}
    assert names == folders | {
        *("metrics.json", "details.json", "generation.json", "report.md"),
        *("map.svg", "confidence.svg", "rounds.svg"),
    }
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"hybrid", "mlp", "reference", "umap_transform"} <= metrics["parametric_umap"]["trustworthiness"].keys()
    assert {"decoder", "umap_inverse"} <= metrics["parametric_umap"]["avg_cosine_similarity"].keys()
    assert metrics["vec2text"]["token_f1"].keys() == {"small", "nearest_text", "of_place", "nearest_on_map"}
    page = (out / "report.md").read_text()
    assert "| trustworthiness |" in page
    assert "| token_f1 |" in page
    moved = tmp_path / "elsewhere"
    out.rename(moved)
    try:
        service = EmbeddingToTextService()
        service.load_trained_model(moved)
        x, y = service.trained.documents.places[0].tolist()
        answer = service.generate_text_from_coordinates(EmbeddingToTextRequest(x=x, y=y))
        assert answer.text_generation_result.method == "vec2text"
    finally:
        moved.rename(out)


def artifacts(folder: Path) -> set[Path]:
    return set(folder.glob("data/*/[!.]*/manifest.json"))


def test_a_second_run_does_no_work_and_another_text_learns_only_to_write(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    before = artifacts(made)
    assert here("--data-dir", "docs", "--output-dir", "again", *QUICK) == 0
    assert artifacts(made) == before
    how = ["--skip-umap", "--text", "content", "--backend", "retrieve_edit"]
    assert here("--data-dir", "docs", "--output-dir", "words", *QUICK, *how) == 0
    new = {json.loads(path.read_text())["name"] for path in artifacts(made) - before}
    assert "vec2text" in new
    assert "parametric_umap" not in new
    assert {"vec2text", "embedder", "documents"} <= {path.name for path in (made / "words").iterdir()}
    assert not (made / "words/parametric_umap").exists()


def test_without_a_folder_the_documents_tell_of_terms(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert here("--limit", "60", "--terms.rows", "300", "--skip-vec2text", "--output-dir", "out", *QUICK) == 0
    texts = pl.read_parquet(tmp_path / "out/documents/documents.parquet")
    assert len(texts) == 60
    assert texts["title"].n_unique() > 20
    assert texts["content"].str.contains("nodes").all()
    assert not (tmp_path / "out/vec2text").exists()


def test_ten_documents_are_enough(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    papers(tmp_path / "papers.parquet", copies=1)
    assert here("--prepare", "papers.parquet", "--out", "docs") == 0
    assert here("--data-dir", "docs", "--output-dir", "out", *QUICK) == 0
    service = EmbeddingToTextService()
    service.load_trained_model(tmp_path / "out")
    x, y = service.trained.documents.places.mean(axis=0).tolist()
    assert service.generate_text_from_coordinates(EmbeddingToTextRequest(x=x, y=y)).neighbours


def test_embeddings_of_another_encoder_are_said(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    (made / "other").mkdir(exist_ok=True)
    for name in ("all_metadata.json", "coordinates.json"):
        (made / "other" / name).write_bytes((made / "docs" / name).read_bytes())
    rows = json.loads((made / "docs/all_embeddings.json").read_text())
    short = [{**row, "embedding": row["embedding"][:20]} for row in rows]
    (made / "other/all_embeddings.json").write_text(json.dumps(short))
    assert here("--data-dir", "other", "--output-dir", "none", *QUICK) == 1
    assert capsys.readouterr().err.count("have 20 numbers, the encoder gives 384") == 1
    assert not (made / "none").exists()
    assert here("--data-dir", "other", "--output-dir", "map", "--skip-vec2text", *QUICK) == 0


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--data-dir", "nowhere"], 1, "nowhere does not exist"),
        (["--prepare", "docs/coordinates.json"], 1, "is no readable Parquet file"),
        (["--skip-umap", "--skip-vec2text"], 2, "leave nothing to do"),
        (["--backend", "hf"], 2, "backend hf and vec2text-model go together"),
        (["--data-dir", "docs", "--limit", "20"], 2, "limit is not of --data-dir"),
        (["--limit", "3"], 2, "greater than or equal to 10"),
        (["--text", "authors"], 2, "--text authors"),
    ],
)
def test_faults_end_with_one_message(
    flags: list[str],
    code: int,
    said: str,
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(made)
    capsys.readouterr()
    assert here(*flags) == code
    told = capsys.readouterr().err
    assert told.count(said) == 1
    assert "Traceback" not in told
