import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.pairs.collect import collect, find_sources
from tasks.pairs.params import PairsParams
from tasks.pairs.rows import COLUMNS
from tasks.rows import read_rows

ROWS = [
    {"id": "a", "src": "one", "prompt": "Say hello", "chosen": "hello, λ", "rejected": "no"},
    {"id": "b", "src": "two", "prompt": 'a "quoted"\nline', "chosen": "x", "rejected": "y,z"},
]
GOOD = b'{"prompt": "p", "chosen": "c", "rejected": "r"}'


def write(path: Path) -> Path:
    """ROWS as a file of the kind that its name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ROWS[0]))
            writer.writeheader()
            writer.writerows(ROWS)
    else:
        text = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def params_for(path: Path, **more: object) -> PairsParams:
    return PairsParams.model_validate({"sources": [f"file:{path}"], **more})


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz", "p.parquet", "p.csv"])
def test_every_kind_of_file_gives_the_same_pairs(tmp_path: Path, name: str) -> None:
    params = params_for(write(tmp_path / name))
    files, revisions = find_sources(params.sources)
    table = collect(params, None, [file.path for file in files], revisions).pairs
    wanted = [(row["id"], row["src"], row["prompt"], row["chosen"], row["rejected"]) for row in ROWS]
    assert table.select("id", "source", "prompt", "chosen", "rejected").rows() == wanted


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"x", "no JSON"),
        (b"[1]", "no JSON object"),
        (b'{"prompt": "p", "chosen": "c"}', '"rejected" is missing'),
        (b'{"prompt": "p", "chosen": " ", "rejected": "r"}', '"chosen" is empty'),
        (b'{"prompt": "", "chosen": "c", "rejected": "r"}', '"prompt" is empty'),
        (b'{"prompt": "p", "chosen": "c", "rejected": "c"}', "are the same"),
        (b'{"prompt": "p", "chosen": "\xff", "rejected": "c"}', '"chosen" is not UTF-8'),
        (b'{"prompt": "p", "chosen": "\\ud800", "rejected": "c"}', '"chosen" is not UTF-8'),
        (b'{"prompt": "p", "chosen": "' + b"x" * 101 + b'", "rejected": "c"}', "101 characters, more than the 100"),
        (b'{"prompt": "p", "chosen": 3, "rejected": "c"}', "neither text nor chats"),
        (b'{"prompt": "p", "chosen": "c", "rejected": "r", "source": ["s"]}', '"source" is list'),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_bad_row_stops_the_run_or_is_listed(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n")
    with pytest.raises(InputError, match=problem) as stopped:
        collect(params_for(path, max_chars=100), None, [path], [])
    assert f"{path} line 2" in str(stopped.value)
    assert "skip-bad" in str(stopped.value)

    found = collect(params_for(path, max_chars=100, skip_bad=True), None, [path], [])
    assert found.pairs.height == 1
    assert found.counts["bad_rows"] == 1
    (bad,) = found.bad_rows
    assert bad["number"] == 2
    assert problem in bad["problem"]
    json.dumps(bad).encode()


def test_bytes_that_are_not_utf8_are_found_in_parquet_and_csv(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"\xff\xfe"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    table = pa.table({"prompt": ["p", "q"], "chosen": text, "rejected": ["r", "r"]})
    pq.write_table(table, tmp_path / "p.parquet")
    (tmp_path / "p.csv").write_bytes(b"prompt,chosen,rejected\np,fine,r\nq,\xff\xfe,r\n")
    for name, where in (("p.parquet", "row 2"), ("p.csv", "line 3")):
        with pytest.raises(InputError, match=f'{where}: "chosen" is not UTF-8'):
            collect(params_for(tmp_path / name), None, [tmp_path / name], [])


def test_a_csv_line_with_other_cells_than_the_header_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("prompt,chosen,rejected\np,c,r\np,c\n")
    with pytest.raises(InputError, match="line 3: it has 2 cells, and the header 3"):
        collect(params_for(path), None, [path], [])


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\n" + GOOD + b"\n  \r\n\n" + GOOD[:-1] + b"\n")
    with pytest.raises(InputError, match="line 5: it is no JSON"):
        collect(params_for(path), None, [path], [])
    assert collect(params_for(path, skip_bad=True), None, [path], []).counts["met"] == 2


def test_a_csv_row_over_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('prompt,chosen,rejected\n"p\nq",c,r\n"s\n\nt",c,c\n')
    with pytest.raises(InputError, match='line 4: "chosen" and "rejected" are the same'):
        collect(params_for(path), None, [path], [])


def test_a_csv_header_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("prompt,chosen,rejected,chosen\np,c,r,d\n")
    with pytest.raises(InputError, match="two columns 'chosen'"):
        collect(params_for(path), None, [path], [])


def test_where_all_rows_are_bad_the_first_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "p"}\n')
    with pytest.raises(InputError, match=r'1 bad rows, the first: .*p\.jsonl line 1: "chosen" is missing'):
        collect(params_for(path, skip_bad=True), None, [path], [])


@pytest.mark.parametrize(("name", "cut"), [("p.parquet", 100), ("p.jsonl.gz", 40), ("p.jsonl.gz", 0)])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, name: str, cut: int) -> None:
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-cut] if cut else b"no gzip at all")
    with pytest.raises(InputError, match="cannot be read to its end"):
        list(read_rows(path, name, COLUMNS))


def test_unknown_kinds_folders_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.xlsx").write_text("")
    (tmp_path / "d.parquet").mkdir()
    for name in ("p.xlsx", "d.parquet"):
        with pytest.raises(InputError, match="no known kind"):
            list(read_rows(tmp_path / name, name, COLUMNS))
    with pytest.raises(InputError, match="does not exist"):
        find_sources([f"file:{tmp_path / 'absent.jsonl'}"])


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_raise_anything_but_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    for name in ("x.jsonl", "x.csv"):
        path = tmp_path_factory.mktemp("bytes") / name
        path.write_bytes(b"\n".join([*lines, GOOD if name == "x.jsonl" else b""]) + b"\n")
        try:
            found = collect(params_for(path, skip_bad=True), None, [path], [])
            assert (
                found.counts["met"] == found.counts["bad_rows"] + found.pairs.height + found.counts["merged_duplicates"]
            )
        except InputError:
            assert name == "x.csv"


def test_columns_that_are_not_read_cannot_stop_a_file(tmp_path: Path) -> None:
    """A date that Python cannot hold, in a column of no concern."""
    far = pa.array([2**62] * len(ROWS), pa.timestamp("us"))
    pq.write_table(pa.Table.from_pylist(ROWS).append_column("seen", far), tmp_path / "p.parquet")
    assert [met.row["prompt"] for met in read_rows(tmp_path / "p.parquet", "p", COLUMNS) if met.row] == [
        "Say hello",
        'a "quoted"\nline',
    ]


def test_a_parquet_file_without_any_known_column_is_named_with_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"question": ["q"], "answer": ["a"]}), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"has the columns question, answer; none .* one of prompt, chosen, rejected"):
        list(read_rows(tmp_path / "p.parquet", "p", COLUMNS))


def test_a_chat_whose_role_is_no_text_is_a_bad_row(tmp_path: Path) -> None:
    chat = [{"role": {"a": 1}, "content": "x"}]
    line = json.dumps({"prompt": "p", "chosen": chat, "rejected": chat})
    (tmp_path / "p.jsonl").write_text(line)
    params = params_for(tmp_path / "p.jsonl")
    files, revisions = find_sources(params.sources)
    with pytest.raises(InputError, match="line 1: prompt, chosen and rejected are neither text nor chats"):
        collect(params, None, [file.path for file in files], revisions)
