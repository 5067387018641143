"""Imports a codebase once and does every job in a fork of itself: `worker_server.py CODEBASE`.

Importing PyTorch and OpenMMLab takes longer than exporting most models. A fork starts with everything
imported and with nothing of the jobs before it. Standard input and output are one socket: a line of JSON
comes for a job, a line goes out when its process has ended. Imports nothing of npubench.
"""

import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

# The environment's interpreter is isolated (-I) and does not look beside the script by itself.
sys.path.insert(0, str(Path(__file__).parent))


def serve(codebase: str) -> None:
    """Answer requests until the other side is gone. A request names `job`, `answer`, `log`, `folder`."""
    asked, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    worker = None
    with os.fdopen(asked, "rb", buffering=0) as requests:
        while line := requests.readline():
            request = json.loads(line)
            into_log(request["log"])
            worker = worker or import_all(codebase)
            code = do(worker, request, asked)
            os.write(answers, json.dumps({"returncode": code}).encode() + b"\n")


def into_log(path: str) -> None:
    """Send what this process and its forks print to a file."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def import_all(codebase: str) -> Any:
    """The module `worker` with everything imported that jobs need.

    What does not import is left to the job, which meets it again and answers with it.
    """
    # Not at the top: whatever a package prints belongs into the log, and the socket is no log.
    worker = importlib.import_module("worker")
    os.environ.update(worker.SAME_KERNELS)
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxsim  # noqa: F401
        import torch

        torch.set_num_threads(worker.THREADS)
        importlib.import_module("worker_stack").prepare(codebase)
        if warm := getattr(importlib.import_module(f"worker_{codebase}"), "warm", None):
            warm()
        worker.versions(codebase)
    except Exception:  # noqa: BLE001 - the job meets the same error and classifies it
        traceback.print_exc()
    gc.collect()
    gc.freeze()
    return worker


def do(worker: Any, request: dict[str, Any], asked: int) -> int:
    """Run the job in a fork; its exit code, negative for a signal. Ends with it when npubench is gone."""
    child = os.fork()
    if child == 0:
        run_job(worker, request)
    ended, waiting = os.pidfd_open(child), select.poll()
    waiting.register(ended, select.POLLIN)
    waiting.register(asked, 0)
    try:
        while ended not in {descriptor for descriptor, _ in waiting.poll()}:
            # Nobody waits for the answer any more: a hang-up is all that the socket reports here.
            os.killpg(child, signal.SIGKILL)
            waiting.unregister(asked)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)
    finally:
        os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_job(worker: Any, request: dict[str, Any]) -> None:
    """The job in this fork, which never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir(request["folder"])
        limit = request["memory_limit_bytes"]
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        worker.main(Path(request["job"]), Path(request["answer"]))
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # A fork does not run what its parent registered for its own end.
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
