"""QEMU's monitor: commands and answers in JSON lines (QEMU, docs/interop/qmp-spec.txt)."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ANSWER_S = 10.0
_LOOK_S = 0.02


class QmpError(Exception):
    """The monitor is not there, does not answer or refuses a command."""


class Qmp:
    """A connection to one monitor."""

    def __init__(self, sock: socket.socket) -> None:
        self._stream = sock.makefile("rwb")

    def command(self, name: str, /, **arguments: Any) -> Any:
        """What the command returns. Raises QmpError."""
        try:
            self._stream.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            self._stream.flush()
            while True:
                answer = self._line()
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise QmpError(f"{name}: {answer['error'].get('desc', 'refused')}")
        except (OSError, ValueError) as error:
            raise QmpError(f"{name}: {error or 'no answer'}") from error

    def migrated(self, uri: str, limit_s: float) -> None:
        """Write the machine's whole state to `uri`; it has to stand still. Raises QmpError."""
        self.command("migrate", uri=uri)
        until = time.monotonic() + limit_s
        while (status := self.command("query-migrate").get("status")) != "completed":
            if status in {"failed", "cancelled"} or time.monotonic() >= until:
                raise QmpError(f"migrate: {status}")
            time.sleep(_LOOK_S)

    def _line(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise QmpError("the monitor closed the connection")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def monitor(folder: Path, name: str) -> Iterator[Qmp]:
    """The monitor whose socket is the file `name` of a folder. Raises QmpError."""
    # A socket's path may have 107 bytes (unix(7)); this one is short wherever the folder lies.
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise QmpError(f"{folder}: {error.strerror}") from error
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER_S)
        try:
            sock.connect(f"/proc/self/fd/{descriptor}/{name}")
        except OSError as error:
            raise QmpError(f"{folder / name}: {error.strerror or error}") from error
        finally:
            os.close(descriptor)
        qmp = Qmp(sock)
        qmp.command("qmp_capabilities")
        yield qmp
