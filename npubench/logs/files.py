"""Files of a folder as text: only what is a regular file of sane size is opened, whatever its name says.

A log may have any suffix or none, and may be called as the model that it is of (`resnet18.onnx`).
"""

import codecs
import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from npubench.errors import UsageError
from npubench.logs.text import tidy
from npubench.nearest import path_meant

LIMIT_BYTES = 64 * 2**20
"""Of one log. A build with a progress bar prints a few MiB."""
_SUFFIXES = (".txt", ".log", ".out", ".onnx", ".joint", ".axmodel", ".rknn", ".bmodel", ".xml", ".json")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOK_AT = 8192
_KINDS = (
    (stat.S_ISLNK, "a symbolic link: copy there what it points to"),
    (stat.S_ISDIR, "a folder: import it by itself"),
    (stat.S_ISFIFO, "a FIFO: remove it"),
    (stat.S_ISSOCK, "a socket: remove it"),
    (stat.S_ISCHR, "a device: remove it"),
    (stat.S_ISBLK, "a device: remove it"),
)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that was read: its tidy text, the hash of its bytes, and when it was last changed."""

    path: Path
    text: str
    sha256: str
    changed: datetime
    is_binary: bool


def files_of(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files. Raises UsageError where there is nothing."""
    try:
        names = sorted(folder.iterdir()) if folder.is_dir() else None
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed: {error.strerror}: check its permissions") from error
    if names is None:
        hint = "" if folder.exists() else path_meant(folder)
        raise UsageError(f"{folder} is no folder{hint}: give the one that holds the logs")
    found = [name for name in names if not name.name.startswith(".") and name.name != "__MACOSX"]
    if not found:
        raise UsageError(f"{folder} holds no files: give the folder with one log a case")
    return found


def read(path: Path) -> LogFile:
    """The text of one file. Raises UsageError for what is no regular file, too large or cannot be read.

    Neither a link nor a FIFO is ever opened for its content: the kind is that of the opened file itself.
    """
    try:
        _refuse(path, path.lstat())
        # A FIFO that takes the file's place in between must not make the open wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            _refuse(path, status)
            data = stream.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}: check its permissions") from error
    if len(data) > LIMIT_BYTES:
        raise _too_large(path)
    changed = datetime.fromtimestamp(status.st_mtime, UTC)
    text = decode(data)
    return LogFile(path, tidy(text), hashlib.sha256(data).hexdigest(), changed, _is_binary(text[:_LOOK_AT]))


def decode(data: bytes) -> str:
    """UTF-8, or what a byte order mark says, or UTF-16 where every other byte of plain text is 0.

    Bytes that are none of these become U+FFFD: a log is read as far as it is text.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    return data.decode(_sixteen_bits(data[:_LOOK_AT]) or "utf-8", "replace")


def shown_name(file_name: str) -> str:
    """A file name as a row keeps it: bytes that are no text and characters that no page shows become `?`."""
    return "".join(char if char.isprintable() else "?" for char in file_name)


def case_name(file_name: str) -> str:
    """What a log's file name says of its case: without the suffixes of logs and of models.

    What no page shows becomes `?`.
    """
    name = shown_name(file_name)
    while (suffix := next((s for s in _SUFFIXES if name.lower().endswith(s)), None)) and name != suffix:
        name = name[: -len(suffix)]
    return name


def _refuse(path: Path, status: os.stat_result) -> None:
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            raise UsageError(f"{path} is not read: it is {words}")
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is not read: it is no regular file: remove it")
    if status.st_size > LIMIT_BYTES:
        raise _too_large(path)
    if status.st_size == 0:
        raise UsageError(f"{path} is empty: remove it")


def _too_large(path: Path) -> UsageError:
    return UsageError(f"{path} is not read: it has more than {LIMIT_BYTES // 2**20} MiB, which no log has")


def _sixteen_bits(head: bytes) -> str | None:
    """UTF-16 of mostly Latin letters has a 0 in nearly every pair, always on the same side."""
    pairs = len(head) // 2
    if pairs < 2:
        return None
    first, second = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if second > 0.7 * pairs and first < 0.1 * pairs:
        return "utf-16-le"
    if first > 0.7 * pairs and second < 0.1 * pairs:
        return "utf-16-be"
    return None


def _is_binary(text: str) -> bool:
    """Serial consoles leave some stray bytes in a log; a file of another kind is full of them."""
    strays = sum(
        char == "\ufffd" or char == "\x7f" or (char < " " and char not in "\t\n\v\f\r\b\x1b") for char in text
    )
    return strays > 0.1 * len(text)
