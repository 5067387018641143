"""How npubench and a process that does one job talk: a file asks, the process runs, a file answers.

What may crash, hang or take all memory does so in a process of its own, and ends one job and nothing else.
`python -m MODULE job.json answer.json` is a worker with npubench's own Python; tools with an environment of
their own have `standalone/worker_frame.py` on the other side.
"""

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.storage.files import text_of
from npubench.tools.process import classify_exit, was_killed

ANSWER = "answer.json"
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Worker:
    """What messages call a worker, the stage that it is of, and where it runs."""

    tool: str
    stage: Stage
    where: str = "here"


def ask(
    worker: Worker,
    job: Mapping[str, Any],
    folder: Path,
    start: Callable[[Path, Path], Completed],
    step: Callable[[], str] = str,
) -> Answer | Failure:
    """Write job.json into `folder`, start the process on it and answer.json, and read that.

    Afterwards `step` tells at what it was. An answer may hold the worker's own `error`. Raises what `start`
    does.
    """
    question, reply = folder / "job.json", folder / ANSWER
    question.write_text(json.dumps(job), encoding="utf-8")
    done = start(question, reply)
    during = f" while it was at {name}" if (name := step()) else ""
    failure = classify_exit(worker.tool, done, worker.stage, worker.where, during=during)
    # What Python's own exit code means stands in the answer, or there is none.
    if failure is not None and (done.timed_out or done.returncode < 0 or was_killed(done)):
        return failure
    text = ""
    try:
        text = text_of(reply)
        answer: Answer = json.loads(text)
    except (OSError, ValueError):
        message = f"{worker.tool} ended with code {done.returncode}{during} and no answer: see the log"
        return Failure(worker.stage, FailureClass.UNPARSED_OUTPUT, message, detail=text)
    return answer


def ask_module(
    module: str, worker: Worker, job: Mapping[str, Any], start: Callable[[list[str]], Completed]
) -> Answer | Failure:
    """The same of a module of npubench, in a folder that is gone afterwards; `start` gets its command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", module]
        return ask(worker, job, Path(folder), lambda *files: start([*command, *map(str, files)]))


def serve(
    steps: Mapping[str, Callable[[Answer], Answer]], question: str, reply: str, unlogged: Collection[str] = ()
) -> None:
    """The module's side: do the step that the job names; an exception is an answer, too.

    The answer is printed for the log, but for the long lists that `unlogged` names.
    """
    job = json.loads(Path(question).read_text(encoding="utf-8"))
    answer: Answer
    try:
        answer = steps[job["step"]](job)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side decides what it means
        traceback.print_exc()
        text = {"type": type(error).__name__, "text": str(error), "traceback": traceback.format_exc()}
        answer = {"error": text}
    Path(reply).write_text(json.dumps(answer), encoding="utf-8")
    print(json.dumps({key: value for key, value in answer.items() if key not in unlogged}))  # noqa: T201 - the log
