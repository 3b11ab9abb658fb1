"""The demo twice in an empty folder: seconds, CPU seconds and peak memory of the run and of the cached run.

Bars: first run ≤ 600 s on two quiet cores and ≤ 6 GB; second run ≤ 40 s.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, bar in (("first run", 600), ("second run", 40)):
            seconds, cpu, memory = run(Path(folder))
            print(
                f"demo, {name}: {seconds:.0f} s (bar {bar} s), {cpu:.0f} CPU s, {memory / 1e9:.2f} GB peak (bar 6 GB), "
                f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
            )


def run(folder: Path) -> tuple[float, float, int]:
    """Seconds, CPU seconds and peak resident bytes of the flow's own process."""
    start = time.monotonic()
    flow = subprocess.Popen(
        [sys.executable, "-m", "flows.kat"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(flow.pid, 0)
    if status:
        sys.exit(f"the demo ended with status {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
