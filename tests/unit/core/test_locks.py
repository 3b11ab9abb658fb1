"""Lock files that are removed while others want them."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tasks.artifact import making
from tasks.locks import held, held_if_free
from tasks.prune import drop_locks


def names_of_open_files() -> list[str]:
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(handle))
        except FileNotFoundError:  # of the listing itself
            continue
    return found


def test_who_waited_for_a_file_that_was_removed_holds_the_one_that_counts(tmp_path: Path) -> None:
    path, inside, leave = tmp_path / "lock", Event(), Event()
    path.touch()

    def wait_for_it() -> None:
        with held(path):
            inside.set()
            leave.wait()

    with ThreadPoolExecutor() as pool:
        with held_if_free(path) as is_free:
            assert is_free
            waiting = pool.submit(wait_for_it)
            while names_of_open_files().count(str(path)) < 2:
                assert not waiting.done()
            path.unlink()
        inside.wait()
        try:
            with held_if_free(path) as is_free:
                assert not is_free
        finally:
            leave.set()
        waiting.result()
    with held_if_free(path) as is_free:
        assert is_free


def test_a_lock_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), held_if_free(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_nobody_makes_what_another_makes_while_locks_are_removed(data_folder: Path) -> None:
    inside: list[int] = []
    most: set[int] = set()
    dropped: list[int] = []

    def make(maker: int) -> None:
        while sum(dropped) < 30:
            with making("embed", "key", {}, {}):
                inside.append(maker)
                time.sleep(0)
                most.add(len(inside))
                inside.remove(maker)
            time.sleep(0.001)

    with ThreadPoolExecutor() as pool:
        makers = [pool.submit(make, maker) for maker in range(3)]
        while not all(maker.done() for maker in makers):
            dropped.append(drop_locks())
        for maker in makers:
            maker.result()
    assert most == {1}
