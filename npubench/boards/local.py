"""This machine as a board."""

import contextlib
import fcntl
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from npubench.boards.state import PATHS, parse
from npubench.domain.errors import BoardError
from npubench.domain.leases import Claim, Held, read_claim
from npubench.domain.records import BoardState, Completed
from npubench.domain.specs import BoardSpec
from npubench.storage.files import open_regular
from npubench.storage.hashing import sha256_of_file
from npubench.tools import cookies, kept, process


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
        self._lease: int | None = None
        """The descriptor of its file, locked."""

    def take(self, claim: Claim, force: bool = False) -> Held | None:  # noqa: ARG002 - the kernel's
        """Hold this machine until the session is closed; who holds it, when somebody else does.

        A lease here ends with its holder and not before. Raises BoardError where none can be kept.
        """
        if self._lease is not None:
            return None
        lease = _open()
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = Held(read_claim(_read(lease)[1]))
            os.close(lease)
            return held
        except OSError as error:
            os.close(lease)
            raise _unusable(error) from error
        # Whoever was killed while it held the lease left its owner's mark: nothing of it may run on.
        before = _read(lease)[0]
        if cookies.is_dead(before):
            process.end_owned(before)
        with contextlib.suppress(OSError):
            os.ftruncate(lease, 0)
            os.pwrite(lease, f"{cookies.owner()}\n{claim.line()}\n".encode(), 0)
        self._lease = lease
        return None

    def holder(self) -> Held | None:
        """Who holds this machine. Raises like `take`."""
        if self._lease is not None:
            return Held(read_claim(_read(self._lease)[1]))
        other = LocalSession()
        held = other.take(Claim("", "", ""))
        other.close()
        return held

    def run(
        self, argv: Sequence[str], timeout_s: float, log: Path | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> Completed:  # fmt: skip
        """Run a command; its whole tree ends at the deadline. Raises BoardError when it cannot start.

        `between` is called where a worker of npubench's own waits between two of its steps.
        """
        try:
            if log is not None:
                return _run(argv, timeout_s, log, between)
            with tempfile.TemporaryDirectory() as folder:
                return _run(argv, timeout_s, Path(folder) / "log", between)
        except OSError as error:
            raise BoardError(f"{argv[0]} cannot be started: {error.strerror}: install it") from error

    def in_turn(self, pass_on: Callable[[], None]) -> "InTurn":
        """The same machine for one of several cases that are measured at once, a round each in turn."""
        return InTurn(self, pass_on)

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
        if self._lease is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._lease, 0)
            os.close(self._lease)
        self._lease = None


class InTurn:
    """A session's machine; its workers pass their turn on between two rounds, and no deadline counts that."""

    alternates = True

    def __init__(self, session: LocalSession, pass_on: Callable[[], None]) -> None:
        self._session, self._pass_on = session, pass_on
        self.put, self.get = session.put, session.get
        self.facts, self.close = session.facts, session.close

    def run(self, argv: Sequence[str], timeout_s: float, log: Path | None = None) -> Completed:
        """Run a command."""
        return self._session.run(argv, timeout_s, log, self._pass_on)


def _run(argv: Sequence[str], timeout_s: float, log: Path, between: Callable[[], None]) -> Completed:
    """npubench's own workers in a fork of a kept interpreter: starting one takes longer than most of them."""
    if module := kept.worker_of(argv):
        return kept.run(module, argv[3:], kept.RUNS, timeout_s=timeout_s, log=log, between=between)
    return process.run(argv, timeout_s=timeout_s, log=log)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


_LONGEST = 4096


def folder() -> Path:
    """Where the lease lies: $NPUBENCH_LEASES, else below /tmp."""
    return Path(os.environ.get("NPUBENCH_LEASES") or "/tmp/npubench-leases")


def _open() -> int:
    try:
        if not folder().is_dir():
            folder().mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):
                folder().chmod(0o777)
        descriptor = os.open(
            folder() / "local", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666
        )
    except OSError as error:
        raise _unusable(error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BoardError(f"{folder() / 'local'} is no file: remove it")
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o666)
    return descriptor


def _unusable(error: OSError) -> BoardError:
    return BoardError(
        f"this machine cannot be leased: {folder()}: {error.strerror}: make it writable,"
        " or set NPUBENCH_LEASES to a folder that all runs here share"
    )


def _read(lease: int) -> tuple[str, str]:
    """The owner's cookie and the claim in it."""
    owner, _, claim = os.pread(lease, _LONGEST, 0).decode("utf-8", "replace").partition("\n")
    return owner, claim
