"""Making and removing environments: venv and plain pip, one npubench at a time."""

import contextlib
import fcntl
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from npubench import process
from npubench.environments.installed import MARKER, Installed, find, folder, root
from npubench.environments.spec import FOLDER, EnvironmentSpec, spec
from npubench.errors import ToolchainError, UsageError
from npubench.filesystem import write_atomically
from npubench.records import Completed

Say = Callable[[str], None]
STEP_TIMEOUT_S = 3600.0
_VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name: d.version for d in distributions()}))
"""


def install(name: str, say: Say) -> Installed:
    """The environment, made if it is not there; one that was begun is completed.

    `say` hears a line a step. Raises ToolchainError with where the log is, UsageError for the name.
    """
    wanted = spec(name)
    if ready := find(name):
        return ready
    path = folder(name)
    try:
        root().mkdir(parents=True, exist_ok=True)
        with _lock(path, say):
            return find(name) or _make(wanted, path, say)
    except OSError as error:
        raise ToolchainError(f"{path} cannot be written ({error.strerror}): set NPUBENCH_ENVS") from error


def remove(name: str) -> list[Path]:
    """Delete every environment of that name, whatever its pins; the folders that went."""
    spec(name)
    gone = [path for path in root().glob(f"{name}-*") if path.is_dir()]
    if not gone:
        raise UsageError(f"environment {name} is not installed: nothing to remove")
    for path in gone:
        shutil.rmtree(path)
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    return gone


def interpreter(version: str) -> Path:
    """A Python of that version that really runs. Raises ToolchainError naming the missing one."""
    home = Path.home() / ".pyenv" / "versions"
    candidates = [
        Path(sys.executable),
        *(Path(found) for found in (shutil.which(f"python{version}"),) if found),
        *sorted(home.glob(f"{version}.*/bin/python")),
    ]
    for candidate in candidates:
        if _version_of(candidate) == version:
            return candidate
    raise ToolchainError(
        f"Python {version} is not on this machine: install it (apt install python{version}-venv, or"
        f" pyenv install {version}), then run the command again"
    )


def _make(wanted: EnvironmentSpec, path: Path, say: Say) -> Installed:
    say(f"making environment {wanted.name} ({wanted.size}, once): {wanted.title}")
    python = interpreter(wanted.python)
    log = path.with_name(f"{path.name}.log")
    log.write_bytes(b"")
    _step([str(python), "-m", "venv", str(path)], "make a virtual environment", log)
    inside = str(path / "bin" / "python")
    for number, step in enumerate(wanted.steps, 1):
        say(f"environment {wanted.name}: step {number} of {len(wanted.steps)}: pip install {' '.join(step)}")
        arguments = [str(FOLDER / word) if word.endswith(".txt") else word for word in step]
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        _step([inside, "-m", "pip", "install", *quiet, *arguments], f"install {' '.join(step)}", log)
    _step([inside, "-c", wanted.check], "import what was installed", log)
    versions = json.loads(_step([inside, "-c", _VERSIONS], "list versions", log).output.strip().splitlines()[-1])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomically(path / MARKER, json.dumps({"pins": wanted.pins, "versions": versions, "installed_at": now}))
    ready = find(wanted.name)
    if ready is None:
        raise ToolchainError(f"environment {wanted.name} is not whole after its installation: see {log}")
    return ready


def _step(argv: list[str], what: str, log: Path) -> Completed:
    done = process.run(argv, timeout_s=STEP_TIMEOUT_S, log=log)
    if done.returncode == 0 and not done.timed_out:
        return done
    reason = "it took over an hour" if done.timed_out else _reason(done.output)
    raise ToolchainError(f"cannot {what}: {reason}: correct that and run the command again (log: {log})")


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if re.search(r"NewConnectionError|Temporary failure in name resolution|Network is unreachable", output):
        return "no network: the package index cannot be reached"
    errors = [line for line in lines if line.startswith(("ERROR:", "error:")) or "Error:" in line]
    return (errors or lines or ["no output"])[-1].removeprefix("ERROR: ")


@contextlib.contextmanager
def _lock(path: Path, say: Say) -> Iterator[None]:
    """One installation of an environment at a time; the others wait and find it done."""
    with path.with_name(f"{path.name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{path.name} is being made by another npubench: waiting")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _version_of(python: Path) -> str | None:
    script = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            done = process.run([str(python), "-c", script], timeout_s=30, log=Path(scratch) / "log")
        except OSError:
            return None
    return done.output.strip() if done.returncode == 0 else None
