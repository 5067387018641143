"""One command on a board: bounded in time and output; its whole process tree ends with it."""

import contextlib
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from npubench.boards.ssh import wire
from npubench.boards.ssh.connection import Connection
from npubench.boards.ssh.output import Bounded
from npubench.boards.ssh.quoting import command_line
from npubench.boards.ssh.waiting import POLL_S, Task, in_background
from npubench.domain.errors import BoardError, BoardLostError, Interrupted
from npubench.domain.records import Completed
from npubench.tools import process
from npubench.tools.cookies import END_TREE

if TYPE_CHECKING:
    from paramiko import Channel

CHUNK_BYTES = 256 * 1024
GRACE_S = 0.5
"""How long output may still come after a command's end before what holds it open is ended."""
END_S = 10.0
"""How long ending a process tree may take."""
KILLED = -9


def run(
    connection: Connection, argv: Sequence[str], timeout_s: float, cookie: str, log: BinaryIO | None = None
) -> Completed:
    """Run a command to its end or the deadline; `log` gets its output, too.

    Without a cookie its process tree cannot be found, and is let be.

    Raises BoardLostError when the board goes away, Interrupted after `process.stop()`.
    """
    settings = connection.settings
    mark = f"{cookie}-{uuid.uuid4().hex[:12]}" if cookie else ""
    line = command_line(argv, mark)
    kept = Bounded(settings.log_limit_bytes, stream=log) if log is not None else None
    output = Bounded(settings.output_limit_bytes, kept)
    started = time.monotonic()
    timed_out = False
    try:
        with opened(connection, line, settings.command_timeout_s) as channel:
            channel.shutdown_write()
            try:
                whole = read(connection, channel, output, started + timeout_s)
                code = ended(connection, channel, started + timeout_s)
            except TimeoutError:
                timed_out, whole, code = True, False, KILLED
            except BoardLostError:
                raise
            except BaseException:
                end_tree(connection, mark)
                raise
            if not whole:
                end_tree(connection, mark)
    finally:
        output.close()
    duration_s = time.monotonic() - started
    return Completed(tuple(argv), code, output.text(), duration_s, timed_out, output.truncated)


@contextlib.contextmanager
def opened(
    connection: Connection, line: bytes, limit_s: float, window_bytes: int | None = None
) -> "Iterator[Channel]":
    """A channel on which the command line runs, closed afterwards. Raises BoardLostError, Interrupted."""
    import paramiko

    channel = started(connection, line, limit_s, window_bytes)
    try:
        yield channel
    except (EOFError, paramiko.SSHException) as error:
        # What paramiko raises when the connection breaks while it sends.
        raise gone(connection, error) from error
    except BaseException:
        # A hung board's socket may be full, and then closing waits as long as it hangs.
        Task(channel.close).done(POLL_S)
        raise
    with contextlib.suppress(EOFError, paramiko.SSHException):
        channel.close()


def started(
    connection: Connection, line: bytes, limit_s: float, window_bytes: int | None = None
) -> "Channel":
    """The channel of a command line that runs now. Raises BoardLostError, BoardError, Interrupted."""
    import paramiko

    def begin() -> "Channel":
        channel = connection.transport.open_session(window_size=window_bytes, timeout=limit_s)
        channel.exec_command(line)
        return channel

    connection.check()
    try:
        return in_background(begin, limit_s, connection.check)
    except TimeoutError as error:
        raise BoardLostError(
            f"{connection.endpoint.title} did not start a command within {limit_s:g} s: is it hung?"
        ) from error
    except paramiko.ChannelException as error:
        raise BoardError(
            f"{connection.endpoint.title} takes no more commands: {error.text}: see MaxSessions of its server"
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise gone(connection, error) from error


def gone(connection: Connection, error: BaseException) -> BoardLostError:
    """The words for a connection that broke."""
    reason = str(error) or "it closed the connection"
    return BoardLostError(f"{connection.endpoint.title} was lost: {reason}: is it up?")


def ended(connection: Connection, channel: "Channel", until: float) -> int:
    """How the channel's command ended; negative for a signal.

    Raises TimeoutError at `until` (of `time.monotonic()`), BoardLostError, Interrupted.
    """
    while not channel.status_event.wait(POLL_S):
        if process.stopping():
            raise Interrupted
        connection.check()
        if time.monotonic() >= until:
            raise TimeoutError
    if channel.exit_status >= 0:
        return channel.exit_status
    signal = wire.exit_signal(channel)
    if signal is not None:
        return -signal
    # The channel closed without a word: the connection is going, or the server has no word for signals.
    grace = time.monotonic() + GRACE_S
    while time.monotonic() < grace:
        connection.check()
        time.sleep(POLL_S)
    return KILLED


def end_tree(connection: Connection, mark: str) -> None:
    """End all processes whose environment holds `mark`, also while npubench is stopping.

    Nothing is raised: a board that is lost keeps them until the next connection.
    """

    def work() -> None:
        channel = connection.transport.open_session(timeout=END_S)
        try:
            channel.exec_command(command_line(("sh", "-c", END_TREE, "npubench", mark)))
            channel.settimeout(END_S)
            while channel.recv(CHUNK_BYTES):
                pass
        finally:
            channel.close()

    if mark and connection.transport.is_active():
        Task(work).done(END_S)


def read(connection: Connection, channel: "Channel", output: Bounded, until: float) -> bool:
    """Read to the end; False when the command ended but something holds its output open.

    Raises TimeoutError at `until` (of `time.monotonic()`), BoardLostError, Interrupted.
    """
    channel.settimeout(POLL_S)
    quiet_since: float | None = None
    while True:
        try:
            chunk = channel.recv(CHUNK_BYTES)
        except TimeoutError:
            chunk = None
        now = time.monotonic()
        if process.stopping():
            raise Interrupted
        if chunk:
            connection.keepalive.seen()
            output.add(chunk)
            quiet_since = None
        elif chunk is not None:
            return True
        else:
            connection.check()
            if channel.status_event.is_set():
                quiet_since = quiet_since or now
                if now - quiet_since > GRACE_S:
                    return False
        if now >= until:
            raise TimeoutError
