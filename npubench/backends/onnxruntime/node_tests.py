"""The ONNX project's node tests: every one of them an answer, though some end the process they run in."""

import json
import re
import signal
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.measure.onnx_session import failure_of_error
from npubench.storage.files import text_of
from npubench.tools import process

WORKER = "npubench.backends.onnxruntime.node_worker"
CASE_DEADLINE_S = 30.0
BATCH_DEADLINE_S = 1800.0
_REFUSALS = re.compile(
    r"\[ONNXRuntimeError\] : 9 : NOT_IMPLEMENTED|^NotImplemented"
    r"|(?:is|are) not supported(?: now)?\.|is not defined for "
)
"""What ONNX Runtime says of attributes and types that it does not take; `errors` knows the operators."""


def names() -> list[str]:
    """The tests that the installed onnx package has; making them takes seconds."""
    import warnings

    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        # The tests' own makers overflow and divide by zero on purpose.
        warnings.simplefilter("ignore", RuntimeWarning)
        return [test.name for test in load_model_tests(kind="node")]


def run(done: Collection[str], log: Path) -> Iterator[tuple[str, dict[str, Any], Failure | None]]:
    """Name, what is known of the model, and why it failed (None: outputs agree), of every test not in `done`.

    One process runs them all; behind a crash another goes on. Raises Interrupted.
    """
    finished = set(done)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while True:
            (folder / "skip.txt").write_text("\n".join(sorted(finished)), encoding="utf-8")
            (folder / "answers.jsonl").write_text("", encoding="utf-8")
            argv = [sys.executable, "-m", WORKER, str(folder), str(CASE_DEADLINE_S)]
            ended = process.run(argv, timeout_s=BATCH_DEADLINE_S, log=log)
            started = ""
            for line in _lines(folder / "answers.jsonl"):
                if "all" in line:
                    return
                started = line.get("start", "")
                if "end" in line:
                    finished.add(line["end"])
                    yield line["end"], line, failure_of(line)
            if not started:
                # It did not even get to a test: the same would happen again.
                message = f"the test process ended with code {ended.returncode} before any test: see the log"
                yield "onnx-node", {}, Failure(Stage.MEASURE, FailureClass.CRASH, message)
                return
            finished.add(started)
            yield started, {}, _of_process(ended)


def failure_of(answer: dict[str, Any]) -> Failure | None:
    """What a test's answer means: `unsupported_operator` where ONNX Runtime does not take it."""
    if text := answer.get("different"):
        message = f"the output is not the one of ONNX's reference: {text}"
        if answer.get("random"):
            message += "; the operator draws random numbers, and each runtime draws its own"
        return Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, message, tuple(answer["operators"]))
    if "error" not in answer:
        return None
    failure = failure_of_error(answer["error"], Stage.MEASURE)
    text = f"{answer['error']['type']}: {answer['error']['text']}"
    if failure.failure_class is FailureClass.TOOL_ERROR and _REFUSALS.search(text):
        operators = failure.operators or tuple(answer["operators"])
        return replace(failure, failure_class=FailureClass.UNSUPPORTED_OPERATOR, operators=operators)
    return failure


def _of_process(ended: Completed) -> Failure:
    if ended.timed_out or ended.returncode == -signal.SIGALRM:
        message = f"no end after {CASE_DEADLINE_S:.0f} s: the process was ended"
        return Failure(Stage.MEASURE, FailureClass.HANG, message)
    message = f"the process that ran it ended with code {ended.returncode}: see the log"
    return Failure(Stage.MEASURE, FailureClass.CRASH, message)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in text_of(path).splitlines():
        # A crash may have cut the last one.
        if line.endswith("}"):
            yield json.loads(line)
