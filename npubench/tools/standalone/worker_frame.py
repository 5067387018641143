"""The tool's side of a job: `python -I worker.py job.json answer.json`, inside the tool's environment.

A worker script puts this folder on its path, writes one function `work(job) -> answer` and hands it to
`serve`. Nothing of npubench is imported here: a tool's environment knows only the tool.
"""

import contextlib
import ctypes
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

STEP_FILE = "step.txt"
"""Names the step that runs, for the other side to read when this process ended without an answer."""

BUILT_FILE = "built.json"
"""The answer that stands where this process does not survive the simulation."""

seconds: dict[str, float] = {}
"""How long the tool itself took, by step."""

notes: dict[str, str] = {}
"""What else belongs into the answer: `no_reference`, why there is nothing to compare with."""


class NotSupportedError(Exception):
    """The tool said that it lacks operators, in a way that it raises nothing for."""

    def __init__(self, text: str, operators: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.operators = operators


def serve(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read the job, do it, write the answer; an exception is an answer, too."""
    question, reply = Path(sys.argv[1]), Path(sys.argv[2])
    job = json.loads(question.read_text(encoding="utf-8"))
    try:
        answer = {**work(job), **notes, "seconds": seconds}
    # Tools call sys.exit() where others raise.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the other side decides what it means
        traceback.print_exc()
        answer = {
            "error": {
                "type": type(error).__name__,
                "text": str(error),
                "traceback": traceback.format_exc(),
                "step": Path(STEP_FILE).read_text(encoding="utf-8") if Path(STEP_FILE).is_file() else "",
                "operators": list(getattr(error, "operators", ())),
            }
        }
    reply.write_text(json.dumps(answer), encoding="utf-8")
    _leave()


def built(answer: dict[str, Any]) -> None:
    """The artifact is written: from here on only its simulation can fail, and that loses nothing of it."""
    Path(BUILT_FILE).write_text(json.dumps({**answer, "seconds": seconds}), encoding="utf-8")


def _leave() -> NoReturn:
    """End at once: all is written, and tools take up to a second to take themselves apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    # What native code has printed and C still holds.
    ctypes.CDLL(None).fflush(None)
    os._exit(0)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """One step of the tool: named while it runs, timed when it is over."""
    Path(STEP_FILE).write_text(name, encoding="utf-8")
    started = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


def aside(task: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    """Begin `task` in a fork of this process, where nothing that the tool loads disturbs it.

    To be called before the tool is loaded: no thread of its has started then.
    """
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))
    future = pool.submit(task, *arguments)
    pool.shutdown(wait=False)
    return future


def if_any(expecting: "list[Future[Any]]") -> list[Any]:
    """What `reference` came to aside; nothing where ONNX Runtime cannot run what the tool perhaps can."""
    return _unless_lacking(lambda: [one.result() for one in expecting], len(expecting))


def references(model: str, *inputs: list[dict[str, Any]]) -> list[Any]:
    """`reference` of each of these; nothing where ONNX Runtime cannot run what the tool perhaps can."""
    return _unless_lacking(lambda: [reference(model, one) for one in inputs], len(inputs))


def _unless_lacking(compute: Callable[[], list[Any]], count: int) -> list[Any]:
    try:
        return compute()
    except Exception as error:  # noqa: BLE001 - it raises types of its own
        print(f"no reference: {error}")  # noqa: T201 - for the log
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = lines[0] if lines else type(error).__name__
        notes["no_reference"] = f"ONNX Runtime gives no reference: {told}"[:300]
        return [[] for _ in range(count)]


def samples(paths: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The arrays of every sample, by input."""
    import numpy as np

    return [{name: np.load(path) for name, path in sample.items()} for sample in paths]


def keep(kind: str, runs: list[list[Any]]) -> list[list[str]]:
    """Write outputs of every sample into the folder, for the other side to compare; the file names."""
    import numpy as np

    names = []
    for number, outputs in enumerate(runs):
        files = [f"{kind}-{number}-{index}.npy" for index in range(len(outputs))]
        for name, output in zip(files, outputs, strict=True):
            np.save(name, np.asarray(output))
        names.append(files)
    return names


def compared(outputs: list[list[Any]], expected: list[list[Any]], rounded: list[list[Any]]) -> dict[str, Any]:
    """The part of an answer that the other side compares: outputs, and what `references` gave, as files."""
    runs = {"outputs": outputs, "reference": expected, "rounded": rounded}
    return {kind: keep(kind.removesuffix("s"), run) for kind, run in runs.items()}


def reference(model: str, inputs: list[dict[str, Any]]) -> list[list[Any]]:
    """FP32 outputs of ONNX Runtime on the CPU for every sample. Raises when another provider ran."""
    if not inputs:
        return []
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Beside RKNN's simulator in one process, grouped convolutions on several threads did not end.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    if session.get_providers() != ["CPUExecutionProvider"]:
        raise RuntimeError(f"asked for CPUExecutionProvider, got {session.get_providers()}")
    return [session.run(None, sample) for sample in inputs]
