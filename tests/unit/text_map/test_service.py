"""The service: text for documents, gaps and places outside, what is refused, and its web application."""

import asyncio
import json
import math
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import ArrayLike

from tasks.errors import InputError, ServiceError
from tasks.text_map.serve import application, main
from tasks.text_map.service import EmbeddingToTextRequest, EmbeddingToTextService, Placing
from tasks.text_map.synthesis import LABEL, Neighbour, extracted, openai_compatible
from tests.unit.text_map.trained import TITLES, model_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def service(folder: Path) -> EmbeddingToTextService:
    made = EmbeddingToTextService()
    made.load_trained_model(folder)
    return made


def middle(service: EmbeddingToTextService) -> tuple[float, float]:
    x, y = service.trained.documents.places.mean(axis=0).tolist()
    return x, y


def test_a_document_is_asked_for_by_its_own_embedding(service: EmbeddingToTextService) -> None:
    for row in range(3):
        x, y = service.trained.documents.places[row].tolist()
        answer = service.generate_text_from_coordinates(EmbeddingToTextRequest(x=x, y=y))
        np.testing.assert_allclose(answer.embedding, service.trained.emb[row])
        assert (answer.confidence, answer.outside) == (1.0, 0.0)
        assert (answer.neighbours[0].document_id, answer.neighbours[0].distance) == (f"doc/{row}", 0.0)
        result = answer.text_generation_result
        assert result.title == result.text != ""
        assert result.distance is not None
        assert 0 <= result.distance < 1


def test_a_gap_has_an_embedding_of_its_own_and_every_neighbour_its_id(service: EmbeddingToTextService) -> None:
    x, y = middle(service)
    answer = service.generate_text_from_coordinates(EmbeddingToTextRequest(x=x, y=y))
    assert np.linalg.norm(answer.embedding) == pytest.approx(1, abs=1e-5)
    assert 0 <= answer.confidence <= 1
    assert {one.document_id for one in answer.neighbours} == {f"doc/{number}" for number in range(10)}
    distances = [one.distance for one in answer.neighbours]
    assert distances == sorted(distances)


def test_rounds_never_come_farther_from_their_place(service: EmbeddingToTextService) -> None:
    x, y = middle(service)
    rounds = list(service.rounds(EmbeddingToTextRequest(x=x, y=y)))
    told = [one.text_generation_result for one in rounds]
    assert [one.iterations for one in told] == list(range(len(told)))
    distances = [one.distance for one in told if one.distance is not None]
    assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize(
    "given", [{"x": math.nan}, {"x": math.inf}, {"x": "1"}, {"x": None}, {"x": True}, {}, {"z": 1}]
)
def test_what_is_no_place_is_a_value_error(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        EmbeddingToTextRequest(**{"y": 0.0, **given})


def test_numbers_of_any_library_are_places() -> None:
    assert EmbeddingToTextRequest(np.float32(0.5), 1) == EmbeddingToTextRequest(x=0.5, y=1.0, method="vec2text")


def test_beside_the_map_the_answer_says_how_far_and_beyond_the_margin_there_is_none(
    service: EmbeddingToTextService,
) -> None:
    places = service.trained.documents.places
    high, width = places.max(axis=0).tolist(), service.trained.width
    near = EmbeddingToTextRequest(x=high[0] + 0.1 * width, y=high[1], method="llm_synthesis")
    assert service.generate_text_from_coordinates(near).outside == pytest.approx(0.1 * width, rel=1e-4)
    far = EmbeddingToTextRequest(x=high[0] + 0.3 * width, y=high[1])
    with pytest.raises(ValueError, match=r"outside of the map, which spans"):
        service.generate_text_from_coordinates(far)


def test_neighbours_are_summed_up_by_their_own_sentences_or_by_a_given_model(folder: Path) -> None:
    asked: list[str] = []

    def model(prompt: str) -> str:
        asked.append(prompt)
        return "# A title\nAnd a text.\nOf two lines."

    service = EmbeddingToTextService()
    service.load_trained_model(folder)
    request = EmbeddingToTextRequest(x=middle(service)[0], y=middle(service)[1], method="llm_synthesis")
    picked = service.generate_text_from_coordinates(request).text_generation_result
    assert picked.text.startswith(f"[{LABEL}]")
    assert picked.title in TITLES
    service.llm = model
    written = service.generate_text_from_coordinates(request).text_generation_result
    assert (written.title, written.text) == ("A title", "And a text.\nOf two lines.")
    assert TITLES[0] in asked[0]
    assert written.distance is None
    service.llm = lambda prompt: " "
    with pytest.raises(ServiceError, match="said nothing"):
        service.generate_text_from_coordinates(request)


def test_new_documents_are_placed_among_their_neighbours(service: EmbeddingToTextService) -> None:
    places = service.trained.documents.places
    for method in ("hybrid", "mlp"):
        placed = service.place(service.trained.emb, method)
        assert placed.shape == places.shape
        assert np.isfinite(placed).all()
        assert len(np.unique(placed.round(3), axis=0)) >= 3  # of three subjects: ten are not neighbours of each
        assert np.array_equal(service.place(service.trained.emb.astype(np.float64).tolist(), method), placed)
        assert service.place(np.empty((0, service.trained.emb.shape[1])), method).shape == (0, 2)
    with pytest.raises(InputError, match="There is no method 'magic': give hybrid or mlp"):
        service.place(service.trained.emb, "magic")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.ones((1, 3)), r"Embeddings are \[1, 3\]"),
        (np.ones(384), r"Embeddings are \[384\]"),
        ([["a"] * 384], "where numbers"),
        (np.full((1, 384), np.nan), "Row 0 of the embeddings is zero or not finite"),
        (np.concatenate([np.ones((2, 384)), np.zeros((1, 384))]), "Row 2 of"),
        (np.full((1, 384), 1e300), "Row 0 of"),
    ],
)
def test_what_points_nowhere_is_not_placed(given: ArrayLike, said: str, service: EmbeddingToTextService) -> None:
    for method in get_args(Placing):
        with pytest.raises(InputError, match=said):
            service.place(given, method)


