"""npubench's own workers in forks of interpreters that are kept: one job at a time each, taken from a pool.

For jobs that a stranger's file may crash, hang or fill memory with, like `process.run`, but without a fresh
Python for each. Memory and time of what runs are those of a fresh process: every job has a fork of its own.
"""

import atexit
import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.errors import Interrupted
from npubench.domain.records import Completed
from npubench.tools import process

SERVER = "npubench.tools.kept_server"
IDLE_LIMIT = 4
"""Servers kept without a job, of all kinds: each holds some 100 MB of imported modules."""

_SAMPLES = (
    *(
        "msgspec",
        "numpy.random",
        "npubench.measure.calibration",
        "npubench.measure.sample_files",
        "npubench.measure.pictures",
    ),
    *("npubench.measure.inputs", "npubench.measure.inputs"),
)
"""What draws, reads and checks samples; each job on them would import it again."""

FILES = (
    *("onnx", "onnx.inliner", "onnxruntime", "onnxruntime.quantization"),
    *("onnxruntime.quantization.shape_inference", "npubench.exporters.apart"),
    *("npubench.backends.onnxruntime.worker", "npubench.backends.onnxruntime.computed"),
    *("npubench.backends.onnxruntime.quantise", *_SAMPLES),
)
"""What jobs on files of models import: describing, quantising, reading graphs."""

RUNS = (
    *("numpy", "onnxruntime", "resource", "statistics", "npubench.backends.onnxruntime.worker"),
    *(
        "npubench.storage.hashing",
        "npubench.measure.onnx_session",
        "npubench.measure.outputs",
    ),
    *("npubench.backends.onnxruntime.computed", "npubench.backends.onnxruntime.computed", *_SAMPLES),
)
"""What a process that measures imports, and no more: its memory is a figure."""

FORKED = frozenset({"npubench.backends.onnxruntime.worker"})
"""Workers whose `main` takes the arguments of the command line; others, such as the codecs', start afresh."""

_UNSTEADY = frozenset({"PYTEST_CURRENT_TEST"})
_lock = threading.Lock()
_idle: "list[Server]" = []


@dataclass(frozen=True, slots=True)
class Server:
    """A process of `kept_server` with these modules, started in this environment."""

    key: tuple[object, ...]
    channel: socket.socket
    end: Callable[[], None]

    @property
    def alive(self) -> bool:
        """Whether it waits for a job; one that has died reads as ended."""
        waiting = select.poll()
        waiting.register(self.channel, select.POLLIN)
        return not waiting.poll(0)


def run(
    module: str, arguments: Sequence[str], modules: Sequence[str], *, timeout_s: float, log: Path
) -> Completed:
    """`module.main(*arguments)` in a process of its own that has imported `modules`, ended at the deadline.

    Output is appended to `log`. Raises Interrupted after `process.stop()`, OSError when Python cannot start.
    """
    log.touch()
    started, offset = time.monotonic(), log.stat().st_size
    argv = [sys.executable, "-P", "-m", module, *arguments]
    server = _take(tuple(modules))
    request = {
        "module": module,
        "arguments": list(arguments),
        "log": str(log.absolute()),
        "folder": str(Path.cwd()),
    }
    reply: dict[str, Any] | None = None
    timed_out = False
    try:
        reply = _ask(server.channel, request, timeout_s)
    except TimeoutError:
        timed_out = True
    finally:
        # Whatever is not back with an answer may still be at work: it ends here.
        if reply is None:
            server.end()
    if process.stopping():
        server.end()
        raise Interrupted
    duration_s = time.monotonic() - started
    if reply is not None:
        _give_back(server)
    elif not timed_out:
        # The server itself is gone, which is nothing that the job did.
        return process.run(argv, timeout_s=max(0.0, timeout_s - duration_s), log=log)
    returncode = reply["returncode"] if reply else -9
    output, truncated = _said(log, offset)
    return Completed(tuple(argv), returncode, output, duration_s, timed_out, truncated)


def worker_of(argv: Sequence[str]) -> str | None:
    """The module of `FORKED` that a command line runs in this interpreter; None for every other command."""
    own = len(argv) > 2 and argv[0] == sys.executable and argv[1] == "-m" and argv[2] in FORKED
    return argv[2] if own else None


def _said(log: Path, offset: int) -> tuple[str, bool]:
    with log.open("rb") as stream:
        begin = max(offset, stream.seek(0, os.SEEK_END) - process.OUTPUT_LIMIT_BYTES)
        stream.seek(begin)
        return stream.read().decode("utf-8", "replace"), begin > offset


def _ask(channel: socket.socket, request: dict[str, Any], timeout_s: float) -> dict[str, Any] | None:
    """The server's line for a request; None when it died. Raises TimeoutError."""
    channel.settimeout(timeout_s)
    try:
        channel.sendall(json.dumps(request).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            if not (part := channel.recv(4096)):
                return None
            line += part
    except (BrokenPipeError, ConnectionResetError):
        return None
    reply: dict[str, Any] = json.loads(line)
    return reply


def _take(modules: tuple[str, ...]) -> Server:
    # Libraries read their environment when they are imported: another one wants another server.
    steady = frozenset((name, value) for name, value in os.environ.items() if name not in _UNSTEADY)
    key = (sys.executable, modules, steady)
    with _lock:
        for server in [*_idle]:
            if not server.alive:
                _idle.remove(server)
                server.end()
            elif server.key == key:
                _idle.remove(server)
                return server
    channel, end = process.connected([sys.executable, "-P", "-m", SERVER, *modules])
    return Server(key, channel, end)


def _give_back(server: Server) -> None:
    with _lock:
        _idle.append(server)
        surplus = [_idle.pop(0) for _ in range(len(_idle) - IDLE_LIMIT)]
    for old in surplus:
        old.end()


@atexit.register
def end_idle() -> None:
    """End the servers that wait for a job."""
    with _lock:
        ended = [*_idle]
        _idle.clear()
    for server in ended:
        server.end()
