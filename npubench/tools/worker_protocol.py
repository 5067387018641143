"""One job in the tool's environment: started, limited, ended, and read."""

import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.storage.files import open_regular, text_if_any, text_of
from npubench.tools import process
from npubench.tools.exit_status import killed, was_killed

TOOL_LOG = "tool.log"
ANSWER = "answer.json"
STEP_FILE = "step.txt"
BUILT_FILE = "built.json"
NOT_SIMULATED = "not_simulated"
"""In an answer, and among an artifact's settings: why the tool's simulation of it did not end."""
_CHILD_KILLED = re.compile(r"ended with code -9\b")
"""What workers say of a command of the tool that SIGKILL ended."""
FRAME = Path(__file__).parent / "standalone"
MEMORY_LIMIT_BYTES = 24 * 2**30
"""Of address space. Compilers map far more than they use."""


def run_worker(
    tool: str, python: Path, worker: Path, job: Mapping[str, Any], workdir: Path, log: Path, deadline_s: float
) -> dict[str, Any] | Failure:
    """The worker's answer, or why there is none. Raises Interrupted.

    The tool works in `workdir`, keeps its scratch files there, too, and all that it says is in
    `workdir/tool.log` and appended to `log`.
    """
    for folder in ("tmp", "home"):
        (workdir / folder).mkdir(exist_ok=True)
    question, reply, own = workdir / "job.json", workdir / ANSWER, workdir / TOOL_LOG
    question.write_text(json.dumps(job), encoding="utf-8")
    try:
        done = process.run(
            [str(python), "-I", str(worker), str(question), str(reply)],
            timeout_s=deadline_s,
            log=own,
            cwd=workdir,
            env={
                **process.KEEP_MEMORY,
                "TMPDIR": str(workdir / "tmp"),
                "HOME": str(workdir / "home"),
                "NPUBENCH_WORKER_FRAME": str(FRAME),
                # Tools call each other by name.
                "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            },
            memory_limit_bytes=MEMORY_LIMIT_BYTES,
        )
    except OSError as error:
        message = f"{python} cannot be started: {error.strerror}: npubench env install {tool}"
        return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message)
    finally:
        _append(own, log)
    answer = _answer(tool, done, reply, workdir)
    return _without_simulation(answer, workdir) if isinstance(answer, Failure) else answer


def _append(source: Path, log: Path) -> None:
    with contextlib.suppress(OSError), open_regular(source) as said, log.open("ab") as stream:
        shutil.copyfileobj(said, stream)


def _without_simulation(failure: Failure, workdir: Path) -> dict[str, Any] | Failure:
    """The answer about an artifact that was whole before its simulation crashed or hung."""
    try:
        answer: dict[str, Any] = json.loads(text_of(workdir / BUILT_FILE))
    except (OSError, ValueError):
        return failure
    return {**answer, NOT_SIMULATED: failure.message}


def _answer(tool: str, done: Completed, reply: Path, workdir: Path) -> dict[str, Any] | Failure:
    step = text_if_any(workdir / STEP_FILE)
    during = f" while it was at {step}" if step else ""
    if done.timed_out:
        message = (
            f"no end after {done.duration_s:.0f} s{during}: ended at the deadline; --deadline gives more"
        )
        return Failure(Stage.COMPILE, FailureClass.HANG, f"{tool}: {message}")
    if was_killed(done):
        return killed(Stage.COMPILE, tool, done, f"here{during}")
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return Failure(Stage.COMPILE, FailureClass.CRASH, f"{tool} crashed with {name}{during}: see the log")
    try:
        answer: dict[str, Any] = json.loads(text_of(reply))
    except (OSError, ValueError):
        message = f"{tool} ended with code {done.returncode}{during} and no answer: see the log"
        return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
    if _CHILD_KILLED.search(str(answer.get("error", {}).get("text", ""))):
        return killed(Stage.COMPILE, tool, done, f"here{during}")
    return answer