def test_a_place_beyond_all_numbers_is_outside(service: EmbeddingToTextService) -> None:
    with pytest.raises(ValueError, match=r"1e\+300, 0\) lies"):
        service.generate_text_from_coordinates(EmbeddingToTextRequest(x=1e300, y=0))


def test_two_who_ask_take_turns(service: EmbeddingToTextService) -> None:
    """The second is told its first round before the first is told its last."""
    x, y = middle(service)
    told: list[tuple[str, int]] = []
    begun = threading.Event()

    def ask(who: str) -> None:
        for answer in service.rounds(EmbeddingToTextRequest(x, y)):
            told.append((who, answer.text_generation_result.iterations))
            begun.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, "first")
        begun.wait()
        second = pool.submit(ask, "second")
        first.result(), second.result()
    last = max(number for who, number in told if who == "first")
    assert last > 1
    assert told.index(("second", 0)) < told.index(("first", last))


def test_who_leaves_before_the_answer_begins_keeps_no_place(folder: Path) -> None:
    service = EmbeddingToTextService(lambda prompt: "Title\nText")
    service.load_trained_model(folder)
    x, y = middle(service)
    body = json.dumps({"x": x, "y": y, "method": "llm_synthesis"}).encode()
    app = application(service, at_once=2)

    async def leave() -> None:
        """A client that has gone by the time the answer begins."""
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, object]:
            return given.pop() if given else {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            """To nobody."""

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        path = "/api/text/rounds"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": headers}
        scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "server": None, "client": None}
        await app({**scope, "asgi": {"version": "3.0", "spec_version": "2.3"}}, receive, send)

    for _ in range(5):
        asyncio.run(leave())
    assert (
        TestClient(app).post("/api/text/rounds", content=body, headers={"content-type": "application/json"}).is_success
    )


