"""A file to a board: to a temporary name, hashed there, renamed. Only whole files get their name."""

import contextlib
import os
import posixpath
import re
import time
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from npubench.boards.ssh import command
from npubench.boards.ssh.connection import Connection
from npubench.boards.ssh.output import Bounded
from npubench.boards.ssh.quoting import command_line, script
from npubench.boards.ssh.requirements import SPACE
from npubench.boards.ssh.waiting import POLL_S, in_background
from npubench.domain.errors import TransferError
from npubench.domain.text import last_line
from npubench.storage.hashing import sha256_of_file

if TYPE_CHECKING:
    from paramiko import Channel

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
            in_background(lambda: _pour(connection, channel, source), limit_s, connection.check)
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
