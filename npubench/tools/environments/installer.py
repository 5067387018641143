"""Making and removing environments: venv and plain pip, one npubench at a time."""

import contextlib
import fcntl
import itertools
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from npubench.domain.errors import ToolchainError, UsageError
from npubench.domain.records import Completed
from npubench.domain.text import last_line
from npubench.storage.files import write_atomically
from npubench.storage.hashing import digest
from npubench.tools import process
from npubench.tools.environments import (
    MARKER,
    EnvironmentSpec,
    Installed,
    WheelSpec,
    find,
    folder,
    folders,
    root,
    spec,
)

Say = Callable[[str], None]
STEP_TIMEOUT_S = 3600.0
COMPILE_TIMEOUT_S = 6 * 3600.0
"""Half an hour of one quiet core; a busy or slow machine takes longer."""
PIP = ("-I", "-m", "pip")
QUIETLY = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
# A user's own `pip install --user` by default is refused inside a virtual environment.
PIP_ENVIRONMENT = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
_PROGRESS = (
    "Collecting ",
    "Processing ",
    "Downloading ",
    "Building ",
    "Installing collected",
    "Successfully ",
)
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
        if line.strip().startswith(_PROGRESS):
            on_line(line.strip())

    with following(log, tell):
        done = process.run(argv, timeout_s=timeout_s, log=log, env={**PIP_ENVIRONMENT, **(variables or {})})
    if done.returncode == 0 and not done.timed_out:
        return done
    reason = f"it took over {timeout_s / 3600:.0f} h" if done.timed_out else pip_error(done.output)
    raise ToolchainError(f"cannot {what}: {reason} (log: {log})")


BYTES_A_JOB = 2 * 2**30
"""One compiler on PyTorch's headers takes up to this much memory."""

Pip = Callable[[list[str], Mapping[str, str]], object]


def wheel(wanted: EnvironmentSpec, one: WheelSpec, pip: Pip, say: Say) -> Path:
    """The wheel of a package, from the last time or made by `pip` (its arguments, variables).

    What it is compiled against decides the place, so other pins never get it. Compiling goes on where an
    earlier attempt was ended. Raises ToolchainError when there is no compiler, and what `pip` raises.
    """
    kept = root() / "wheels" / digest(wanted.python, wanted.steps, one)[:12]
    if found := sorted(kept.glob("*.whl")):
        return found[0]
    if shutil.which("g++") is None:
        raise ToolchainError(
            f"{one.package} is compiled here and there is no g++: install it (apt install g++), then run the"
            " command again"
        )
    kept.mkdir(parents=True, exist_ok=True)
    source = _source(one, kept / "source", pip)
    say(f"environment {wanted.name}: compiling {one.package}, which may take ten minutes and more")
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        words = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, str(source)]
        pip(words, {"MAX_JOBS": str(_jobs()), **one.environment})
        (made,) = Path(scratch).glob("*.whl")
        compiled = made.rename(kept / made.name)
    shutil.rmtree(source)
    return compiled


def _source(one: WheelSpec, place: Path, pip: Pip) -> Path:
    """The package's source at a place that stays, because what was compiled lies in it."""
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            name = one.package.partition("==")[0]
            words = ["download", "--no-deps", "--no-build-isolation", "--no-binary", name, "--dest", scratch]
            pip([*words, one.package], one.environment)
            (archive,) = Path(scratch).iterdir()
            shutil.unpack_archive(archive, Path(scratch) / "unpacked", filter="data")
            (folder,) = (Path(scratch) / "unpacked").iterdir()
            folder.rename(place)
    return place


def _jobs() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // BYTES_A_JOB))


_PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
_PROBE_TIMEOUT_S = 30.0


def interpreter(version: str) -> Path:
    """A Python of `version` (such as 3.11) with venv and pip. Raises ToolchainError with what is missing."""
    for candidate in _candidates(version):
        if _version_of(candidate) == version:
            return candidate
    raise ToolchainError(
        f"Python {version} with venv is not on this machine: install it (apt install python{version}-venv,"
        f" or pyenv install {version}), then run the command again"
    )


def _candidates(version: str) -> Iterator[Path]:
    """The running one, those on PATH, pyenv's; each is tried, because a shim may lead nowhere."""
    yield Path(sys.executable)
    for place in os.get_exec_path():
        if found := shutil.which(f"python{version}", path=place):
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)


def _version_of(python: Path) -> str | None:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            done = process.run(
                [str(python), "-I", "-c", _PROBE], timeout_s=_PROBE_TIMEOUT_S, log=Path(scratch) / "log"
            )
        except OSError:
            return None
    return done.output.strip() if done.returncode == 0 and not done.timed_out else None


_TRY_EVERY_S = 0.2
"""A lock can be waited for or given up at a stop, not both: so it is tried again and again."""


@contextlib.contextmanager
def locked(folder: Path, say: Say) -> Iterator[None]:
    """Hold `folder`'s lock; waits for another holder and says so. Raises Interrupted after a stop.

    The lock file stays when the folder goes: were it deleted, two could hold a lock of one name.
    """
    with folder.with_name(f"{folder.name}.lock").open("w") as stream:
        for attempt in itertools.count():
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 0:
                    say(f"{folder.name} is in the hands of another npubench: waiting for it")
                process.pause(_TRY_EVERY_S)
        yield


_LOOK_EVERY_S = 0.2
"""A file cannot be waited on without a library of its own; a person does not see the difference."""


@contextlib.contextmanager
def following(log: Path, on_line: Say) -> Iterator[None]:
    """Hand every whole line that is appended to `log` meanwhile to `on_line`, in order, none twice."""
    ended = threading.Event()
    start = log.stat().st_size if log.exists() else 0
    thread = threading.Thread(target=_follow, args=(log, start, on_line, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _follow(log: Path, offset: int, on_line: Say, ended: threading.Event) -> None:
    rest = b""
    last_look = False
    while not last_look:
        last_look = ended.wait(_LOOK_EVERY_S)
        if not log.exists():
            continue
        with log.open("rb") as stream:
            stream.seek(offset)
            new = stream.read()
        offset += len(new)
        *lines, rest = (rest + new).split(b"\n")
        for line in lines:
            on_line(line.decode("utf-8", "replace").rstrip())


_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|[Nn]ame resolution|Network is unreachable|ProxyError"
    r"|Connection refused|ConnectTimeoutError|Name or service not known"
)
_NOT_FOUND = re.compile(r"No matching distribution|Could not find a version")
_ERROR = re.compile(r"\s*(?:ERROR|error): (?P<text>.*\S)")
_EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception): .*\S")


def pip_error(output: str) -> str:
    """Why pip (or a Python script) failed: its last error, and the network if that is the reason."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [match["text"] for line in lines if (match := _ERROR.match(line))]
    exceptions = [line.strip() for line in lines if _EXCEPTION.match(line.strip())]
    reason = (errors or exceptions or [line.strip() for line in lines] or ["no output"])[-1]
    if _NOT_FOUND.search(reason) and _NO_NETWORK.search(output):
        return f"{reason}: the package index cannot be reached; check the network and pip's configuration"
    return reason
