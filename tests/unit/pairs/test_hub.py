import json
import time
from pathlib import Path

import pytest

from tasks.errors import InputError
from tasks.pairs.collect import collect, find_sources
from tasks.pairs.hub import Hub
from tasks.pairs.params import PairsParams

TEXT = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
HH = {
    "chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: So.",
    "rejected": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant: No.",
}
ULTRA = {
    "prompt": "Why?",
    "prompt_id": "0",
    "chosen": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
    "rejected": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No."}],
    "score_chosen": 8.0,
    "score_rejected": 5.5,
}


def dataset(folder: Path, **splits: list[dict]) -> Path:
    """A dataset folder as the hub stores them, one JSONL file a split."""
    folder.mkdir()
    files = [{"split": split, "path": f"{split}.jsonl"} for split in splits]
    header = json.dumps({"configs": [{"config_name": "default", "data_files": files}]})
    (folder / "README.md").write_text(f"---\n{header}\n---\n")
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def collected(source: str) -> list[dict]:
    params = PairsParams(sources=[source])
    files, revisions = find_sources(params.sources)
    return collect(params, None, [file.path for file in files], revisions).pairs.to_dicts()


@pytest.mark.parametrize(
    ("row", "prompt", "margin"),
    [
        (TEXT, "Why?", None),
        (HH, "Human: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:", None),
        (ULTRA, "Why?", 2.5),
    ],
    ids=["text", "hh-rlhf", "ultrafeedback"],
)
def test_a_dataset_of_each_known_shape_gives_its_pair(tmp_path: Path, row: dict, prompt: str, margin: float) -> None:
    folder = dataset(tmp_path / "set", train=[row])
    (pair,) = collected(f"hf:{folder}")
    assert (pair["prompt"], pair["chosen"], pair["rejected"], pair["margin"]) == (prompt, "So.", "No.", margin)
    assert pair["source"] == str(folder)


def test_the_split_is_as_named_else_the_one_for_preferences(tmp_path: Path) -> None:
    splits = {name: [{**TEXT, "prompt": name}] for name in ("test_prefs", "train_prefs", "train_sft")}
    folder = dataset(tmp_path / "set", **splits)
    assert [pair["prompt"] for pair in collected(f"hf:{folder}")] == ["train_prefs"]
    for source in (f"hf:{folder}:test_prefs", f"hf:{folder}:default:test_prefs", f"hf:{folder}::test_prefs"):
        assert [pair["prompt"] for pair in collected(source)] == ["test_prefs"]
    with pytest.raises(InputError, match="no split or config 'nope'"):
        collected(f"hf:{folder}:nope")


def test_a_changed_local_dataset_has_another_revision(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "set", train=[TEXT])
    _, before = find_sources([f"hf:{folder}"])
    (folder / "train.jsonl").write_text(json.dumps({**TEXT, "chosen": "Thus."}) + "\n")
    _, after = find_sources([f"hf:{folder}"])
    assert before != after


def test_a_bad_row_of_a_dataset_is_named(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "set", train=[TEXT, {**TEXT, "chosen": ""}])
    with pytest.raises(InputError, match='train row 2: "chosen" is empty'):
        collected(f"hf:{folder}")


def test_without_a_network_the_local_ways_are_named_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"sources lambda.*file:PATH.*hf:FOLDER"):
        find_sources(["hf:Anthropic/hh-rlhf"])
    assert time.monotonic() - begun < 30


def test_a_source_of_too_many_parts_is_refused() -> None:
    with pytest.raises(InputError, match="hf:DATASET:config:split"):
        Hub.parse("hf:a:b:c:d")
