"""What lies in a folder, also behind links."""

import stat
from collections.abc import Iterator
from pathlib import Path


def everything(path: Path) -> Iterator[Path]:
    """A file, or a folder and all below it, links followed, sorted; a folder comes before what is in it.

    A real folder is entered once, however many links lead to it: links that go in circles end. What goes away
    meanwhile is left out. Raises OSError where a folder may not be read.
    """
    entered: set[tuple[int, int]] = set()
    waiting = [path]
    while waiting:
        one = waiting.pop()
        yield one
        try:
            of = one.stat()
        except OSError:  # a link to nowhere or to itself
            continue
        if stat.S_ISDIR(of.st_mode) and (of.st_dev, of.st_ino) not in entered:
            entered.add((of.st_dev, of.st_ino))
            try:
                waiting += sorted(one.iterdir(), reverse=True)
            except FileNotFoundError:
                continue
