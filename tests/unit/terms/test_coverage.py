"""Coverage: parts add up to the run, shares are those of the rows, the picture is well-formed."""

import xml.etree.ElementTree as ElementTree

import lambda_gen_rs as lam
import polars as pl
import pytest

from tasks.terms.coverage import coverage, coverage_picture, merged_stats
from tasks.terms.params import RunParams


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, dict]:
    folder = tmp_path_factory.mktemp("run")
    params = RunParams(examples=300_000, val_share=0, test_share=0)
    report = lam.write_run(folder, folder / "records", params.spec(seed=3), workers=2)
    return pl.read_parquet(folder / "train" / "*.parquet"), report


def test_parts_add_up_to_the_run(run: tuple[pl.DataFrame, dict]) -> None:
    _, report = run
    assert len(report["parts"]) == 2
    assert merged_stats(part["stats"] for part in report["parts"]) == report["stats"]


def test_shares_are_those_of_the_rows(run: tuple[pl.DataFrame, dict]) -> None:
    rows, report = run
    first = rows.filter((pl.col("step_k") == 0) & ~pl.col("is_nf"))
    expected = {
        "depth > 10": (rows["depth"] > 10).mean(),
        "size > 150": (rows["size"] > 150).mean(),
        "redex depth > 4": (rows["redex_depth"].fill_null(0) > 4).mean(),
        "redex depth ≥ 10": (rows["redex_depth"].fill_null(0) >= 10).mean(),
        "growth > 0": (rows["growth"].fill_null(0) > 0).mean(),
        "growth > 0 among first contractions": (first["growth"] > 0).mean(),
        "three leading λs and a redex": (rows["term"].str.starts_with(r"\.\.\.") & ~rows["is_nf"]).mean(),
        "normal form": rows["is_nf"].mean(),
        "under ten nodes": (rows["size"] < 10).mean(),
        "in a trace that was cut": (~rows["complete"]).mean(),
    }
    assert coverage(report["stats"])["shares"] == pytest.approx(expected, abs=1e-6)


def test_the_picture_shows_every_figure_and_keeps_text_text(run: tuple[pl.DataFrame, dict]) -> None:
    figures = coverage(run[1]["stats"])
    root = ElementTree.fromstring(coverage_picture(figures, "<script>"))
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "<script>"
    for name, share in figures["shares"].items():
        assert f"{share:6.1%}  {name}" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 8


@pytest.mark.parametrize(("profile", "least"), [("covering", 200), ("shallow", 120), ("ood", 250)])
def test_a_size_limit_below_the_largest_root_is_refused(profile: str, least: int) -> None:
    RunParams(profile=profile, size_limit=least)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"below {least} nodes"):
        RunParams(profile=profile, size_limit=least - 1)  # type: ignore[arg-type]


def test_the_picture_of_rows_without_a_redex_and_of_huge_terms() -> None:
    figures = {"shares": {}, "histograms": {"size": [0] * 9_000 + [3], "depth": [1], "redex_depth": [], "cycle": [1]}}
    picture = ElementTree.fromstring(coverage_picture(figures, "few rows"))
    texts = [of.text or "" for of in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "depth of the redex (edges): no row has one" in texts
    assert "5000" in texts
