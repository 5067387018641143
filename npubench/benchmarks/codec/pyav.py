"""Engine `pyav`: FFmpeg's libraries in a process of this machine, which alone can tell each frame's time."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.cases import Operation, Recipe
from npubench.benchmarks.codec.engine import ROUNDS, EndedError, Work, lacking
from npubench.benchmarks.codec.figures import Checked, Found, Streams, Timed
from npubench.benchmarks.codec.media import Made, expected_sha256
from npubench.benchmarks.codec.settings import LATENCY_SAMPLES
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.tools import process
from npubench.tools.worker_protocol import Answer, Worker, ask_module

WORKER = "npubench.benchmarks.codec.worker"
INSTALL = "pip install 'npubench[codec]'"
_ABSENT = ("UnknownCodecError", "DecoderNotFoundError", "EncoderNotFoundError")


def run(work: Work) -> Found:
    """One case in a worker process."""
    case, settings = work.case, work.settings
    job = {
        "step": case.operation.value,
        "input": work.put(),
        "codec": case.codec,
        "width": case.width,
        "height": case.height,
        "filters": case.filters,
        "output": case.output,
        "threads": settings.threads,
        "rounds": ROUNDS,
        "least_s": settings.least_s,
        "most_s": settings.most_s,
        "samples": LATENCY_SAMPLES if case.operation is Operation.DECODE else 0,
        "streams": case.counts_streams,
        "stream_s": settings.stream_s,
        "search_s": settings.search_s,
        "cores": len(os.sched_getaffinity(0)),
        "model": settings.model or None,
    }
    answer = _answer(job, Stage.MEASURE, lambda argv: work.session.run(argv, work.deadline_s, work.log))
    if isinstance(answer, Failure):
        raise EndedError(answer)
    return _found(work, answer)


def make(recipe: Recipe, path: Path, deadline_s: float, log: Path) -> Made | Failure:
    """Make test data in a worker process."""
    job = {"step": "make", "recipe": recipe.name, "output": str(path)}
    answer = _answer(job, Stage.EXPORT, lambda argv: process.run(argv, timeout_s=deadline_s, log=log))
    return answer if isinstance(answer, Failure) else Made(**answer)


def _answer(
    job: Mapping[str, Any], stage: Stage, start: Callable[[list[str]], Completed]
) -> Answer | Failure:
    answer = ask_module(WORKER, Worker("PyAV", stage), job, start)
    if isinstance(answer, Failure) or "error" not in answer:
        return answer
    return _failure_of_error(f"{answer['error']['type']}: {answer['error']['text']}", stage)


def _failure_of_error(text: str, stage: Stage) -> Failure:
    line = " ".join(text.split())[:300]
    if "No module named 'av" in text:
        return Failure(stage, FailureClass.TOOL_MISSING, f"PyAV is not installed: {INSTALL}")
    found = FailureClass.OUT_OF_MEMORY if "MemoryError" in text else FailureClass.TOOL_ERROR
    if lacking(text) or text.startswith(_ABSENT):
        found = FailureClass.UNSUPPORTED_CODEC
    return Failure(stage, found, f"PyAV: {line}")


def _found(work: Work, answer: Mapping[str, Any]) -> Found:
    decodes = work.case.operation in (Operation.DECODE, Operation.PIPELINE)
    checked = Checked(
        answer["frames"],
        work.made.frames,
        answer["frames_sha256"],
        expected_sha256(work.case, work.made, ffmpeg=True),
        work.made.psnr_db if decodes else answer["psnr_db"],
    )
    timed = Timed(
        tuple(answer["round_frames"]),
        tuple(answer["round_seconds"]),
        answer["frames_fed"],
        answer["cpu_s"],
        tuple(tuple(one) for one in answer["samples_us"]),
    )
    found = replace(work.found("PyAV", checked, timed, **answer.get("more", {})), program="PyAV")
    if (streams := answer.get("streams")) is None:
        return found
    tried = {int(number): held for number, held in streams["tried"].items()}
    return replace(found, streams=Streams(streams["held"], tried, streams["cpu_cores"]))
