"""Argument list -> command line of a POSIX shell. The only place that quotes.

An SSH server takes one string and gives it to the login shell (RFC 4254, 6.5). Single quotes
keep everything but themselves in every POSIX shell, busybox ash included; `shlex` does that.
"""

import contextlib
import shlex
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from typing import TYPE_CHECKING, BinaryIO

from npubench.boards.ssh import paramiko_transport
from npubench.boards.ssh.connection import Connection
from npubench.boards.ssh.paramiko_transport import POLL_S, in_thread, run_with_deadline
from npubench.domain.errors import BoardError, BoardLostError, Interrupted, UsageError
from npubench.domain.records import Completed
from npubench.tools import process
from npubench.tools.cookies import END_TREE, VARIABLE

if TYPE_CHECKING:
    from paramiko import Channel


COOKIE = VARIABLE
LIMIT_BYTES = 128 * 1024 - 4096
"""Linux takes at most 32 pages for one argument (execve(2)), and the command line is one."""


def command_line(argv: Sequence[str], cookie: str = "", merge: bool = True) -> bytes:
    """The command line that runs `argv` as it is, with `cookie` in its environment.

    `exec` lets the server see the program's own end, so that a signal is told as one. With `merge`
    both outputs are one stream, in the order in which they were written. Raises UsageError for
    what cannot be an argument list.
    """
    if not argv or not argv[0]:
        raise UsageError("a command for a board has no program: name one")
    if argv[0].startswith("-"):
        raise UsageError(f"the program {argv[0]!r:.60} begins with '-': give its path")
    if any("\0" in word for word in argv):
        raise UsageError(f"an argument of {argv[0]!r:.60} has a NUL character: no program can take it")
    mark = f"export {COOKIE}={shlex.quote(cookie)}; " if cookie else ""
    both = "exec 2>&1; " if merge else ""
    line = f"{mark}{both}exec {shlex.join(argv)}".encode("utf-8", "surrogateescape")
    if len(line) > LIMIT_BYTES:
        raise UsageError(
            f"the command line of {argv[0]!r:.60} has {len(line)} bytes: {LIMIT_BYTES} are possible"
        )
    return line


def script(text: str, *arguments: str) -> tuple[str, ...]:
    """The argument list that runs a POSIX shell script with arguments `$1`, `$2`, ..."""
    return ("sh", "-c", text, "npubench", *arguments)


class Bounded:
    """Keeps the first quarter of `limit` bytes and the last three; `log` gets the same, as it comes."""

    def __init__(self, limit: int, log: "Bounded | None" = None, stream: BinaryIO | None = None) -> None:
        self._head_limit = limit // 4
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._log = log
        self._stream = stream

    def add(self, chunk: bytes) -> None:
        """The next bytes of the output."""
        if self._log is not None:
            self._log.add(chunk)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            if self._stream is not None:
                self._stream.write(chunk[:room])
                self._stream.flush()
            chunk = chunk[room:]
        self._tail += chunk
        if len(self._tail) > 2 * self._tail_limit:  # seldom, so that no byte is moved often
            self._trim()

    def close(self) -> None:
        """Nothing more comes: the log gets the end."""
        self._trim()
        if self._log is not None:
            self._log.close()
        if self._stream is not None:
            self._stream.write(self._rest())
            self._stream.flush()

    @property
    def truncated(self) -> bool:
        """Whether something was left out."""
        return self._dropped > 0

    def text(self) -> str:
        """What was kept, with a line saying how many bytes are left out; bad UTF-8 becomes U+FFFD."""
        self._trim()
        return (bytes(self._head) + self._rest()).decode("utf-8", "replace")

    def _rest(self) -> bytes:
        note = f"\n[npubench left {self._dropped} bytes out here]\n".encode() if self._dropped else b""
        return note + bytes(self._tail)

    def _trim(self) -> None:
        excess = len(self._tail) - self._tail_limit
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess


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
        wait([in_thread(channel.close)], POLL_S)
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
        return run_with_deadline(begin, limit_s, connection.check)
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
    signal = paramiko_transport.exit_signal(channel)
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
        wait([in_thread(work)], END_S)


def received(
    connection: Connection, channel: "Channel", until: float, stoppable: bool = True
) -> Iterator[bytes]:
    """What comes until the channel ends; an empty piece at every look without any.

    Raises TimeoutError at `until` (of `time.monotonic()`), BoardLostError, Interrupted.
    """
    channel.settimeout(POLL_S)
    while True:
        try:
            chunk = channel.recv(CHUNK_BYTES)
        except TimeoutError:
            chunk = None
        if stoppable and process.stopping():
            raise Interrupted
        if chunk is None:
            connection.check()
        elif chunk:
            connection.keepalive.seen()
        else:
            return
        yield chunk or b""
        if time.monotonic() >= until:
            raise TimeoutError


def read(connection: Connection, channel: "Channel", output: Bounded, until: float) -> bool:
    """Read to the end; False when the command ended but something holds its output open.

    Raises like `received`.
    """
    quiet_since: float | None = None
    for chunk in received(connection, channel, until):
        if chunk:
            output.add(chunk)
            quiet_since = None
        elif channel.status_event.is_set():
            quiet_since = quiet_since or time.monotonic()
            if time.monotonic() - quiet_since > GRACE_S:
                return False
    return True
