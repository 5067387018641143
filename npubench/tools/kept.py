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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.errors import Interrupted
from npubench.domain.records import Completed
from npubench.tools import process
from npubench.tools.standalone.fork_server import BETWEEN

SERVER = "npubench.tools.kept_server"
IDLE_LIMIT = 4
"""Servers kept without a job, of all kinds: each holds some 100 MB of imported modules."""

_WORKER = ("npubench.backends.onnxruntime.worker", "npubench.backends.onnxruntime.computed")
_SAMPLES = (
    *("msgspec", "numpy.random", "npubench.measure.calibration", "npubench.measure.sample_files"),
    *("npubench.measure.pictures", "npubench.measure.inputs"),
)
"""What draws, reads and checks samples; each job on them would import it again."""

FILES = (
    *("onnx", "onnx.inliner", "onnxruntime", "onnxruntime.quantization"),
    *("onnxruntime.quantization.shape_inference", "npubench.exporters.apart", *_WORKER),
    *("npubench.backends.onnxruntime.quantise", *_SAMPLES),
)
"""What jobs on files of models import: describing, quantising, reading graphs."""

RUNS = (
    *("numpy", "onnxruntime", "resource", "statistics", "npubench.storage.hashing"),
    *("npubench.measure.onnx_session", "npubench.measure.outputs", *_WORKER, *_SAMPLES),
)
"""What a process that measures imports, and no more: its memory is a figure."""

FORKED = frozenset({"npubench.backends.onnxruntime.worker"})
"""Workers whose `main` takes the arguments of the command line; others, such as the codecs', start afresh."""

LEAST_S = 1e-3
"""A timeout of a socket of 0 means that it does not wait at all."""

_UNSTEADY = frozenset({"PYTEST_CURRENT_TEST"})


@dataclass(frozen=True, slots=True)
class Server:
    """A process of `fork_server` for one command line, started in one environment."""

    key: object
    channel: socket.socket
    end: Callable[[], None]

    @property
    def alive(self) -> bool:
        """Whether it waits for a job; one that has died reads as ended."""
        waiting = select.poll()
        waiting.register(self.channel, select.POLLIN)
        return not waiting.poll(0)


class Pool:
    """Servers that keep their imports between jobs: one job at a time each, at most `most` without one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[Server] = []

    def do(
        self,
        argv: Sequence[str],
        request: Mapping[str, Any],
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> tuple[int | None, bool]:
        """A job's exit code by a server of this command line, and whether it was ended at the deadline.

        `between` is called where the job waits between two of its steps, and counts for no deadline. None
        where the server itself is gone. Raises Interrupted after `process.stop()`, OSError when it cannot be
        started.
        """
        server = self._take(tuple(argv), env)
        reply: dict[str, int] | None = None
        timed_out = False
        try:
            reply = _ask(server.channel, request, timeout_s, between)
        except TimeoutError:
            timed_out = True
        finally:
            # Whatever is not back with an answer may still be at work: it ends here.
            if reply is None:
                server.end()
        if process.stopping():
            server.end()
            raise Interrupted
        if reply is None:
            return None, timed_out
        self._give_back(server)
        return reply["returncode"], False

    def end_idle(self) -> None:
        """End the servers that wait for a job."""
        with self._lock:
            ended = [*self._idle]
            self._idle.clear()
        for server in ended:
            server.end()

    def _take(self, argv: tuple[str, ...], env: Mapping[str, str] | None) -> Server:
        # Libraries read their environment when they are imported: another one wants another server.
        steady = frozenset((name, value) for name, value in os.environ.items() if name not in _UNSTEADY)
        key = (argv, steady)
        with self._lock:
            for server in [*self._idle]:
                if not server.alive:
                    self._idle.remove(server)
                    server.end()
                elif server.key == key:
                    self._idle.remove(server)
                    return server
        return Server(key, *process.connected(argv, env))

    def _give_back(self, server: Server) -> None:
        with self._lock:
            self._idle.append(server)
            surplus = [self._idle.pop(0) for _ in range(len(self._idle) - self._most)]
        for old in surplus:
            old.end()


_pool = Pool(IDLE_LIMIT)
end_idle = atexit.register(_pool.end_idle)


def run(
    module: str, arguments: Sequence[str], modules: Sequence[str], *, timeout_s: float, log: Path,
    between: Callable[[], None] = lambda: None,
) -> Completed:  # fmt: skip
    """`module.main(*arguments)` in a process of its own that has imported `modules`, ended at the deadline.

    `between` is called where the job waits between two of its steps, and counts for no deadline. Output is
    appended to `log`. Raises Interrupted after `process.stop()`, OSError when Python cannot start.
    """
    log.touch()
    started, offset = time.monotonic(), log.stat().st_size
    argv = [sys.executable, "-P", "-m", module, *arguments]
    request = {
        "module": module,
        "arguments": list(arguments),
        "log": str(log.absolute()),
        "folder": str(Path.cwd()),
    }
    server = [sys.executable, "-P", "-m", SERVER, *modules]
    returncode, timed_out = _pool.do(server, request, timeout_s, between=between)
    duration_s = time.monotonic() - started
    if returncode is None and not timed_out:
        # The server itself is gone, which is nothing that the job did.
        return process.run(argv, timeout_s=max(0.0, timeout_s - duration_s), log=log)
    with log.open("rb") as stream:
        output, truncated = process.read_tail(stream, offset)
    code = -9 if returncode is None else returncode
    return Completed(tuple(argv), code, output, duration_s, timed_out, truncated)


def worker_of(argv: Sequence[str]) -> str | None:
    """The module of `FORKED` that a command line runs in this interpreter; None for every other command."""
    own = len(argv) > 2 and argv[0] == sys.executable and argv[1] == "-m" and argv[2] in FORKED
    return argv[2] if own else None


def _ask(
    channel: socket.socket, request: Mapping[str, Any], timeout_s: float, between: Callable[[], None]
) -> dict[str, int] | None:
    """The server's line for a request; None when it died. Raises TimeoutError, and what `between` raises."""
    ends = time.monotonic() + timeout_s
    channel.settimeout(timeout_s)
    try:
        channel.sendall(json.dumps(request).encode() + b"\n")
        with channel.makefile("rb") as answers:
            while (line := answers.readline()) == BETWEEN:
                began = time.monotonic()
                between()
                ends += time.monotonic() - began
                channel.settimeout(max(LEAST_S, ends - time.monotonic()))
                channel.sendall(b"\n")
    except (BrokenPipeError, ConnectionResetError):
        return None
    reply: dict[str, int] | None = json.loads(line) if line.endswith(b"\n") else None
    return reply
