"""One process of those that `tasks.launch` starts: a module that calls `main` with what it trains."""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(train: Callable[[str, Callable[[float], None]], None]) -> None:
    """Train the job whose path is the argument, and tell by lines on stdout how far it is or what went wrong.

    train: given the job's JSON and a function to show a share by; imports what it needs only when called.
    """
    threading.Thread(target=_end_with_the_task, daemon=True).start()  # before seconds of imports
    from tasks.runtime import rank, training_log

    training_log().addHandler(_Told())

    def show(share: float) -> None:
        if rank() == 0:
            _tell(share=share)

    try:
        train(Path(sys.argv[1]).read_text(), show)
    except Exception as error:
        _tell(error=type(error).__name__, message=str(error))
        raise


def _end_with_the_task() -> None:
    """Nothing is ever written to stdin: its end says that the task is gone."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


class _Told(logging.Handler):
    """What a trainer logs goes to the task too."""

    def emit(self, record: logging.LogRecord) -> None:
        _tell(line=record.getMessage())


def _tell(**message: Any) -> None:
    os.write(sys.stdout.fileno(), (json.dumps(message) + "\n").encode())  # one write: lines of two do not mix
