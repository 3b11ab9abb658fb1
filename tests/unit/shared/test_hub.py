"""A hub of its own on this machine, which fails now and then."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ASK = "from tasks.pairs.hub import *; print(resolve_revision(Hub.parse('hf:some/data')))"


class Hub(ThreadingHTTPServer):
    """Answers with the statuses given, one after the other, the last for ever."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.statuses, self.paths = statuses, list[str]()

    @property
    def asked(self) -> int:
        """Times that it was asked for the dataset."""
        return self.paths.count("/api/datasets/some/data")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        hub = self.server
        assert isinstance(hub, Hub)
        status = hub.statuses[min(hub.asked, len(hub.statuses) - 1)]
        hub.paths.append(self.path)
        body = json.dumps({"id": "some/data", "sha": "5" * 40} if status == 200 else {"error": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    started = Hub(request.param)
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


def ask(hub: Hub) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HUB_OFFLINE": "0"}
    return subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("hub", "asked"), [([503, 200], 2), ([429, 502, 200], 3)], indirect=["hub"], ids=["busy", "busy twice"]
)
def test_a_hub_that_fails_for_a_moment_is_asked_again(hub: Hub, asked: int) -> None:
    assert ask(hub).stdout.strip() == "5" * 40
    assert hub.asked == asked, hub.paths


@pytest.mark.parametrize(("hub", "asked"), [([404], 1), ([500], 3)], indirect=["hub"], ids=["says no", "stays down"])
def test_a_hub_that_says_no_is_asked_once_and_one_that_stays_down_three_times(hub: Hub, asked: int) -> None:
    assert "InputError: hf:some/data cannot be loaded" in ask(hub).stderr
    assert hub.asked == asked, hub.paths
