"""This machine's lease: a locked file that all runs of all users here share, whatever their --out.

The kernel gives the lock back when its holder ends, however that ends.
"""

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from npubench import cookies, process
from npubench.errors import BoardError
from npubench.leases import Claim, Held, read_claim

_LONGEST = 4096


def folder() -> Path:
    """Where it lies: $NPUBENCH_LEASES, else below /tmp."""
    return Path(os.environ.get("NPUBENCH_LEASES") or "/tmp/npubench-leases")


class LocalLease:
    """The lease of one session; raises BoardError where no file can be locked."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def take(self, claim: Claim) -> Held | None:
        """Hold this machine, or say who does."""
        if self._descriptor is not None:
            return None
        descriptor = _open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = Held(read_claim(_read(descriptor).partition("\n")[2]))
            os.close(descriptor)
            return held
        except OSError as error:
            os.close(descriptor)
            raise _unusable(error) from error
        # Whoever was killed while it held the lease left its owner's mark: nothing of it may run on.
        before = _read(descriptor).partition("\n")[0]
        if cookies.is_dead(before):
            process.end_owned(before)
        _write(descriptor, f"{cookies.owner()}\n{claim.line()}\n")
        self._descriptor = descriptor
        return None

    def holder(self) -> Held | None:
        """Who holds this machine."""
        if self._descriptor is not None:
            return Held(read_claim(_read(self._descriptor).partition("\n")[2]))
        other = LocalLease()
        held = other.take(Claim("", "", ""))
        other.release()
        return held

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
        self._descriptor = None


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


def _read(descriptor: int) -> str:
    return os.pread(descriptor, _LONGEST, 0).decode("utf-8", "replace")


def _write(descriptor: int, text: str) -> None:
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
