"""A file from a board: whole and with the hash that the board has of it, or not at all."""

import hashlib
import time
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from npubench.boards.ssh import command
from npubench.boards.ssh.connection import Connection
from npubench.boards.ssh.quoting import command_line, script
from npubench.boards.ssh.waiting import POLL_S
from npubench.domain.errors import Interrupted, TransferError
from npubench.domain.text import last_line
from npubench.tools import process

if TYPE_CHECKING:
    from paramiko import Channel

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
            told, got = _pour(connection, channel, stream, until)
            code = command.ended(connection, channel, until)
        except TimeoutError as error:
            command.end_tree(connection, mark)
            raise _failed(
                connection,
                source,
                f"it did not get here within {settings.transfer_timeout_s:g} s"
                ": set transport_options.transfer_timeout_s",
            ) from error
        said = channel.recv_stderr(_SAID_BYTES) if channel.recv_stderr_ready() else b""
    if code != 0:
        words = last_line(said.decode("utf-8", "replace"), f"exit code {code}")
        raise _failed(connection, source, words[-200:])
    if told != got:
        raise _failed(connection, source, "it is not what the board hashed: does something still write it?")


def _pour(connection: Connection, channel: "Channel", stream: BinaryIO, until: float) -> tuple[str, str]:
    """Write what comes; the hash that the board tells and the one of what came."""
    channel.settimeout(POLL_S)
    head = bytearray()
    digest = hashlib.sha256()
    while True:
        if process.stopping():
            raise Interrupted
        if time.monotonic() >= until:
            raise TimeoutError
        try:
            chunk = channel.recv(command.CHUNK_BYTES)
        except TimeoutError:
            connection.check()
            continue
        if not chunk:
            return head.decode("ascii", "replace").strip(), digest.hexdigest()
        connection.keepalive.seen()
        if len(head) < _HASH_LENGTH:
            taken = _HASH_LENGTH - len(head)
            head += chunk[:taken]
            chunk = chunk[taken:]
        digest.update(chunk)
        stream.write(chunk)


def _failed(connection: Connection, source: PurePosixPath, told: str) -> TransferError:
    return TransferError(f"{source} was not fetched from {connection.endpoint.title}: {told}")
