"""One process of several that train an arm: `torchrun --module tasks.policy.worker JOB.json`."""

import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any


def main(description: Path) -> None:
    """Train, and tell the task by lines on stdout how far it is or what went wrong."""
    threading.Thread(target=_end_with_the_task, daemon=True).start()  # before seconds of imports
    from tasks.policy.arm import Job, train_arm
    from tasks.runtime import rank, training_log

    training_log().addHandler(_Told())

    def show(share: float) -> None:
        if rank() == 0:
            _tell(share=share)

    try:
        train_arm(Job.model_validate_json(description.read_text()), show)
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
