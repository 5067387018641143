"""Files that somebody else left: only regular ones are opened, for a FIFO's reader or writer waits for ever.

A symbolic link is none either: a tool's folder may name no file of the user's.
"""

import errno
import os
import shutil
import stat
from io import BufferedReader
from pathlib import Path


def is_regular(path: Path) -> bool:
    """Whether the name itself is a regular file. Never raises."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def open_regular(path: Path, follow: bool = False) -> BufferedReader:
    """Open for reading; with `follow` also where a link leads. Raises OSError, for anything else at once."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def text_of(path: Path) -> str:
    """The text of a regular file, undecodable bytes replaced. Raises OSError."""
    with open_regular(path) as stream:
        return stream.read().decode("utf-8", "replace")


def text_if_any(path: Path) -> str:
    """The same; empty where there is no regular file that can be read."""
    try:
        return text_of(path)
    except OSError:
        return ""


def write_new(path: Path, text: str) -> None:
    """Write a file in the place of whatever lies there, through nothing. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)
