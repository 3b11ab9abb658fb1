"""Which paths the parameters of a deployed run may name."""

from pathlib import Path
from uuid import uuid4

import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from flows.deployed import ended_before, named_paths, require_inside
from flows.params import EmbedTextsParams, KatParams, NoveltyFlowParams, SampleRareParams
from tasks.errors import InputError


def test_paths_sources_models_and_encoders_are_found_and_hub_names_are_not(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    params = KatParams.model_validate(
        {
            "pairs": {"sources": ["file:a.jsonl", "hf:Anthropic/hh-rlhf", "lambda"]},
            "sft": {"model": str(tmp_path / "model")},
            "embed": {"encoder": "sentence-transformers/all-MiniLM-L6-v2"},
            "out": "../out",
        }
    )
    assert dict(named_paths(params)) == {
        "pairs.sources": Path("a.jsonl"),
        "sft.model": tmp_path / "model",
        "out": Path("../out"),
    }


def test_defaults_are_the_codes_own() -> None:
    assert not list(named_paths(NoveltyFlowParams()))


@pytest.mark.parametrize("outside", ["/etc/passwd", "../secret", "data/../secret"])
def test_what_lies_outside_is_refused_with_what_to_do(
    outside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    params = SampleRareParams(emb=Path(outside))
    with pytest.raises(InputError, match=r"--emb .* lies outside of .*/data.*KATFLOW_ALLOWED_PATHS"):
        require_inside(params, [tmp_path / "data"])
    require_inside(params, [tmp_path / "data", Path(outside).resolve()])


@pytest.mark.parametrize("source", ["file:/etc/passwd", "hf:/etc", "hf:../shared:train", "hf:~/secret"])
def test_sources_that_are_folders_here_are_refused_too(source: str, tmp_path: Path) -> None:
    params = KatParams.model_validate({"pairs": {"sources": [source]}})
    with pytest.raises(InputError, match=r"--pairs\.sources .* lies outside of"):
        require_inside(params, [tmp_path / "data"])


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    secret, model = tmp_path / "secret", tmp_path / "data/model"
    secret.write_text("s")
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    within = EmbedTextsParams(data=model / "config.json", encoder=str(model))
    require_inside(within, [tmp_path / "data"])
    (model / "tokenizer.json").symlink_to(secret)
    with pytest.raises(InputError, match=f"{secret} lies outside"):
        require_inside(within, [tmp_path / "data"])
    (tmp_path / "data/texts.jsonl").symlink_to(secret)
    with pytest.raises(InputError, match=f"{secret} lies outside"):
        require_inside(EmbedTextsParams(data=tmp_path / "data/texts.jsonl"), [tmp_path / "data"])


HISTORIES = {
    "crashed": (["Running", "Crashed", "AwaitingRetry", "Pending", "Running"], None),
    "completed as its repeat came": (
        ["Running", "Crashed", "Pending", "Completed", "Running"],
        "Completed",
    ),
    "completed, then retried by hand": (["Running", "Completed", "AwaitingRetry", "Pending", "Running"], None),
    "died while it was cancelled": (["Running", "Cancelling", "Crashed", "AwaitingRetry", "Running"], "Cancelled"),
    "cancelled, then retried by hand": (["Running", "Cancelling", "Cancelled", "AwaitingRetry", "Running"], None),
}


@pytest.mark.parametrize(("history", "ends"), HISTORIES.values(), ids=HISTORIES)
def test_a_repeat_ends_where_its_run_had_ended_already(
    history: list[str], ends: str | None, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow
    def ended() -> None: ...

    with get_client(sync_client=True) as client:
        run = client.create_flow_run(ended)
        for name in history:
            kind = StateType.SCHEDULED if name == "AwaitingRetry" else StateType(name.upper())
            client.set_flow_run_state(run.id, State(type=kind, name=name), force=True)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(uuid4()))
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(run.id))
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__RUN_COUNT", "2")
    found = ended_before()
    assert (found.name if found else None) == ends
