"""Locks of the kernel's on files: they end with the process that holds them, however that ends.

Who holds a lock file may remove it. Who opened it before, and gets its lock after that, finds that the name leads to
another file or to none, and opens that one: so no two hold the same name.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Wait until nobody holds this file, which is made where there is none; within the block nobody else does."""
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_there(lock, path):
                yield
                return


@contextmanager
def held_if_free(path: Path) -> Iterator[bool]:
    """Whether nobody holds this file; if so, nobody else does within the block. Raises OSError where it is none."""
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = _is_there(lock, path)
        except OSError:
            is_free = False
        yield is_free


def _is_there(lock: IO[str], path: Path) -> bool:
    """Whether a file still has the name by which it was opened. It is opened, for a network's `stat` may be old."""
    with contextlib.suppress(FileNotFoundError), path.open() as now:
        return os.path.samestat(os.fstat(lock.fileno()), os.fstat(now.fileno()))
    return False
