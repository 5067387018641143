"""The one machine: what is known of it while it runs, and whether it does."""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from npubench.domain.errors import Interrupted
from npubench.storage.files import write_atomically
from npubench.tools import process
from npubench_virtual import qemu
from npubench_virtual.qmp import QmpError, monitor

RECORD = "machine.json"
LOOK_S = 0.05
GREETING_S = 2.0
_STARTED_AT_FIELD = 19
"""Of /proc/<pid>/stat behind the program's name (proc(5), field 22)."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started machine.

    `started_at` is in clock ticks since this system's boot: a later process may have the number.
    """

    image: str
    pid: int
    started_at: int
    port: int


def find(folder: Path) -> Running | None:
    """The machine of a folder, if its process is alive. A record without one is as good as none."""
    known = last(folder)
    return known if known and _started_at(known.pid) == known.started_at else None


def last(folder: Path) -> Running | None:
    """The machine that was started last, alive or not."""
    try:
        return Running(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def record(folder: Path, image: str, port: int) -> Running | None:
    """Write down the machine whose process the pidfile names; None when there is no such process."""
    try:
        pid = int((folder / qemu.PIDFILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    started_at = _started_at(pid)
    if started_at is None:
        return None
    running = Running(image, pid, started_at, port)
    write_atomically(folder / RECORD, json.dumps(asdict(running)) + "\n")
    return running


def end(folder: Path, running: Running, limit_s: float = 5.0) -> None:
    """Switch it off: asked first, then at once."""
    with contextlib.suppress(QmpError), monitor(folder, qemu.MONITOR) as qmp:
        qmp.command("quit")
    if not wait_until(lambda: find(folder) is None, limit_s) and find(folder) == running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGKILL)
        wait_until(lambda: find(folder) is None, limit_s)
    (folder / qemu.MONITOR).unlink(missing_ok=True)


def greets(port: int, limit_s: float = GREETING_S) -> bool:
    """Whether an SSH server answers there with its banner."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), limit_s) as sock:
        sock.settimeout(limit_s)
        return sock.recv(4) == b"SSH-"
    return False


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Look until the condition holds; whether it did. Raises Interrupted after `process.stop()`."""
    until = time.monotonic() + limit_s
    while not condition():
        if process.stopping():
            raise Interrupted
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_S)
    return True


def free_port(wanted: int | None) -> int:
    """A loopback port that nothing listens on: the wanted one if it can be had."""
    for port in (wanted, 0):
        if port is not None:
            with contextlib.suppress(OSError), socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.1", port))
                return int(sock.getsockname()[1])
    raise OSError("no port is free on 127.0.0.1")


def _started_at(pid: int) -> int | None:
    """When a living process started; None when there is none, or it is dead and not reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[_STARTED_AT_FIELD])
    except (OSError, ValueError, IndexError):
        return None