def test_other_names_of_this_machine_are_refused(service: EmbeddingToTextService) -> None:
    client = TestClient(application(service))
    assert client.get("/api/map", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/api/map", headers={"host": "localhost:4202"}).status_code == 200


def test_sentences_of_stop_words_are_picked_too() -> None:
    title, text = extracted([Neighbour("a", "It", "The. Of the.", 0.0)])
    assert title == "It"
    assert "The." in text


class Chat(BaseHTTPRequestHandler):
    """A server of chat completions that answers with what it was asked, or badly."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = {"choices": [{"message": {"content": f"Echo\n{asked['messages'][0]['content']}"}}]}
        body = b"{}" if self.path.startswith("/bad") else json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def chat() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_language_model_behind_an_address_is_asked(chat: str) -> None:
    assert openai_compatible(f"{chat}/v1", "any")("Say it") == "Echo\nSay it"
    with pytest.raises(ServiceError, match="gave no text"):
        openai_compatible(f"{chat}/bad", "any")("Say it")
    with pytest.raises(ServiceError, match="gave no text"):
        openai_compatible("http://127.0.0.1:9/v1", "any")("Say it")
    with pytest.raises(InputError, match="is no address"):
        openai_compatible("file:///etc/passwd", "any")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda model: flip(model / "vec2text/model.safetensors"), "is not what config.json"),
        (lambda model: flip(model / "parametric_umap/encoder.safetensors"), "is not what config.json"),
        (lambda model: (model / "parametric_umap/scaler.json").unlink(), "holds no katflow-parametric-umap"),
        (lambda model: (model / "vec2text/tokenizer.json").write_bytes(b"\x80\x04N."), "is not what config.json"),
        (lambda model: (model / "documents/map.safetensors").write_bytes(b"\x80\x04N."), "copy the whole folder"),
        (lambda model: shutil.rmtree(model / "documents"), "holds no documents"),
        (lambda model: (model / "embedder/config.json").write_text("{}"), "other than the embedder of the writer"),
        (lambda model: shutil.rmtree(model / "embedder"), r"embedder cannot be read"),
        (lambda model: flip(model / "documents/map.safetensors"), "other than the documents of the map"),
        (lambda model: (model / "generation.json").write_text("{"), r"generation\.json cannot be read"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(
    damage: Callable[[Path], object], said: str, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "model", symlinks=False)
    damage(tmp_path / "model")
    with pytest.raises(InputError, match=said):
        EmbeddingToTextService().load_trained_model(tmp_path / "model")


def test_before_a_model_is_loaded_nothing_is_answered_and_without_a_writer_nothing_is_written(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="No model is loaded"):
        EmbeddingToTextService().generate_text_from_coordinates(EmbeddingToTextRequest(x=0, y=0))
    shutil.copytree(folder, tmp_path / "model", symlinks=True)
    shutil.rmtree(tmp_path / "model/vec2text")
    made = EmbeddingToTextService()
    made.load_trained_model(tmp_path / "model")
    x, y = middle(made)
    with pytest.raises(InputError, match="has no writer"):
        made.generate_text_from_coordinates(EmbeddingToTextRequest(x=x, y=y))
    assert TestClient(application(made)).post("/api/text", json={"x": x, "y": y}).status_code == 409


def test_a_port_that_cannot_be_had_is_said(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (taken.getsockname()[1], 99_999):
            with pytest.raises(SystemExit, match=rf"127\.0\.0\.1:{port} cannot be listened on .*another --port"):
                main(["--model", str(folder), "--port", str(port)])


def test_the_application_answers_and_refuses(service: EmbeddingToTextService) -> None:
    client = TestClient(application(service))
    drawn = client.get("/api/map").json()
    assert drawn["titles"] == TITLES
    assert np.abs(drawn["places"]).max() <= 1
    x, y = drawn["coordinates"][4]
    answer = client.post("/api/text", json={"x": x, "y": y, "method": "llm_synthesis"}).json()
    assert answer["neighbours"][0]["document_id"] == "doc/4"
    assert answer["confidence"] == 1.0
    rounds = [json.loads(line) for line in client.post("/api/text/rounds", json={"x": x, "y": y}).text.splitlines()]
    assert [one["text_generation_result"]["iterations"] for one in rounds] == list(range(len(rounds)))
    assert client.get("/api/document/doc/4").json()["title"] == TITLES[4]
    assert client.get("/api/document/none").status_code == 404
    for body in ({"x": "1", "y": 0}, {"x": 1}, {"x": 1, "y": 0, "method": "magic"}, {"x": 1e9, "y": 0}):
        refused = client.post("/api/text", json=body)
        assert (refused.status_code, "detail" in refused.json()) == (422, True)
    nan = client.post("/api/text", content=b'{"x": NaN, "y": 0}', headers={"content-type": "application/json"})
    assert nan.status_code == 422
    assert client.post("/api/text/rounds", json={"x": 1e9, "y": 0}).status_code == 422
    page = client.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("app.js", "map.js", "style.css", "text.css"):
        assert client.get(f"/{name}").status_code == 200
    for name in ("service.py", "..%2Fservice.py", "index.html"):
        assert client.get(f"/{name}").status_code == 404


def test_of_fifty_at_once_each_is_answered_or_refused_and_places_are_given_back(folder: Path) -> None:
    waiting, go = threading.Semaphore(0), threading.Event()

    def slow(prompt: str) -> str:
        waiting.release()
        go.wait()
        return "Title\nText"

    service = EmbeddingToTextService(slow)
    service.load_trained_model(folder)
    client = TestClient(application(service, at_once=4))
    x, y = middle(service)
    asked = {"x": x, "y": y, "method": "llm_synthesis"}
    with ThreadPoolExecutor(50) as pool:
        first = [pool.submit(client.post, "/api/text", json=asked) for _ in range(4)]
        for _ in first:
            waiting.acquire()
        rest = [pool.submit(client.post, "/api/text", json=asked) for _ in range(46)]
        assert {one.result().status_code for one in rest} == {429}
        assert rest[0].result().headers["retry-after"] == "2"
        assert client.get("/api/document/doc/1").status_code == 200
        go.set()
        assert {one.result().status_code for one in first} == {200}
    assert client.post("/api/text", json=asked).status_code == 200
    assert client.post("/api/text", json={**asked, "x": 1e9}).status_code == 422
    statuses = [client.post("/api/text/rounds", json=asked).status_code for _ in range(6)]
    assert statuses == [200] * 6
