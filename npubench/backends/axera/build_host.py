"""A toolchain on a remote build host, reached through a `Session`.

The host needs GNU coreutils (`env -C`, `timeout`, `mktemp`) and tar.
"""

import contextlib
import math
import os
import posixpath
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from npubench.backends.axera.options import Where
from npubench.backends.axera.toolchain import SHORT_S, container, container_name, give_back, kill
from npubench.domain.errors import BoardError, Interrupted
from npubench.domain.protocols import Session
from npubench.domain.records import Completed
from npubench.domain.text import last_line
from npubench.storage.hashing import sha256_of_file

ENDED_BY_TIMEOUT = 124
KILL_AFTER_S = 10.0
COLLECT_S = 600.0


class HostBench:
    """A new folder on the host with copies of the job's files; gone when it is left."""

    def __init__(self, where: Where, workdir: Path, session: Session) -> None:
        self._where = where
        self._workdir = workdir
        self._session = session
        self._folder = ""
        self._sent: set[str] = set()

    def __enter__(self) -> Self:
        """Make the folder and send the files. Raises BoardError."""
        made = self._must("mktemp", "-d", "-t", "npubench-XXXXXXXXXX")
        self._folder = made.output.strip()
        if not self._folder.startswith("/") or "\n" in self._folder:
            raise BoardError(
                f"mktemp on the build host answered {self._folder[:80]!r}: check its login shell"
            )
        for file in sorted(path for path in self._workdir.rglob("*") if path.is_file()):
            self._send(file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder; a host that is gone keeps it."""
        with contextlib.suppress(BoardError, Interrupted):
            self._session.run(["rm", "-rf", "--", self._folder], SHORT_S)

    def mark(self, name: str) -> None:
        """Write an empty file on the host."""
        self._must("touch", "--", self._path(name))

    def run(self, argv: Sequence[str], timeout_s: float, log: Path) -> Completed:
        """Run a tool in the folder on the host."""
        name = container_name()
        in_container = self._where.image is not None
        if in_container:
            command = container(self._where, name, self._folder, argv)
        else:
            limit = ["timeout", "-k", f"{KILL_AFTER_S:g}", f"{max(1, math.ceil(timeout_s))}"]
            command = [*limit, "env", "-C", self._folder, *argv]
        ended = False
        try:
            completed = self._session.run(command, timeout_s + KILL_AFTER_S, log)
            ended = not completed.timed_out
        finally:
            if in_container and not ended:
                with contextlib.suppress(BoardError, Interrupted):
                    self._session.run(kill(self._where, name), SHORT_S, log)
        if in_container and self._where.engine == "docker":
            self._session.run(give_back(self._where, self._folder), SHORT_S, log)
        late = completed.returncode == ENDED_BY_TIMEOUT or completed.duration_s >= timeout_s
        return replace(completed, timed_out=completed.timed_out or (completed.returncode != 0 and late))

    def collect(self) -> None:
        """Fetch all files that were not sent. Raises BoardError."""
        packed = f"{self._folder}.tar"
        known = [f"--exclude=./{name}" for name in sorted(self._sent)]
        try:
            pack = ("tar", "-C", self._folder, "--no-wildcards", *known, "-cf", packed, ".")
            self._must(*pack, timeout_s=COLLECT_S)
            local = self._workdir / "collected.tar"
            self._session.get(PurePosixPath(packed), local)
        finally:
            with contextlib.suppress(BoardError, Interrupted):
                self._session.run(["rm", "-f", "--", packed], SHORT_S)
        _unpack(local, self._workdir)
        local.unlink()

    def _send(self, file: Path) -> None:
        name = file.relative_to(self._workdir).as_posix()
        there = self._session.put(file, sha256_of_file(file))
        if "/" in name:
            self._must("mkdir", "-p", "--", self._path(posixpath.dirname(name)))
        self._must("cp", "--", str(there), self._path(name))
        self._sent.add(name)

    def _path(self, name: str) -> str:
        return posixpath.join(self._folder, name)

    def _must(self, *argv: str, timeout_s: float = SHORT_S) -> Completed:
        completed = self._session.run(argv, timeout_s)
        if completed.timed_out or completed.returncode != 0:
            said = last_line(completed.output, "no answer")
            raise BoardError(f"{argv[0]} failed on the build host: {said}: look at its disk and PATH")
        return completed


def _unpack(archive: Path, folder: Path) -> None:
    """Regular files below `folder` with their times; anything else in the archive is left out."""
    root = folder.resolve()
    with tarfile.open(archive) as tar:
        for member in tar:
            target = (root / member.name).resolve()
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or not target.is_relative_to(root) or target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as stream:
                shutil.copyfileobj(content, stream)
            os.utime(target, (member.mtime, member.mtime))
