"""A toolchain at work in one job's folder: as a command or a container, here or on a build host."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from npubench.backends.axera.options import Where
from npubench.domain.errors import UsageError
from npubench.domain.protocols import OpenHost
from npubench.domain.records import Completed
from npubench.tools import process

MOUNT = "/data"
SHORT_S = 60.0
NOT_STARTED = 127
"""Exit code by which shells say that a program is not there."""


class Bench(Protocol):
    """A toolchain and the folder it works in."""

    def mark(self, name: str) -> None:
        """Write an empty file, by the clock that the tool's own files get their times from."""

    def run(self, argv: Sequence[str], timeout_s: float, log: Path) -> Completed:
        """Run a tool with the folder as its working directory; all of it ends at the deadline."""

    def collect(self) -> None:
        """Bring what the tools wrote to the job's folder."""


@contextlib.contextmanager
def open_bench(where: Where, workdir: Path, open_host: OpenHost | None) -> Iterator[Bench]:
    """The toolchain with a copy of what lies in `workdir`. Raises UsageError, and BoardError of a host."""
    if where.build_host is None:
        yield LocalBench(where, workdir)
        return
    if open_host is None:
        raise UsageError(
            f"there is no way to build host {where.build_host!r} from this command: use npubench run"
        )
    from npubench.backends.axera.build_host import HostBench

    with (
        contextlib.closing(open_host(where.build_host)) as session,
        HostBench(where, workdir, session) as bench,
    ):
        yield bench


class LocalBench:
    """The toolchain on this machine."""

    def __init__(self, where: Where, workdir: Path) -> None:
        self._where = where
        self._workdir = workdir

    def mark(self, name: str) -> None:
        """Write an empty file."""
        (self._workdir / name).touch()

    def run(self, argv: Sequence[str], timeout_s: float, log: Path) -> Completed:
        """Run a tool in the folder. Exit code 127 stands for a program that is not there."""
        if self._where.image is None:
            return _start(argv, timeout_s, log, self._workdir)
        name = container_name()
        command = container(self._where, name, str(self._workdir), argv)
        completed = _start(command, timeout_s, log, self._workdir, kill(self._where, name))
        if self._where.engine == "docker" and os.getuid() != 0:
            _start(give_back(self._where, str(self._workdir)), SHORT_S, log, self._workdir)
        return completed

    def collect(self) -> None:
        """Nothing to do: the tools wrote into the job's folder."""


def container_name() -> str:
    """A name that no other container has."""
    return f"npubench-{uuid.uuid4().hex[:16]}"


def container(where: Where, name: str, folder: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs a tool in a container with `folder` as its working directory.

    Raises UsageError for a folder that cannot be mounted.
    """
    if where.image is None:
        raise ValueError("there is no image to run")
    if ":" in folder:
        raise UsageError(f"a container cannot mount {folder}, whose name holds a colon: choose another --out")
    limits = [
        word
        for option, value in (("--shm-size", where.shm_size), ("--memory", where.memory))
        if value
        for word in (option, value)
    ]
    return [
        where.engine, "run", "--rm", "--name", name, "--network", where.network, *limits,
        "-v", f"{folder}:{MOUNT}", "-w", MOUNT, where.image, *argv,
    ]  # fmt: skip


def kill(where: Where, name: str) -> list[str]:
    """The command line that ends a container."""
    return [where.engine, "kill", name]


def give_back(where: Where, folder: str) -> list[str]:
    """The command line that makes what root wrote in a container the folder owner's again."""
    return container(where, container_name(), folder, ["chown", "-R", f"--reference={MOUNT}", MOUNT])


def identify(where: Where, open_host: OpenHost | None) -> Completed:
    """Ask what is there: the id of the image, or what the command says to `version`.

    Raises UsageError and BoardError like `open_bench`.
    """
    argv = identify_argv(where)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "version.log"
        if where.build_host is None:
            return _start(argv, SHORT_S, log, Path(folder))
        if open_host is None:
            raise UsageError(f"there is no way to build host {where.build_host!r} from this command")
        with contextlib.closing(open_host(where.build_host)) as session:
            return session.run(argv, SHORT_S)


def identify_argv(where: Where) -> list[str]:
    """The command line of `identify`."""
    if where.image is None:
        return [where.command, "version"]
    return [where.engine, "image", "inspect", "--format", "{{.Id}}", where.image]


def _start(
    argv: Sequence[str],
    timeout_s: float,
    log: Path,
    cwd: Path,
    on_kill: Sequence[str] = (),
) -> Completed:
    try:
        return process.run(argv, timeout_s=timeout_s, log=log, cwd=cwd, on_kill=on_kill)
    except OSError as error:
        return Completed(tuple(argv), NOT_STARTED, f"{argv[0]}: {error.strerror}\n", 0.0)
