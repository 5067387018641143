"""A PostgreSQL of the tests' own: Debian's programs, a new cluster, a socket in its folder and no port."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path


def programs():
    """Where Debian keeps the programs of its newest version; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


def _as_user(folder):
    """PostgreSQL does not run as root: its own user owns the folder then."""
    if os.geteuid():
        return []
    shutil.chown(folder, "postgres", "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]


@contextlib.contextmanager
def server(folder, connections=100):
    """Address of a database that is there while the block runs."""
    user, at = _as_user(folder), programs()
    data = folder / "data"
    environment = {**os.environ, "LC_ALL": "C"}

    def run(*words):
        subprocess.run(
            [*user, *map(str, words)], check=True, capture_output=True, cwd=folder, env=environment
        )

    run(at / "initdb", "-D", data, "-U", "npubench", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -k {folder} -c fsync=off -c max_connections={connections}"
    run(at / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql://npubench@/postgres?host={folder}"
    finally:
        run(at / "pg_ctl", "-D", data, "-m", "immediate", "stop")
