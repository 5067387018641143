"""Imports modules once and does every job in a fork of itself:
`python -P -m npubench.tools.kept_server MODULE...`.

Importing onnx and ONNX Runtime takes longer than most jobs. A fork starts with everything imported and with
nothing of the jobs before it, and what ends it ends nothing else. No session of ONNX Runtime is ever opened
in this process: its threads would not be in a fork. Standard input and output are one socket: a line of JSON
comes for a job, one goes out when its process has ended. Ends when the other side is gone, and so does a job.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1
"""prctl(2)."""


def serve(modules: Sequence[str]) -> None:
    """Answer requests until the other side is gone: `module`, `arguments`, `log` and `folder` of a job."""
    asked, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    ready = False
    with os.fdopen(asked, "rb", buffering=0) as requests:
        while line := requests.readline():
            request = json.loads(line)
            into_log(request["log"])
            if not ready:
                # Not before: what a package prints belongs into a log.
                import_all(modules)
                ready = True
            code = do(request, asked)
            os.write(answers, json.dumps({"returncode": code}).encode() + b"\n")


def into_log(path: str) -> None:
    """Send what this process and its forks print to a file."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def import_all(modules: Sequence[str]) -> None:
    """Import what jobs need, and let those that have a `warm` do it; a job meets what fails here again."""
    for name in modules:
        try:
            module = importlib.import_module(name)
            if warm := getattr(module, "warm", None):
                warm()
        except Exception:  # noqa: BLE001 - the job meets the same error and tells it
            traceback.print_exc()
    gc.collect()
    gc.freeze()


def do(request: Mapping[str, Any], asked: int) -> int:
    """Run the job in a fork; its exit code, negative for a signal. Ends with it when npubench is gone."""
    server = os.getpid()
    child = os.fork()
    if child == 0:
        run_job(request, server)
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


def run_job(request: Mapping[str, Any], server: int) -> NoReturn:
    """The job in this fork: `main` of the module with the arguments."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(1)
        os.chdir(request["folder"])
        sys.argv = [request["module"], *request["arguments"]]
        importlib.import_module(request["module"]).main(*request["arguments"])
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


if __name__ == "__main__":
    serve(sys.argv[1:])
