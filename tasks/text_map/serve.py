"""The map as a page with text for any click, and the same as JSON, on loopback.

python -m tasks.text_map.serve [--model data/out/text_map] [--port 4202] [--llm-url URL --llm-model NAME]

GET  /                   the page
GET  /api/map            documents, places, regions, contours
GET  /api/document/{id}  a document, whole
POST /api/text           {x, y, method}: the answer
POST /api/text/rounds    the same after each round, a line of JSON each
"""

import argparse
import itertools
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send

from tasks.errors import InputError, KatflowError, ServiceError
from tasks.text_map.service import (
    EmbeddingToTextRequest,
    EmbeddingToTextResponse,
    EmbeddingToTextService,
    OutsideError,
)
from tasks.text_map.shown import shown
from tasks.text_map.synthesis import openai_compatible

TASKS = Path(__file__).parents[1]
PAGE = TASKS / "pages/text_map"
"""Not beside this file: what lies there decides no result, and would be part of every cache key of the stage."""
SHARED = TASKS / "prompt_map/page"
"""Drawing, cameras, gestures: the prompt map's."""
LOOPBACK = "127.0.0.1"
AT_ONCE = 16
"""Texts that are written or wait; further ones are refused with 429."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:"
)
KEY = "KATFLOW_LLM_KEY"


def application(service: EmbeddingToTextService, at_once: int = AT_ONCE, host: str = LOOPBACK) -> FastAPI:
    """The web application of a service that has loaded its model.

    On loopback it answers to loopback's names only: another site's name that leads here may not read the documents.
    """
    app = FastAPI(title="Map to text", docs_url=None, redoc_url=None)
    if host == LOOPBACK:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost", "testserver"])
    places = threading.BoundedSemaphore(at_once)
    drawn = json.dumps(
        {**shown(service.trained.documents), "writer": service.trained.writer is not None}, ensure_ascii=False
    ).encode()
    row = {one: at for at, one in enumerate(service.trained.documents.texts["document_id"])}

    @contextmanager
    def place() -> Iterator[None]:
        if not places.acquire(blocking=False):
            raise HTTPException(429, f"{at_once} texts are being written. Try again in a moment.", {"Retry-After": "2"})
        try:
            yield
        finally:
            places.release()

    @app.exception_handler(RequestValidationError)
    def refused(_: Request, error: RequestValidationError) -> JSONResponse:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"][1:])) or "body"
        return JSONResponse({"detail": f"{where}: {fault['msg']}"}, 422)

    @app.get("/api/map")
    def every_document() -> Response:
        return Response(drawn, media_type="application/json")

    @app.get("/api/document/{document_id:path}")
    def document(document_id: str) -> dict[str, str]:
        if document_id not in row:
            raise HTTPException(404, f"No document is called {document_id!r}.")
        found: dict[str, str] = service.trained.documents.texts.row(row[document_id], named=True)
        return found

    @app.post("/api/text")
    def text(asked: EmbeddingToTextRequest) -> EmbeddingToTextResponse:
        with place(), told():
            return service.generate_text_from_coordinates(asked)

    @app.post("/api/text/rounds")
    def rounds(asked: EmbeddingToTextRequest) -> StreamingResponse:
        with ExitStack() as held:
            held.enter_context(place())
            with told():
                every = service.rounds(asked)
                first = next(every)
            return Held(lines(first, every), held.pop_all(), media_type="application/x-ndjson")

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})

    @app.get("/{name}")
    def file(name: str) -> FileResponse:
        for folder in (PAGE, SHARED):
            if Path(name).name == name and Path(name).suffix in {".js", ".css"} and (folder / name).is_file():
                return FileResponse(folder / name)
        raise HTTPException(404, "There is no such page.")

    return app


class Held(StreamingResponse):
    """A stream that gives its place back at its end, however that comes: a client may leave before it begins."""

    def __init__(self, content: Iterator[str], held: ExitStack, **options: Any) -> None:
        super().__init__(content, **options)
        self.held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.held:
            await super().__call__(scope, receive, send)


def lines(first: EmbeddingToTextResponse, more: Iterator[EmbeddingToTextResponse]) -> Iterator[str]:
    """A line of JSON for each round; the last tells what went wrong, if something did."""
    try:
        for answer in itertools.chain([first], more):
            yield answer.model_dump_json() + "\n"
    except KatflowError as error:
        yield json.dumps({"error": str(error)}) + "\n"


@contextmanager
def told() -> Iterator[None]:
    """What a user can mend, as an answer: 422 for a place, 409 for a model, 502 for a language model."""
    try:
        yield
    except ServiceError as error:
        raise HTTPException(502, str(error)) from None
    except KatflowError as error:
        raise HTTPException(409, str(error)) from None
    except OutsideError as error:
        raise HTTPException(422, str(error)) from None


def main(argv: list[str] | None = None) -> None:
    """Serve until it is interrupted. Exits with 1 and one message where the model cannot be loaded."""
    parser = argparse.ArgumentParser(prog="python -m tasks.text_map.serve", description="The map as a page.")
    parser.add_argument("--model", type=Path, default=Path("data/out/text_map"), help="the --output-dir of a run")
    parser.add_argument("--host", default=LOOPBACK, help="beyond loopback anybody may ask: there is no password")
    parser.add_argument("--port", type=int, default=4202)
    parser.add_argument("--llm-url", help="of a language model that speaks OpenAI's chat completions; its key: " + KEY)
    parser.add_argument("--llm-model", default="default")
    given = parser.parse_args(argv)
    try:
        llm = openai_compatible(given.llm_url, given.llm_model, os.environ.get(KEY)) if given.llm_url else None
        service = EmbeddingToTextService(llm)
        service.load_trained_model(given.model)
    except InputError as error:
        sys.exit(f"error: {error}")
    app = application(service, host=given.host)
    try:
        family = socket.AF_INET6 if ":" in given.host else socket.AF_INET
        listening = socket.create_server((given.host, given.port), family=family)
    except (OSError, OverflowError) as error:
        sys.exit(f"error: {given.host}:{given.port} cannot be listened on ({error}). Give another --port.")
    print(f"The map is at http://{given.host}:{listening.getsockname()[1]}, Ctrl-C ends it.", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()
