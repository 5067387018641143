"""Imports once and does every job in a fork of itself: `fork_server.py SCRIPT ARGUMENT...`, or `serve`.

Importing what jobs need takes longer than most of them. A fork starts with everything imported and
with nothing of the jobs before it, and what ends it ends nothing else. Standard input and output are one
socket: a line of JSON comes for a job, one goes out when its process has ended. Ends when the other side is
gone, and so does a job. A job may wait `between` two of its steps until it is told to go on.

A script has `prepare(*arguments)`, called before the first job, and `run(request)`, called in the fork. It
lies in a folder with what it imports.
"""

import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
"""prctl(2)."""

Request = dict[str, Any]

BETWEEN = b'{"between": true}\n'
"""What a job says that waits to be told to go on, by an empty line."""

_channel: list[int] = []
"""The socket, to read from and to write to, where this process is a server or a fork of one."""


def serve(prepare: Callable[[], object], run: Callable[[Request], object]) -> None:
    """Answer requests until the other side is gone.

    A request names the `log` that a job prints to, the `folder` that it works in, and may set
    `memory_limit_bytes`; the rest is the job's own.
    """
    asked, answers = os.dup(0), os.dup(1)
    _channel[:] = [asked, answers]
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    ready = False
    with os.fdopen(asked, "rb", buffering=0) as requests:
        while line := requests.readline():
            if not line.strip():
                # A job that has ended meanwhile was told to go on.
                continue
            request = json.loads(line)
            into_log(request["log"])
            if not ready:
                # Not before: what a package prints belongs into a log, and the socket is none.
                prepare()
                gc.collect()
                gc.freeze()
                ready = True
            code = do(request, run, asked)
            os.write(answers, json.dumps({"returncode": code}).encode() + b"\n")


def between() -> None:
    """In a job: wait until the other side says to go on; at once where nobody is there to say it."""
    if not _channel:
        return
    asked, answers = _channel
    os.write(answers, BETWEEN)
    if not os.read(asked, 1):
        os._exit(1)


def into_log(path: str) -> None:
    """Send what this process and its forks print to a file."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def do(request: Request, run: Callable[[Request], object], asked: int) -> int:
    """Run the job in a fork; its exit code, negative for a signal. Ends with it when npubench is gone."""
    server = os.getpid()
    child = os.fork()
    if child == 0:
        run_job(request, run, server)
    ended, waiting = os.pidfd_open(child), select.poll()
    waiting.register(ended, select.POLLIN)
    waiting.register(asked, 0)
    try:
        while ended not in {descriptor for descriptor, _ in waiting.poll()}:
            # Nobody waits for the answer any more: a hang-up is all that the socket reports here.
            waiting.unregister(asked)
            os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)
    finally:
        os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_job(request: Request, run: Callable[[Request], object], server: int) -> NoReturn:
    """The job in this fork."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(1)
        os.chdir(request["folder"])
        if limit := request.get("memory_limit_bytes"):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        run(request)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - a fork must not go on as the server that it was
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # A fork does not run what its parent registered for its own end.
        os._exit(code)


def main(script: str, *arguments: str) -> None:
    """Serve the jobs of a script."""
    sys.path.insert(0, str(Path(script).parent))
    jobs = importlib.import_module(Path(script).stem)
    serve(lambda: jobs.prepare(*arguments), jobs.run)


if __name__ == "__main__":
    main(*sys.argv[1:])
