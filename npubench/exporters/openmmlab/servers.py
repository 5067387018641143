"""Worker processes that keep their imports between jobs: one job at a time each, taken from a pool."""

import atexit
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.errors import Interrupted
from npubench.domain.records import Completed
from npubench.tools import process

SERVER = Path(__file__).with_name("worker_server.py")
IDLE_LIMIT = max(2, os.cpu_count() or 2)
"""Servers kept without a job, of all codebases: each holds an imported PyTorch."""

_lock = threading.Lock()
_idle: "list[Server]" = []


@dataclass(frozen=True, slots=True)
class Server:
    """A process of `worker_server.py` for one codebase of one environment."""

    python: Path
    codebase: str
    channel: socket.socket
    end: Callable[[], None]

    @property
    def alive(self) -> bool:
        """Whether it waits for a job; one that has died reads as ended."""
        waiting = select.poll()
        waiting.register(self.channel, select.POLLIN)
        return not waiting.poll(0)


def run(
    python: Path, codebase: str, job: Path, answer: Path, log: Path, timeout_s: float, memory_limit_bytes: int
) -> Completed:
    """Do the job of one file in the environment of `python`; a process of its own, ended at the deadline.

    Raises Interrupted after `process.stop()`, OSError when the interpreter cannot be started.
    """
    started = time.monotonic()
    server = _take(python, codebase)
    request = {
        "job": str(job.absolute()),
        "answer": str(answer.absolute()),
        "log": str(log.absolute()),
        "folder": str(job.parent.absolute()),
        "memory_limit_bytes": memory_limit_bytes,
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
    if reply is not None:
        _give_back(server)
    returncode = reply["returncode"] if reply else -9
    duration_s = time.monotonic() - started
    return Completed((str(python), str(SERVER), codebase), returncode, "", duration_s, timed_out)


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


def _take(python: Path, codebase: str) -> Server:
    with _lock:
        for server in [*_idle]:
            if not server.alive:
                _idle.remove(server)
                server.end()
            elif (server.python, server.codebase) == (python, codebase):
                _idle.remove(server)
                return server
    channel, end = process.connected([str(python), "-I", str(SERVER), codebase], process.KEEP_MEMORY)
    return Server(python, codebase, channel, end)


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
