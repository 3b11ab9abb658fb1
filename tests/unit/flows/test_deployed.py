"""Which paths the parameters of a deployed run may name."""

from pathlib import Path
from uuid import uuid4

import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from flows.deployed import ended_before, named_paths, require_inside
from flows.params import (
    EmbedTextsParams,
    ExperimentParams,
    KatParams,
    LambdaTermsParams,
    NoveltyFlowParams,
    SampleRareParams,
)
from tasks.artifact import external
from tasks.errors import InputError
from tasks.model_folders import find_model
from tasks.pairs.hub import Hub, resolve_revision


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


def test_words_are_no_paths_even_where_a_file_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("wandb", "demo", "dapo", "uniform", "lambda", "minilm", "policy", "mine"):
        (tmp_path / name).mkdir()
    given = {
        "arms": ["uniform"],
        "sft": {"tracker": "wandb"},
        "policy": {"loss_type": "dapo"},
        "pairs": {"sources": ["lambda", "file:data/a"]},
        "embed": {"encoder": "minilm"},
    }
    require_inside(KatParams.model_validate(given), [Path("data")])
    with pytest.raises(InputError, match=r"--embed\.encoder mine: .*/mine lies outside"):
        require_inside(KatParams.model_validate({**given, "embed": {"encoder": "mine"}}), [Path("data")])


def test_defaults_outside_are_refused_but_for_the_codes_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = Path("data").absolute()
    for params in (KatParams(), ExperimentParams(), LambdaTermsParams(), EmbedTextsParams(data=data / "in/a.jsonl")):
        require_inside(params, [data])
    with pytest.raises(InputError, match=r"--data \.\./shared/.* lies outside of .*/data.*KATFLOW_ALLOWED_PATHS"):
        require_inside(NoveltyFlowParams(), [data])
    require_inside(NoveltyFlowParams(), [data, tmp_path.parent / "shared"])
    require_inside(NoveltyFlowParams(data=data / "in/problems.parquet"), [data])
    (tmp_path / "elsewhere").mkdir()
    data.mkdir()
    (data / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"--out data/out/kat: .*/elsewhere/kat lies outside"):
        require_inside(KatParams(), [data])


@pytest.mark.parametrize("text", ["~nosuchuser/x", "a" * 300, f"a/{'b' * 5000}", "a\0b"], ids=lambda text: text[:3])
def test_what_cannot_be_a_path_is_an_input_error_or_none(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    require_inside(EmbedTextsParams(data=Path("data/a"), encoder=text), [Path("data")])
    require_inside(KatParams.model_validate({"pairs": {"sources": [f"hf:{text}"]}}), [Path("data")])
    for params in (
        EmbedTextsParams(data=Path(text)),
        EmbedTextsParams(data=Path("data/a"), out=Path(text)),
        KatParams.model_validate({"pairs": {"sources": [f"file:{text}"]}}),
    ):
        with pytest.raises(InputError, match=r"lies outside of|cannot be looked through \(embedded null byte\)"):
            require_inside(params, [Path("data")])
    for read in (external, find_model, lambda name: resolve_revision(Hub.parse(f"hf:{name}"))):
        with pytest.raises(InputError):
            read(text)


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


def test_links_that_lead_out_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret, model = tmp_path / "secret", tmp_path / "data/model"
    secret.write_text("s")
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    within = EmbedTextsParams(data=model / "config.json", encoder=str(model))
    require_inside(within, [tmp_path / "data"])
    (model / "tokenizer.json").symlink_to(secret)
    with pytest.raises(InputError, match=f"{secret} lies outside"):
        require_inside(within, [tmp_path / "data"])
    (model / "tokenizer.json").unlink()
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


def test_links_to_folders_are_followed_wherever_they_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secret, model, further = tmp_path / "secret", tmp_path / "data/in/model", tmp_path / "data/in/further"
    secret.write_text("s")
    for folder in (model, further / "deep"):
        folder.mkdir(parents=True)
    (model / "link").symlink_to(further)
    (further / "back").symlink_to(model)
    (further / "itself").symlink_to("itself")
    (further / "nowhere").symlink_to("nothing")
    params = EmbedTextsParams(data=tmp_path / "data/a", encoder=f"{model}")
    require_inside(params, [tmp_path / "data"])
    (further / "deep/x").symlink_to(secret)
    with pytest.raises(InputError, match=f"--encoder {model}: {secret} lies outside"):
        require_inside(params, [tmp_path / "data"])
    require_inside(params, [tmp_path / "data", secret])


def test_what_lies_outside_is_not_looked_through(tmp_path: Path) -> None:
    """The first link that leads out ends the search: it can lead to a whole disk."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/all").symlink_to("/")
    with pytest.raises(InputError, match=r"--data .*/data: / lies outside"):
        require_inside(EmbedTextsParams(data=tmp_path / "data"), [tmp_path / "data"])
