"""QEMU's monitor, by the QEMU project's own client."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import ToolchainError

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

ANSWER_S = 10.0
_LOOK_S = 0.02


class QmpError(Exception):
    """The monitor is not there, does not answer or refuses a command."""


class Qmp:
    """A connection to one monitor."""

    def __init__(self, client: "QMPClient", runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def command(self, name: str, /, **arguments: Any) -> Any:
        """What the command returns. Raises QmpError."""
        from qemu.qmp import QMPError

        try:
            asked = self._client.execute(name, arguments or None)
            return self._runner.run(asyncio.wait_for(asked, ANSWER_S))
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            raise QmpError(f"{name}: {error or 'no answer'}") from error

    def migrated(self, uri: str, limit_s: float) -> None:
        """Write the machine's whole state to `uri`; it has to stand still. Raises QmpError."""
        self.command("migrate", uri=uri)
        until = time.monotonic() + limit_s
        while (status := self.command("query-migrate").get("status")) != "completed":
            if status in {"failed", "cancelled"} or time.monotonic() >= until:
                raise QmpError(f"migrate: {status}")
            time.sleep(_LOOK_S)


def require() -> None:
    """Raises ToolchainError where the extra's package is not installed, with the command that brings it."""
    try:
        import qemu.qmp  # noqa: F401
    except ImportError as error:
        raise ToolchainError(
            "the virtual board needs the package qemu.qmp: pip install 'npubench[virtual]' (in a clone:"
            " pip install -e '.[virtual]')"
        ) from error


@contextlib.contextmanager
def monitor(folder: Path, name: str) -> Iterator[Qmp]:
    """The monitor whose socket is the file `name` of a folder. Raises QmpError, ToolchainError."""
    require()
    from qemu.qmp import QMPClient, QMPError

    # Without a handler of its own the package's notes of failed connections would go to the terminal.
    logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())
    # A socket's path may have 107 bytes (unix(7)); this one is short wherever the folder lies.
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise QmpError(f"{folder}: {error.strerror}") from error
    with asyncio.Runner() as runner:
        client = QMPClient("npubench")
        try:
            there = client.connect(f"/proc/self/fd/{descriptor}/{name}")
            runner.run(asyncio.wait_for(there, ANSWER_S))
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            raise QmpError(f"{folder / name}: {error or 'no answer'}") from error
        finally:
            os.close(descriptor)
        try:
            yield Qmp(client, runner)
        finally:
            with contextlib.suppress(QMPError, OSError, EOFError, TimeoutError):
                runner.run(asyncio.wait_for(client.disconnect(), ANSWER_S))
