"""What paramiko is asked and how long it is waited for: its transport, signs of life, deadlines."""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from npubench.domain.errors import Interrupted
from npubench.tools import process

if TYPE_CHECKING:
    from paramiko import Channel, Message, Transport


FAST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr", "aes192-ctr")
"""AES-GCM needs no MAC of its own; dropbear has only the ctr ones."""
EXIT_SIGNAL = "npubench_exit_signal"


def transport(sock: "socket.socket | Channel") -> "Transport":
    """A transport over a connected socket, not started yet. Raises SSHException."""
    made: Transport = _wire()(sock)
    options = made.get_security_options()
    known = tuple(options.ciphers)
    options.ciphers = tuple(cipher for cipher in FAST_CIPHERS if cipher in known)
    return made


def exit_signal(channel: "Channel") -> int | None:
    """The number of the signal that ended the channel's command, when the server told one."""
    number: int | None = getattr(channel, EXIT_SIGNAL, None)
    return number


@cache
def _wire() -> "type[Transport]":
    import paramiko
    from paramiko.common import MSG_CHANNEL_REQUEST

    # Its errors come to us as exceptions; without a handler Python prints the logged ones as well.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    base: Any = paramiko.Transport
    handle = base._channel_handler_table[MSG_CHANNEL_REQUEST]

    def request(channel: "Channel", message: "Message") -> None:
        _keep_exit_signal(channel, message)
        handle(channel, message)

    class Wire(paramiko.Transport):
        # paramiko passes over `exit-signal` (RFC 4254, 6.10), and has no other place to hear of it.
        _channel_handler_table = {**base._channel_handler_table, MSG_CHANNEL_REQUEST: request}  # noqa: RUF012

    return Wire


def _keep_exit_signal(channel: "Channel", message: "Message") -> None:
    from paramiko import Message

    copy = Message(message.asbytes())
    copy.get_int()
    if copy.get_binary() != b"exit-signal":
        return
    copy.get_boolean()
    name = copy.get_binary().decode("ascii", "replace").partition("@")[0]
    number = getattr(signal, f"SIG{name}", signal.SIGKILL)
    setattr(channel, EXIT_SIGNAL, int(number))


POLL_S = 0.05
"""How long a stop may go unnoticed."""

T = TypeVar("T")


def nothing() -> None:
    """A check that always passes."""


def run_with_deadline(work: Callable[[], T], limit_s: float, check: Callable[[], None] = nothing) -> T:
    """What `work` returns or raises; it runs in a thread because it cannot be told to stop.

    `check` is called at every look and may raise. Raises TimeoutError after `limit_s`, Interrupted
    after `process.stop()`; then the caller closes what `work` waits on, or leaves it to its own end.
    """
    task = in_thread(work)
    until = time.monotonic() + limit_s
    while not wait([task], POLL_S).done:
        if process.stopping():
            raise Interrupted
        check()
        if time.monotonic() >= until:
            raise TimeoutError
    return task.result()


def in_thread(work: Callable[[], T]) -> "Future[T]":
    """Work in a thread of its own that does not keep npubench from ending."""
    task: Future[T] = Future()

    def run() -> None:
        try:
            task.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            task.set_exception(error)

    threading.Thread(target=run, name="ssh", daemon=True).start()
    return task


def pause(seconds: float) -> None:
    """Do nothing for a while. Raises Interrupted after `process.stop()`."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if process.stopping():
            raise Interrupted
        time.sleep(min(left, POLL_S))


REQUEST = "keepalive@openssh.com"
"""Any global request is answered, if only by a refusal (RFC 4254, 4); this is OpenSSH's name for it."""


class Keepalive:
    """A thread that asks every `interval_s`, and since when no answer came."""

    def __init__(self, transport: "Transport", interval_s: float) -> None:
        self._transport = transport
        self._interval_s = interval_s
        self._asked_at: float | None = None
        self._seen_at = time.monotonic()
        self._end = threading.Event()
        threading.Thread(target=self._run, name="ssh keepalive", daemon=True).start()

    def seen(self) -> None:
        """Bytes moved, which is as good as an answer."""
        self._seen_at = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the unanswered question or the last movement, whichever is later."""
        asked_at = self._asked_at
        return 0.0 if asked_at is None else time.monotonic() - max(asked_at, self._seen_at)

    def close(self) -> None:
        """Ask no more."""
        self._end.set()

    def _run(self) -> None:
        import paramiko

        while not self._end.wait(self._interval_s) and self._transport.is_active():
            self._asked_at = time.monotonic()
            try:
                self._transport.global_request(REQUEST, wait=True)
            except (paramiko.SSHException, EOFError, OSError):
                return
            if not self._transport.is_active():
                return
            self._asked_at = None
