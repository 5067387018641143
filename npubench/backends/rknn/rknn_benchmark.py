"""Output of Rockchip's `rknn_benchmark` to the time of every run.

Format: the vendor's example program: five warm-up runs, `Begin perf ...`, a line for each run, then their
average. Times have two decimals of a millisecond. It prints nothing of where an operator ran.
"""

import re

from npubench.backends.apart.on_board import unparsed
from npubench.backends.apart.single_times import BenchTool, Call
from npubench.backends.rknn.benchmark_tensors import AT_RUN_TIME, tensors_of_benchmark
from npubench.records import Failure, FailureClass, Stage

NAME = "rknn_benchmark"
OWN_WARMUP = 5
STEP_MS = 0.01
"""The last digit of a printed time."""
_RUN = re.compile(r"\s*(\d{1,9}): Elapse Time = (\d{1,9}\.\d{2})ms, FPS = (\d{1,12}\.\d{2})\s*")
_MEAN = re.compile(r"Avg Time (\d{1,9}\.\d{2})ms, Avg FPS = (\d{1,12}\.\d{1,6})\s*")
_WARMUP = re.compile(r"Warmup \.\.\.\s*")
_BEGIN = re.compile(r"Begin perf \.\.\.\s*")
_ERROR = re.compile(r"rknn run error .*")


class _DamagedError(ValueError):
    """Output that contradicts itself or breaks off; stays in here."""


def bench_tool() -> BenchTool:
    """`rknn_benchmark MODEL INPUTS LOOPS`: no inputs are given, so it makes its own."""
    return BenchTool(
        *(NAME, OWN_WARMUP, lambda model, loops: [model, "", str(loops)], parse_rknn_benchmark),
        *(tensors_of_benchmark, AT_RUN_TIME),
    )


def parse_rknn_benchmark(text: str, loops: int) -> Call | Failure:
    """Times of the `loops` runs after the warm-up, us; UNPARSED_OUTPUT for anything doubtful."""
    if error := next((line for line in text.splitlines() if _ERROR.match(line.strip())), None):
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, f"{NAME}: {error.strip()}"[:300])
    try:
        # A line counts only when its end was printed, so that a cut number is never a shorter one.
        return _parse([line.removesuffix("\r") for line in text.split("\n")[:-1]], loops)
    except _DamagedError as damage:
        return unparsed(NAME, str(damage), text)


def _parse(lines: list[str], loops: int) -> Call:
    warmups, runs = list[float](), list[float]()
    phase = "head"
    mean: tuple[str, str] | None = None
    for line in lines:
        if _WARMUP.fullmatch(line) and phase == "head":
            phase = "warmup"
        elif _BEGIN.fullmatch(line) and phase == "warmup":
            phase = "perf"
        elif (match := _RUN.fullmatch(line)) and phase == "warmup":
            warmups.append(_run(match, len(warmups)))
        elif match and phase == "perf":
            runs.append(_run(match, len(runs)))
        elif (match := _MEAN.fullmatch(line)) and phase == "perf":
            phase, mean = "end", (match[1], match[2])
        elif re.search(r"Elapse Time|Avg Time|Begin perf|Warmup \.\.\.", line):
            raise _DamagedError(f"the line {line.strip()[:80]!r} is not whole, or not where it belongs")
    if mean is None:
        raise _DamagedError("there is no whole average")
    if len(runs) != loops:
        raise _DamagedError(f"{loops} runs were asked for, and {len(runs)} are listed")
    _check_mean(runs, float(mean[0]))
    samples = tuple(round(ms * 1000, 1) for ms in runs)
    return Call(samples, {"own_warmup_runs": len(warmups), "mean_ms": float(mean[0]), "fps": float(mean[1])})


def _run(match: re.Match[str], expected: int) -> float:
    """Milliseconds of a run. Raises _DamagedError unless it is the expected one, counted from 0."""
    index, ms, fps = int(match[1]), float(match[2]), float(match[3])
    if index != expected:
        raise _DamagedError(f"run {expected} is missing: the next one is {index}")
    if ms <= 0:
        raise _DamagedError(f"run {index} took {match[2]} ms, which is less than the tool can tell")
    half = STEP_MS / 2
    least = 1000 / (ms + half)
    most = 1000 / (ms - half)
    if not least * 0.999 - 0.01 <= fps <= most * 1.001 + 0.01:
        raise _DamagedError(f"run {index}: {match[2]} ms and {match[3]} FPS contradict each other")
    return ms


def _check_mean(runs: list[float], told_ms: float) -> None:
    mean_ms = sum(runs) / len(runs)
    if abs(mean_ms - told_ms) > STEP_MS * 1.01 + 0.01 * mean_ms:
        raise _DamagedError(f"the runs average {mean_ms:.3f} ms, and {told_ms} ms is told")
