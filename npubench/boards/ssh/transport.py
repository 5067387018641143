"""Reaches boards behind SSH; waits for one that was there before and reboots."""

import socket
import threading
import time
from dataclasses import replace

from npubench.boards.ssh import endpoint as endpoints
from npubench.boards.ssh import leftovers
from npubench.boards.ssh.config import SshSettings, settings
from npubench.boards.ssh.connection import Connection, UnreachableError, connect
from npubench.boards.ssh.session import SshSession
from npubench.boards.ssh.waiting import pause
from npubench.domain.errors import BoardLostError
from npubench.domain.specs import BoardSpec

RETRY_S = 1.0


class SshTransport:
    """Boards behind an SSH server; see docs/boards.md for the options."""

    name = "ssh"

    def __init__(self) -> None:
        self._met: set[str] = set()
        self._lock = threading.Lock()

    def connect(self, board: BoardSpec) -> SshSession:
        """Open a session, and end what an earlier one left running on the board.

        Raises BoardError when it cannot be reached, does not let us in or is not known; UsageError
        for options that cannot be used; Interrupted after `process.stop()`.
        """
        wanted = settings(board)
        until = time.monotonic() + (wanted.reboot_wait_s if self._knows(board.name) else 0.0)
        while True:
            try:
                session = _session(wanted, board.name)
            except (UnreachableError, BoardLostError):
                if time.monotonic() >= until:
                    self._forget(board.name)
                    raise
                pause(RETRY_S)
            else:
                self._remember(board.name)
                return session

    def check(self, board: BoardSpec) -> None:
        """Raises UsageError for options that cannot be used; a missing address is not told here."""
        settings(replace(board, transport_options={"host": board.name, **board.transport_options}))

    def place(self, board: BoardSpec) -> str:
        """Address and port as they are reached, whatever names lead there. Raises UsageError."""
        found = endpoints.of_board(settings(board))
        by = " ".join([*found.jumps, *found.proxy_command])
        host = found.host if by else _address(found.host, found.port)
        return f"ssh {by} {host} {found.port}"

    def over_ssh(self, board: BoardSpec) -> BoardSpec:
        """The board itself."""
        return board

    def _knows(self, name: str) -> bool:
        with self._lock:
            return name in self._met

    def _remember(self, name: str) -> None:
        with self._lock:
            self._met.add(name)

    def _forget(self, name: str) -> None:
        """Waiting was in vain: the next case does not wait as long again."""
        with self._lock:
            self._met.discard(name)


def _address(host: str, port: int) -> str:
    """The address behind a name; the name where nobody knows it, and one for all of this machine's."""
    try:
        found = sorted(
            {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        )
    except (OSError, UnicodeError):
        return host
    return "127.0.0.1" if {"127.0.0.1", "::1"} & set(found) else found[0]


def _session(wanted: SshSettings, name: str) -> SshSession:
    connection: Connection = connect(wanted, name)
    cookie = leftovers.open_cookie()
    try:
        session = SshSession(connection, cookie)
    except BaseException:
        leftovers.close_cookie(cookie)
        connection.close()
        raise
    try:
        session.end_orphans()
    except BaseException:
        session.close()
        raise
    return session
