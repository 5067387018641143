"""One npubench at a time works on an environment's folder."""

import contextlib
import fcntl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from npubench.domain.errors import Interrupted
from npubench.tools import process

_TRY_EVERY_S = 0.2
"""A lock can be waited for or given up at a stop, not both: so it is tried again and again."""


@contextlib.contextmanager
def locked(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold `folder`'s lock; waits for another holder and says so. Raises Interrupted after a stop.

    The lock file stays when the folder goes: were it deleted, two could hold a lock of one name.
    """
    with folder.with_name(f"{folder.name}.lock").open("w") as stream:
        told = False
        while not _try(stream.fileno()):
            if process.stopping():
                raise Interrupted
            if not told:
                say(f"{folder.name} is in the hands of another npubench: waiting for it")
                told = True
            threading.Event().wait(_TRY_EVERY_S)
        yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
