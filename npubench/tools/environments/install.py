"""Making and removing environments: venv and plain pip, one npubench at a time."""

import contextlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from npubench.domain.errors import ToolchainError, UsageError
from npubench.domain.records import Completed
from npubench.domain.text import last_line
from npubench.storage.files import write_atomically
from npubench.tools import process
from npubench.tools.environments.following import following
from npubench.tools.environments.installed import MARKER, Installed, find, folder, folders, root
from npubench.tools.environments.interpreters import interpreter
from npubench.tools.environments.locked import locked
from npubench.tools.environments.pip_errors import pip_error
from npubench.tools.environments.spec import EnvironmentSpec, spec
from npubench.tools.environments.wheels import wheel

Say = Callable[[str], None]
STEP_TIMEOUT_S = 3600.0
COMPILE_TIMEOUT_S = 6 * 3600.0
"""Half an hour of one quiet core; a busy or slow machine takes longer."""
PIP = ("-I", "-m", "pip")
QUIETLY = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
# A user's own `pip install --user` by default is refused inside a virtual environment.
PIP_ENVIRONMENT = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
_TOLD = ("Collecting ", "Processing ", "Downloading ", "Building ", "Installing collected", "Successfully ")
_VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name: d.version for d in distributions()}))
"""


def _nothing(_line: str) -> None:
    """A listener for those who do not want to hear."""


def install(name: str, say: Say, on_line: Say = _nothing) -> Installed:
    """The environment, made if it is not there; what a killed installation left is made anew.

    `say` hears a line a step, `on_line` pip's progress. pip keeps finished downloads in its cache, so
    a second try does not fetch them again. Raises ToolchainError with where the log is, UsageError
    for the name, Interrupted.
    """
    wanted = spec(name)
    if ready := find(name):
        return ready
    path = folder(name)
    try:
        root().mkdir(parents=True, exist_ok=True)
        with locked(path, say):
            return find(name) or _make(wanted, path, say, on_line)
    except OSError as error:
        reason = error.strerror or error
        raise ToolchainError(f"{path} cannot be made ({reason}): free it, or set NPUBENCH_ENVS") from error


def remove(name: str, say: Say = _nothing) -> list[Path]:
    """Delete every environment of that name, unfinished ones and older pins, too; the folders that went.

    Raises UsageError when there is none, ToolchainError when a folder cannot be deleted.
    """
    spec(name)
    gone = folders(name)
    if not gone:
        raise UsageError(f"environment {name} is not installed: nothing to remove")
    for path in gone:
        try:
            with locked(path, say):
                # The marker first: what is half deleted must not pass for an environment.
                (path / MARKER).unlink(missing_ok=True)
                shutil.rmtree(path)
                path.with_name(f"{path.name}.log").unlink(missing_ok=True)
        except OSError as error:
            raise ToolchainError(f"{error.filename} cannot be deleted ({error.strerror})") from error
    return gone


def _make(wanted: EnvironmentSpec, path: Path, say: Say, on_line: Say) -> Installed:
    python = interpreter(wanted.python)
    if path.exists():
        say(f"environment {wanted.name}: an installation ended early here: starting afresh")
        # pip may have been killed within a package, which would then pass for installed.
        shutil.rmtree(path)
    _check_room(wanted, path)
    log = path.with_name(f"{path.name}.log")
    log.write_bytes(b"")
    _step([str(python), "-I", "-m", "venv", str(path)], "make a virtual environment", log, on_line)
    inside = str(path / "bin" / "python")
    for number, step in enumerate(wanted.steps, 1):
        say(f"environment {wanted.name}: step {number} of {len(wanted.steps)}: pip install {' '.join(step)}")
        words = [str(wanted.folder / word) if word.endswith(".txt") else word for word in step]
        _step([inside, *PIP, "install", *QUIETLY, *words], f"install {' '.join(step)}", log, on_line)
    _add_wheels(wanted, inside, log, say, on_line)
    _remove_files(wanted, path, say)
    say(f"environment {wanted.name}: importing what was installed")
    _step([inside, "-I", "-c", wanted.check], "import what was installed", log)
    listed = _step([inside, "-I", "-c", _VERSIONS], "list versions", log).output
    versions = json.loads(last_line(listed))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    marker = {"pins": wanted.pins, "versions": versions, "installed_at": now}
    write_atomically(path / MARKER, json.dumps(marker, sort_keys=True, indent=1))
    ready = find(wanted.name)
    if ready is None:
        raise ToolchainError(f"environment {wanted.name} is not whole after its installation: see {log}")
    return ready


def _add_wheels(wanted: EnvironmentSpec, inside: str, log: Path, say: Say, on_line: Say) -> None:
    # A compiler's scripts (ninja, cython) lie beside the environment's Python.
    path = f"{Path(inside).parent}{os.pathsep}{os.environ.get('PATH', '')}"

    def pip(words: list[str], variables: Mapping[str, str]) -> None:
        argv = [inside, *PIP, words[0], *QUIETLY, *words[1:]]
        variables = {**variables, "PATH": path}
        _step(argv, f"pip {words[0]} {words[-1]}", log, on_line, variables, COMPILE_TIMEOUT_S)

    for one in wanted.wheels:
        file = wheel(wanted, one, pip, say)
        say(f"environment {wanted.name}: installing {file.name}")
        _step(
            [inside, *PIP, "install", *QUIETLY, "--no-deps", str(file)], f"install {file.name}", log, on_line
        )


def _remove_files(wanted: EnvironmentSpec, path: Path, say: Say) -> None:
    if wanted.remove is None:
        return
    name, version = platform.libc_ver()
    if name != "glibc" or _numbers(version) <= _numbers(wanted.remove.glibc_above):
        return
    for file in wanted.remove.files:
        (path / file).unlink(missing_ok=True)
    say(f"environment {wanted.name}: removed the packaged C library, which is older than glibc {version}")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _check_room(wanted: EnvironmentSpec, path: Path) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < wanted.size_bytes:
        raise ToolchainError(
            f"{path.parent} has {free / 1e9:.1f} GB free, environment {wanted.name} needs"
            f" {wanted.size_bytes / 1e9:.1f}: free some, or set NPUBENCH_ENVS to another disk"
        )


def _step(
    argv: list[str],
    what: str,
    log: Path,
    on_line: Say = _nothing,
    variables: Mapping[str, str] | None = None,
    timeout_s: float = STEP_TIMEOUT_S,
) -> Completed:
    def tell(line: str) -> None:
        if line.strip().startswith(_TOLD):
            on_line(line.strip())

    with following(log, tell) if on_line is not _nothing else contextlib.nullcontext():
        done = process.run(argv, timeout_s=timeout_s, log=log, env={**PIP_ENVIRONMENT, **(variables or {})})
    if done.returncode == 0 and not done.timed_out:
        return done
    reason = f"it took over {timeout_s / 3600:.0f} h" if done.timed_out else pip_error(done.output)
    raise ToolchainError(f"cannot {what}: {reason} (log: {log})")
