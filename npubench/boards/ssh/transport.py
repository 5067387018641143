"""A live connection to a board, as `protocols.Session` has it."""

import posixpath
import secrets
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path, PurePosixPath

from npubench.boards.ssh import command, facts, guard, transfer
from npubench.boards.ssh.command import COOKIE, script
from npubench.boards.ssh.config import SshSettings, of_board, settings
from npubench.boards.ssh.connection import Connection, UnreachableError, connect
from npubench.boards.ssh.facts import Findings
from npubench.boards.ssh.guard import Guard
from npubench.boards.ssh.paramiko_transport import pause
from npubench.domain.errors import BoardError, BoardLostError, TransferError
from npubench.domain.leases import Claim, Held
from npubench.domain.records import BoardState, Completed
from npubench.domain.specs import BoardSpec
from npubench.domain.text import last_line
from npubench.tools import cookies
from npubench.tools.process import was_killed

REMOVED_AT_ONCE = 500
"""Names of 64 characters that surely fit into one command line."""


class SshSession:
    """One connection; commands run one after the other. `cookie` marks its processes on the board.

    Raises BoardError, BoardLostError, Interrupted.
    """

    def __init__(self, connection: Connection, cookie: str) -> None:
        self._connection = connection
        self._settings = connection.settings
        self._cookie = cookie
        self._guard = Guard(connection, cookie)
        self._folder = ""
        self._held: dict[str, PurePosixPath] = {}
        self._oom_kills: int | None = None

    def run(self, argv: Sequence[str], timeout_s: float, log: Path | None = None) -> Completed:
        """Run a command on the board; its whole tree ends at the deadline.

        Raises BoardLostError when the board goes away, Interrupted after `process.stop()`.
        """
        self._guard.begin(timeout_s)
        try:
            with log.open("ab") if log else nullcontext() as stream:
                completed = command.run(self._connection, argv, timeout_s, self._cookie, stream)
        finally:
            self._guard.finish()
        # Whoever took the board over has ended this command, or runs one beside it.
        if completed.returncode == 0:
            self._guard.check()
            return completed
        self._guard.confirm()
        return self._with_evidence(completed) if was_killed(completed) else completed

    def _with_evidence(self, completed: Completed) -> Completed:
        """What the board's kernel says of a command that was killed."""
        limit_s = self._settings.command_timeout_s
        asked = command.run(self._connection, facts.ASK, limit_s, self._cookie)
        said = facts.evidence(asked.output, completed.duration_s, self._oom_kills)
        return replace(completed, out_of_memory=said)

    def take(self, claim: Claim, force: bool = False) -> Held | None:
        """Hold the board until the session is closed; who holds it, when somebody else does.

        With `force` whoever holds it loses it, and what it runs on the board is ended. Raises BoardError
        where the board keeps no lease, BoardLostError, Interrupted.
        """
        return self._guard.take(claim, force)

    def holder(self) -> Held | None:
        """Who holds the board. Raises like `take`."""
        return self._guard.held()

    def put(self, source: Path, sha256: str) -> PurePosixPath:
        """Bring a file to the board, unless it holds that hash; the absolute path there.

        What the board held before is hashed there once a session. Raises TransferError,
        BoardLostError, Interrupted.
        """
        key = posixpath.join(sha256, source.name)
        if key not in self._held:
            if not self._folder:
                self.clean(self._settings.keep_s, self._settings.keep_bytes)
            self._held[key] = transfer.put(self._connection, source, sha256, self._folder, self._cookie)
        return self._held[key]

    def get(self, source: PurePosixPath, target: Path) -> None:
        """Fetch a file from the board: whole and verified, or not at all. Raises like `put`."""
        transfer.get(self._connection, source, target, self._cookie)

    def facts(self) -> BoardState:
        """The board's state now; what it does not tell is None. Raises BoardLostError, Interrupted."""
        mark = f"={secrets.token_hex(8)}="
        completed = self.run(script(facts.READ, mark), self._settings.command_timeout_s)
        self._oom_kills = facts.oom_kills(completed.output, mark)
        return facts.state(completed.output, mark)

    def clean(self, keep_s: float, keep_bytes: int) -> tuple[transfer.Entry, ...]:
        """Remove files that were not used for `keep_s`, and the oldest beyond `keep_bytes`; what went."""
        folder, *lines = self._must(transfer.LIST, self._settings.remote_dir).output.splitlines() or [""]
        if not folder.startswith("/"):
            title = self._connection.endpoint.title
            raise BoardError(f"{title} answered {folder[:80]!r} to pwd: its login shell must print nothing")
        self._folder, entries = folder, transfer.parse(lines)
        gone = transfer.expired(entries, time.time(), keep_s, keep_bytes)
        names = [entry.sha256 for entry in gone]
        for batch in (names[i : i + REMOVED_AT_ONCE] for i in range(0, len(names), REMOVED_AT_ONCE)):
            self._must(transfer.REMOVE, self._folder, *batch)
        self._held.clear()
        return gone

    def check(self) -> Findings:
        """What the board lacks of what npubench needs there. Raises BoardLostError, Interrupted."""
        folder = self._settings.remote_dir
        argv = script(facts.CHECK, folder, *facts.TOOLS)
        return facts.read(self.run(argv, self._settings.command_timeout_s).output, folder)

    def close(self) -> None:
        """End the connection."""
        self._guard.close()
        guard.close_cookie(self._cookie)
        self._connection.close()

    def end_orphans(self) -> None:
        """End processes on the board whose session is no more. Raises BoardLostError, Interrupted."""
        limit_s = self._settings.command_timeout_s
        # Without a cookie: the search must not find itself.
        found = command.run(self._connection, script(guard.FIND, cookies.machine()), limit_s, "")
        for cookie in guard.orphans(found.output.splitlines()):
            command.end_tree(self._connection, f"{COOKIE}={cookie}")

    def _must(self, text: str, *arguments: str) -> Completed:
        completed = self.run(script(text, *arguments), self._settings.command_timeout_s)
        if completed.timed_out or completed.returncode != 0:
            said = last_line(completed.output, "no answer")
            raise TransferError(
                f"{self._settings.remote_dir} on {self._connection.endpoint.title} cannot be used:"
                f" {transfer.words(said)}: set transport_options.remote_dir to a folder that can be written"
            )
        return completed


