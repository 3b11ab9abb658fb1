"""The demo twice in an empty folder. Bars: first run ≤ 600 s on two quiet cores and ≤ 6 GB; second run ≤ 40 s."""

import tempfile
from pathlib import Path

from tests.bench.measure import python


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, bar in (("first run", 600), ("second run", 40)):
            print(f"demo, {name}: {python(Path(folder), '-m', 'flows.kat')} (bars {bar} s, 6 GB)", flush=True)


if __name__ == "__main__":
    main()
