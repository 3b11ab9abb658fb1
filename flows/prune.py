"""What data/ holds, and what of it can go: `make prune`, `python -m flows.prune [--older-than DAYS] [--delete]`."""

import sys
import time
from dataclasses import astuple
from typing import NoReturn

from pydantic import Field

from flows.cli import parse
from tasks.artifact import result_folders
from tasks.errors import KatflowError
from tasks.params import Params
from tasks.prune import artifacts, disk_use, drop_locks, left_by_kills, prune, top_folders, unneeded

SECONDS_A_DAY = 86_400


class PruneParams(Params):
    """Disk use of data/; what no published result derives from and nobody used for long can be removed."""

    older_than: float = Field(30, ge=0, description="days since a run made or found it; 0 only while nothing runs")
    delete: bool = Field(False, description="remove what can go; without it nothing is changed")


def tidy(params: PruneParams) -> None:
    """Print what there is and what can go; remove that where it is wanted."""
    since = time.time() - params.older_than * SECONDS_A_DAY
    every, left = artifacts(), left_by_kills(since)
    going = [*unneeded(every, since), *left]
    kinds = [*((item.stage.name, item) for item in every), *(("left by kills", item) for item in left)]
    uses = disk_use(kinds, going, top_folders())
    rows = {kind: astuple(use) for kind, use in uses.items()}
    total = [sum(column) for column in zip(*rows.values(), strict=True)] or [0] * 4
    print(f"{'':16}{'folders':>9}{'bytes':>20}{'can go':>9}{'bytes freed':>20}")
    for kind, (folders, size, to_go, freed) in {**rows, "all": total}.items():
        print(f"{kind:16}{folders:9,}{size:20,}{to_go:9,}{freed:20,}")
    for folder in (folder for folder in result_folders().values() if not folder.is_dir()):
        print(f"{folder}, where results were, is not there: what they derive from can go")
    if params.delete:
        removed = sum([prune(item, since) for item in going])
        again = f", {len(going) - removed} are in use again" * (removed < len(going))
        print(f"removed {removed} folders{again}, and {drop_locks()} lock files of what is gone")
    else:
        print("A dry run: nothing was removed. To remove what can go: make prune DELETE=1, or give --delete.")


def main(argv: list[str]) -> NoReturn:
    """Exits with 0 done, 1 failed with one message, 2 on bad flags."""
    params = parse(PruneParams, argv, "python -m flows.prune")
    try:
        tidy(params)
    except (KatflowError, OSError) as error:
        sys.exit(f"error: {error}")
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
