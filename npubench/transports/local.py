"""This machine as a board."""

import glob
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from npubench import kept, process
from npubench.board_facts import PATHS, parse
from npubench.errors import BoardError
from npubench.identity import sha256_of_file
from npubench.leases import Claim, Held
from npubench.records import BoardState, Completed
from npubench.regular import open_regular
from npubench.specs import BoardSpec
from npubench.transports.local_lease import LocalLease


class LocalTransport:
    """Reaches the machine npubench runs on."""

    name = "local"

    def connect(self, board: BoardSpec) -> "LocalSession":  # noqa: ARG002 - there is only one
        """A session; nothing to open."""
        return LocalSession()

    def check(self, board: BoardSpec) -> None:
        """There are no options: those of a board that is reached otherwise elsewhere are let be."""

    def place(self, board: BoardSpec) -> str:  # noqa: ARG002 - there is only one
        """This machine, whatever the board is called."""
        return "this machine"


class LocalSession:
    """Runs commands here; files are already where they are needed."""

    def __init__(self) -> None:
        self._lease = LocalLease()

    def take(self, claim: Claim, force: bool = False) -> Held | None:  # noqa: ARG002 - the kernel's
        """Hold this machine until the session is closed; who holds it, when somebody else does.

        A lease here ends with its holder and not before. Raises BoardError where none can be kept.
        """
        return self._lease.take(claim)

    def holder(self) -> Held | None:
        """Who holds this machine. Raises like `take`."""
        return self._lease.holder()

    def run(self, argv: Sequence[str], timeout_s: float, log: Path | None = None) -> Completed:
        """Run a command; its whole tree ends at the deadline. Raises BoardError when it cannot start."""
        try:
            if log is not None:
                return _run(argv, timeout_s, log)
            with tempfile.TemporaryDirectory() as folder:
                return _run(argv, timeout_s, Path(folder) / "log")
        except OSError as error:
            raise BoardError(f"{argv[0]} cannot be started: {error.strerror}: install it") from error

    def put(self, source: Path, sha256: str) -> PurePosixPath:
        """The file itself, if it still has that hash. Raises BoardError otherwise."""
        try:
            is_it = sha256_of_file(source) == sha256
        except OSError:
            is_it = False
        if not is_it:
            raise BoardError(f"{source.name} is not the file with SHA-256 {sha256}: run with --fresh")
        return PurePosixPath(source)

    def get(self, source: PurePosixPath, target: Path) -> None:
        """Copy a file. Raises BoardError when it is not there."""
        try:
            with open_regular(Path(source), follow=True) as stream, target.open("wb") as copy:
                shutil.copyfileobj(stream, copy)
        except OSError as error:
            raise BoardError(f"{source} cannot be fetched: {error.strerror}") from error

    def facts(self) -> BoardState:
        """The state of this machine now, read without starting a process."""
        texts = {path: _text(path) for pattern in PATHS for path in glob.glob(pattern)}  # noqa: PTH207 - absolute patterns
        return parse(texts, datetime.now(UTC).isoformat(timespec="milliseconds"))

    def close(self) -> None:
        """Give the lease back."""
        self._lease.release()


def _run(argv: Sequence[str], timeout_s: float, log: Path) -> Completed:
    """npubench's own workers in a fork of a kept interpreter: starting one takes longer than most of them."""
    if module := kept.worker_of(argv):
        return kept.run(module, argv[3:], kept.RUNS, timeout_s=timeout_s, log=log)
    return process.run(argv, timeout_s=timeout_s, log=log)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
