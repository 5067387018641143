"""Jobs in the OpenMMLab environments, in forks of processes that keep their imports."""

import atexit
import os
import time
from pathlib import Path

from npubench.domain.records import Completed
from npubench.tools import process
from npubench.tools.kept import Pool
from npubench.tools.standalone import fork_server

SERVER = Path(__file__).with_name("worker_server.py")
_pool = Pool(max(2, os.cpu_count() or 2))
"""Of all codebases: each server holds an imported PyTorch."""
end_idle = atexit.register(_pool.end_idle)


def run(
    python: Path, codebase: str, job: Path, answer: Path, log: Path, timeout_s: float, memory_limit_bytes: int
) -> Completed:
    """Do the job of one file in the environment of `python`; a process of its own, ended at the deadline.

    Raises Interrupted after `process.stop()`, OSError when the interpreter cannot be started.
    """
    started = time.monotonic()
    request = {
        "job": str(job.absolute()),
        "answer": str(answer.absolute()),
        "log": str(log.absolute()),
        "folder": str(job.parent.absolute()),
        "memory_limit_bytes": memory_limit_bytes,
    }
    argv = (str(python), "-I", str(fork_server.__file__), str(SERVER), codebase)
    returncode, timed_out = _pool.do(argv, request, timeout_s, env=process.KEEP_MEMORY)
    duration_s = time.monotonic() - started
    return Completed(argv, -9 if returncode is None else returncode, "", duration_s, timed_out)
