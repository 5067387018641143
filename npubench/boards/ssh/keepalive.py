"""Asks the server for a sign of life: a TCP connection to a hung or unplugged board stays open for long."""

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import Transport

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
