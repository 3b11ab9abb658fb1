"""A Postgres cluster of the checkout's own, for `make up DB=postgres`: Debian's programs, a socket, no port.

The socket lies in the cluster's folder, which its owner alone enters: no password is needed there. Postgres does not
run as root; root's cluster is the user postgres's, in that user's home.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tasks.errors import ServiceError

USER = "postgres"
HOME = Path("/var/lib/postgresql")
PROGRAMS = Path("/usr/lib/postgresql")
LONGEST = 107 - len("/.s.PGSQL.5432")
"""Characters of a folder that can hold a Unix socket."""


def cluster_of(folder: Path) -> Path:
    """Where the cluster of a checkout lies whose state is in `folder`."""
    if os.geteuid() == 0:
        return HOME / f"katflow-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    return folder / "postgres"


def start(cluster: Path) -> str:
    """Make the cluster if there is none, start it if it does not run; return the URL of its database.

    Raises ServiceError where Postgres is not installed or does not start.
    """
    if len(str(cluster)) > LONGEST:
        raise ServiceError(
            f"{cluster} is too long a path for Postgres's socket. Move the checkout, or give DB the URL of a server."
        )
    if not (cluster / "PG_VERSION").exists():
        _run(
            cluster,
            "initdb",
            "--auth=trust",
            f"--username={USER}",
            "--encoding=UTF8",
            "--no-locale",
            "--pgdata",
            str(cluster),
        )
    if not is_running(cluster):
        options = f"-c listen_addresses='' -c unix_socket_directories='{cluster}'"
        _run(
            cluster,
            "pg_ctl",
            "start",
            "--wait",
            "--pgdata",
            str(cluster),
            "--log",
            f"{cluster}.log",
            "--options",
            options,
        )
    return f"postgresql+asyncpg://{USER}@/postgres?host={cluster}"


def stop(cluster: Path) -> None:
    """Stop the cluster, if it runs; its data stay."""
    if is_running(cluster):
        _run(cluster, "pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", str(cluster))


def is_running(cluster: Path) -> bool:
    if not cluster.exists():
        return False
    asked = [*_command(cluster, "pg_ctl"), "status", "--pgdata", str(cluster)]
    return subprocess.run(asked, capture_output=True, check=False, cwd="/").returncode == 0


def _run(cluster: Path, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [*_command(cluster, program), *arguments], capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode:
        raise ServiceError(f"Postgres's {program} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def _command(cluster: Path, program: str) -> list[str]:
    """Of the version that made the cluster, for another does not start it; for a new one the latest that Debian has."""
    made = cluster / "PG_VERSION"
    version = made.read_text().strip() if made.exists() else "*"
    programs = sorted(PROGRAMS.glob(f"{version}/bin/{program}"), key=lambda path: (len(path.parts[-3]), path))
    found = str(programs[-1]) if programs else shutil.which(program)
    if not found:
        raise ServiceError("Postgres is not installed: `apt-get install postgresql`, or give DB the URL of a server.")
    return ["runuser", "-u", USER, "--", found] if os.geteuid() == 0 else [found]