RETRY_S = 1.0


class SshTransport:
    """Boards behind an SSH server; see docs/boards.md for the options."""

    name = "ssh"

    def __init__(self) -> None:
        self._met: set[str] = set()

    def connect(self, board: BoardSpec) -> SshSession:
        """Open a session, and end what an earlier one left running on the board.

        Raises BoardError when it cannot be reached, does not let us in or is not known; UsageError
        for options that cannot be used; Interrupted after `process.stop()`.
        """
        wanted = settings(board)
        until = time.monotonic() + (wanted.reboot_wait_s if board.name in self._met else 0.0)
        while True:
            try:
                session = _session(wanted, board.name)
            except (UnreachableError, BoardLostError):
                if time.monotonic() >= until:
                    # Waiting was in vain: the next case does not wait as long again.
                    self._met.discard(board.name)
                    raise
                pause(RETRY_S)
            else:
                self._met.add(board.name)
                return session

    def check(self, board: BoardSpec) -> None:
        """Raises UsageError for options that cannot be used; a missing address is not told here."""
        settings(replace(board, transport_options={"host": board.name, **board.transport_options}))

    def place(self, board: BoardSpec) -> str:
        """Address and port as they are reached, whatever names lead there. Raises UsageError."""
        found = of_board(settings(board))
        by = " ".join([*found.jumps, *found.proxy_command])
        host = found.host if by else _address(found.host, found.port)
        return f"ssh {by} {host} {found.port}"

    def over_ssh(self, board: BoardSpec) -> BoardSpec:
        """The board itself."""
        return board


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
    with ExitStack() as undo:
        connection = connect(wanted, name)
        undo.callback(connection.close)
        cookie = guard.open_cookie()
        undo.callback(guard.close_cookie, cookie)
        session = SshSession(connection, cookie)
        undo.pop_all()
        undo.callback(session.close)
        session.end_orphans()
        undo.pop_all()
        return session
