"""Files to and from a board, each verified by its hash, and what is removed to make room."""

import contextlib
import hashlib
import os
import posixpath
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from npubench.boards.ssh import command
from npubench.boards.ssh.command import Bounded, command_line, script
from npubench.boards.ssh.connection import Connection
from npubench.boards.ssh.facts import SPACE
from npubench.boards.ssh.paramiko_transport import POLL_S, run_with_deadline
from npubench.domain.errors import TransferError
from npubench.domain.text import last_line
from npubench.storage.hashing import sha256_of_file

if TYPE_CHECKING:
    from paramiko import Channel


IN_USE_S = 3600.0
"""Whatever was used within this time is never removed: another npubench may be measuring it."""

LIST = """\
mkdir -p -- "$1" && cd -- "$1" && pwd || exit 1
for used in */.used; do
    [ -f "$used" ] && IFS= read -r line < "$used" && echo "${used%/.used} $line"
done
exit 0
"""
"""Makes the folder `$1` and prints its absolute path, then its entries."""

REMOVE = """\
cd -- "$1" || exit 1
shift
rm -rf -- "$@"
"""
"""Removes the entries `$2` ... of the folder `$1`."""

_ENTRY = re.compile(r"([0-9a-f]{64}) ([0-9]{1,12}) ([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder for one hash: seconds since 1970 of its last use, and its size."""

    sha256: str
    used_at: float
    size_bytes: int


def parse(lines: Sequence[str]) -> tuple[Entry, ...]:
    """The entries among lines of `LIST`; what npubench did not put there is none."""
    found = (_ENTRY.fullmatch(line.strip()) for line in lines)
    return tuple(Entry(m[1], float(m[2]), int(m[3])) for m in found if m)


def expired(entries: Sequence[Entry], now: float, keep_s: float, keep_bytes: int) -> tuple[Entry, ...]:
    """What is to go, oldest first: unused for `keep_s`, or too much of it for `keep_bytes`.

    A use in the future is one of now: that clock was wrong.
    """
    total = sum(entry.size_bytes for entry in entries)
    gone = []
    for entry in sorted(entries, key=lambda e: min(e.used_at, now)):
        age_s = now - min(entry.used_at, now)
        if age_s < IN_USE_S and (keep_s > 0 or keep_bytes > 0):
            break
        if age_s >= keep_s or total > keep_bytes:
            gone.append(entry)
            total -= entry.size_bytes
    return tuple(gone)


LOOK = """\
mkdir -p -- "$1" && echo "$3" > "$1/.used" || exit 1
[ -f "$1/$2" ] && sha256sum < "$1/$2"
df -P -k -- "$1"
exit 0
"""
"""Marks the folder `$1` as used (`$3`), prints the hash of its file `$2` if there is one, and the space."""

RECEIVE = """\
answer=
if cat > "$1/$2" && answer=$(sha256sum < "$1/$2") && [ "${answer%% *}" = "$4" ] \\
    && chmod "$5" "$1/$2" && mv -f -- "$1/$2" "$1/$3"; then
    echo "$answer"
    echo done
    exit 0
fi
rm -f -- "$1/$2"
echo "$answer"
exit 1
"""
"""Writes its input below `$1` as `$2` and, if its hash is `$4`, renames it to `$3`.

A connection that breaks is an end of input like any other: the hash is what tells them apart. Then
nobody listens any more, so nothing is printed before the part is removed.
"""

PACKET_BYTES = 32768 - 64
"""What paramiko puts into one packet for a server that takes 32 KiB, as OpenSSH and dropbear do."""
HASH_BYTES_PER_S = 2e6
"""A slow board's sha256sum; the slowest that is waited for."""
_HASH = re.compile(r"(?m)^([0-9a-f]{64})\b")
_OWN_WORDS = {
    "No space left on device": "the board's disk is full",
    "Read-only file system": "it is read-only on the board",
}
_SPARE_KIB = 1024
_ANSWER_BYTES = 64 * 1024


def put(connection: Connection, source: Path, sha256: str, folder: str, cookie: str) -> PurePosixPath:
    """Bring a file below `folder` on the board, unless the board has it; the path there.

    Raises TransferError, BoardLostError, Interrupted.
    """
    size = source.stat().st_size
    target = posixpath.join(folder, sha256)
    used = f"{int(time.time())} {size}"
    looked = command.run(
        connection, script(LOOK, target, source.name, used), _patience(connection, size), cookie
    )
    if looked.returncode != 0 or looked.timed_out:
        raise _failed(connection, source, words(looked.output), "check transport_options.remote_dir")
    present = _HASH.search(looked.output)
    if present and present[1] == sha256:
        return PurePosixPath(target, source.name)
    _require_space(connection, source, size, looked.output, folder)
    _send(connection, source, size, sha256, target, cookie)
    return PurePosixPath(target, source.name)


def words(output: str) -> str:
    """What a command on the board said last, in a line; not in the words that mean our own disk."""
    text = last_line(output)[-200:]
    for ours, theirs in _OWN_WORDS.items():
        text = text.replace(ours, theirs)
    return text


def _patience(connection: Connection, size: int) -> float:
    return connection.settings.command_timeout_s + size / HASH_BYTES_PER_S


def _require_space(connection: Connection, source: Path, size: int, output: str, folder: str) -> None:
    space = SPACE.search(output)
    if space is None:
        return  # A df that cannot be read: a full disk will still be told by `cat`.
    free_kib, needed_kib = int(space[2]), size // 1024 + _SPARE_KIB
    if free_kib < needed_kib:
        raise _failed(
            connection,
            source,
            f"{needed_kib / 1024:.0f} MiB are needed and {folder} has {free_kib / 1024:.0f} MiB free",
            "run npubench board clean, or set transport_options.remote_dir",
        )


def _send(connection: Connection, source: Path, size: int, sha256: str, target: str, cookie: str) -> None:
    part = f".part-{int(time.time())}-{uuid.uuid4().hex[:12]}"
    mode = "755" if os.access(source, os.X_OK) else "644"
    argv = script(RECEIVE, target, part, source.name, sha256, mode)
    line = command_line(argv, f"{cookie}-{part}")
    limit_s = connection.settings.transfer_timeout_s
    output = Bounded(_ANSWER_BYTES)
    with command.opened(connection, line, connection.settings.command_timeout_s) as channel:
        try:
            run_with_deadline(lambda: _pour(connection, channel, source), limit_s, connection.check)
            until = time.monotonic() + _patience(connection, size)
            command.read(connection, channel, output, until)
            code = command.ended(connection, channel, until)
        except TimeoutError as error:
            # The channel closes, which ends the board's `cat`; what follows it removes the part.
            told = f"it did not get there within {limit_s:g} s"
            raise _failed(connection, source, told, "set transport_options.transfer_timeout_s") from error
    output.close()
    got = _HASH.search(output.text())
    if code == 0 and got and got[1] == sha256 and output.text().endswith("done\n"):
        return
    if sha256_of_file(source) != sha256:
        raise TransferError(f"{source.name} is not the file with SHA-256 {sha256}: run with --fresh")
    told = f"the board got {got[1]}" if got and got[1] != sha256 else words(output.text())
    raise _failed(connection, source, told, "look at its disk, and run again")


def _pour(connection: Connection, channel: "Channel", source: Path) -> None:
    """Send a file until the channel closes; the board's answer tells whether it arrived."""
    channel.settimeout(POLL_S)
    with source.open("rb") as stream:
        while chunk := stream.read(PACKET_BYTES):
            while chunk:
                try:
                    sent = channel.send(chunk)
                except TimeoutError:
                    continue
                except (OSError, EOFError):
                    return
                if sent == 0:
                    return
                chunk = chunk[sent:]
                connection.keepalive.seen()
    with contextlib.suppress(EOFError):
        channel.shutdown_write()


def _failed(connection: Connection, source: Path, told: str, help_: str) -> TransferError:
    return TransferError(f"{source.name} was not brought to {connection.endpoint.title}: {told}: {help_}")


SEND = """\
[ -f "$1" ] || { echo "it is no file" >&2; exit 1; }
answer=$(sha256sum < "$1") && echo "${answer%% *}" && cat < "$1"
"""
"""Prints the hash of the file `$1` in a line, then the file."""

WINDOW_BYTES = 64 * 1024 * 1024
"""What the board may send before it hears of us; with paramiko's 2 MiB it waits most of the time."""
_HASH_LENGTH = 65
_SAID_BYTES = 4096


def get(connection: Connection, source: PurePosixPath, target: Path, cookie: str) -> None:
    """Fetch a file. Raises TransferError, BoardLostError, Interrupted; then `target` is what it was."""
    part = target.with_name(f".part-{uuid.uuid4().hex[:12]}")
    try:
        with part.open("xb") as stream:
            _receive(connection, source, stream, cookie)
        part.replace(target)
    except OSError as error:
        raise TransferError(f"{target}: {error.strerror}: {source} was not fetched") from error
    finally:
        part.unlink(missing_ok=True)


def _receive(connection: Connection, source: PurePosixPath, stream: BinaryIO, cookie: str) -> None:
    settings = connection.settings
    mark = f"{cookie}-{uuid.uuid4().hex[:12]}"
    line = command_line(script(SEND, str(source)), mark, merge=False)
    until = time.monotonic() + settings.transfer_timeout_s
    with command.opened(connection, line, settings.command_timeout_s, WINDOW_BYTES) as channel:
        try:
            told, got = _fetch(connection, channel, stream, until)
            code = command.ended(connection, channel, until)
        except TimeoutError as error:
            command.end_tree(connection, mark)
            raise _not_fetched(
                connection,
                source,
                f"it did not get here within {settings.transfer_timeout_s:g} s"
                ": set transport_options.transfer_timeout_s",
            ) from error
        said = channel.recv_stderr(_SAID_BYTES) if channel.recv_stderr_ready() else b""
    if code != 0:
        words = last_line(said.decode("utf-8", "replace"), f"exit code {code}")
        raise _not_fetched(connection, source, words[-200:])
    if told != got:
        raise _not_fetched(
            connection, source, "it is not what the board hashed: does something still write it?"
        )


def _fetch(connection: Connection, channel: "Channel", stream: BinaryIO, until: float) -> tuple[str, str]:
    """Write what comes; the hash that the board tells and the one of what came."""
    head = bytearray()
    digest = hashlib.sha256()
    for chunk in command.received(connection, channel, until):
        taken = _HASH_LENGTH - len(head)
        head += chunk[:taken]
        digest.update(chunk[taken:])
        stream.write(chunk[taken:])
    return head.decode("ascii", "replace").strip(), digest.hexdigest()


def _not_fetched(connection: Connection, source: PurePosixPath, told: str) -> TransferError:
    return TransferError(f"{source} was not fetched from {connection.endpoint.title}: {told}")
