"""What OpenVINO's benchmark_app says: its statistics as JSON, and on which devices the model really ran."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from npubench.backends.signature import Signature, ToolTensor
from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.records import Completed, Failure, FailureClass, LogCase, Stage
from npubench.tools.board_runner import explain_memory
from npubench.tools.logs import DamagedError, Field, not_whole, note_line, reading
from npubench.tools.process import classify_run

STATISTIC = "benchmark_app tells mean, median, least and greatest of a call, and no single runs"
REPORT = "benchmark_report.json"
_DEVICES = re.compile(
    r"^\[ INFO \] (?:Execution Devices: ?|  EXECUTION_DEVICES: )\[(?P<names>[^\]]*)\]", re.M
)
_ORIGINAL = "Original model I/O parameters:"
_SIDE = re.compile(r"\[ INFO \] Model (input|output)s:")
_TENSOR = re.compile(
    r"\[ INFO \]     (?P<names>.+) \(node: .*\) : (?P<type>\w+) / \[.*?\] / \[(?P<shape>[^\]]*)\]"
)
_UNNAMED = "***NO_NAME***"
_TYPES = {
    **{"f64": "float64", "f32": "float32", "f16": "float16", "boolean": "bool"},
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
_REPORTED = {
    "count": ("total number of iterations", 1),
    "median": ("latency (ms)", 1000),
    "mean": ("avg latency", 1000),
    "min": ("min latency", 1000),
    "max": ("max latency", 1000),
    "compile": ("compile model time (ms)", 1000),
    "first": ("first inference time (ms)", 1000),
    "fps": ("throughput", 1),
}
"""What its report as JSON calls a figure, and what makes microseconds of it."""


@dataclass(frozen=True, slots=True)
class Report:
    """One call: microseconds a run, and how many runs there were."""

    runs: int
    median_us: float
    mean_us: float
    min_us: float
    max_us: float
    compile_us: float
    first_us: float
    throughput_fps: float


@reading(Stage.MEASURE, "benchmark_app")
def parse_report(text: str) -> Report:
    """The report of `-json_stats` (its figures are texts, in milliseconds)."""
    try:
        told = {key: float(value) for key, value in json.loads(text)["execution_results"].items()}
        found = {key: told[name] * factor for key, (name, factor) in _REPORTED.items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise DamagedError(f"its report: {type(error).__name__}: {error}") from error
    return _made(found)


def _made(found: Mapping[str, float]) -> Report:
    """Raises DamagedError where no machine can have measured these."""
    count, median, mean, least, most = (found[key] for key in ("count", "median", "mean", "min", "max"))
    if not 1 <= count < math.inf or not all(0 < least <= one <= most for one in (median, mean)):
        figures = f"least {least:g}, median {median:g}, mean {mean:g}, greatest {most:g} us"
        raise DamagedError(f"{count:g} runs, {figures}")
    others = [found[key] for key in ("compile", "first", "fps") if key in found]
    if not all(0 < value < math.inf for value in (most, *others)):
        told = ", ".join(f"{value:g}" for value in others)
        raise DamagedError(f"compilation, first inference and throughput are {told}")
    times = (found.get(key, math.nan) for key in ("median", "mean", "min", "max", "compile", "first", "fps"))
    return Report(int(count), *times)


def execution_devices(output: str) -> tuple[str, ...]:
    """The devices that benchmark_app says it ran on; none where it does not say."""
    found = list(_DEVICES.finditer(output))
    names = found[-1]["names"] if found else ""
    return tuple(name.strip().strip("'\"") for name in names.split(",") if name.strip())


def tensors_of(output: str) -> Signature:
    """Inputs and outputs of the model as benchmark_app read it; nothing is told where it lists none."""
    start = output.find(_ORIGINAL)
    end = output.find("[Step 5/", start)
    if start < 0 or end < 0:
        return Signature()
    found: dict[str, list[ToolTensor]] = {"input": [], "output": []}
    side = ""
    for line in output[start:end].splitlines():
        if head := _SIDE.fullmatch(line.rstrip()):
            side = head[1]
        elif side and (match := _TENSOR.fullmatch(line.rstrip())):
            found[side].append(_told(match))
    return Signature(tuple(found["input"]) or None, tuple(found["output"]) or None)


def _told(match: re.Match[str]) -> ToolTensor:
    sizes = [size for size in match["shape"].split(",") if size]
    # A tensor may have several names, and a size may be a range.
    name = None if match["names"] == _UNNAMED or " , " in match["names"] else match["names"]
    known = all(size.isdecimal() for size in sizes)
    return ToolTensor(name, tuple(map(int, sizes)) if known else None, _TYPES.get(match["type"]))


def failure_of_run(done: Completed) -> Failure | None:
    """Why a call gave no report, in its own words of an error where it has any."""
    failure = classify_run("benchmark_app", done, explain_memory)
    if failure is None or failure.failure_class is not FailureClass.TOOL_ERROR:
        return failure
    errors = [line.strip() for line in done.output.splitlines() if "[ ERROR ]" in line]
    if not errors:
        return failure
    message = f"benchmark_app ended with exit code {done.returncode}: {errors[-1]}"[:300]
    return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)


_STEP = re.compile(r"\[Step \d{1,2}/\d{1,2}\] |\[ INFO \] (?:Throughput|Execution Devices): ?")
_TIME = r" *(\d{1,12}(?:\.\d{1,6})?) (us|ms|s)"
_LINES = {
    "median": re.compile(rf"\[ INFO \] +Median:{_TIME}"),
    "mean": re.compile(rf"\[ INFO \] +Average:{_TIME}"),
    "min": re.compile(rf"\[ INFO \] +Min:{_TIME}"),
    "max": re.compile(rf"\[ INFO \] +Max:{_TIME}"),
    "compile": re.compile(rf"\[ INFO \] Compile model took{_TIME}"),
    "first": re.compile(rf"\[ INFO \] First inference took{_TIME}"),
    "count": re.compile(r"\[ INFO \] Count: +(\d{1,12}) (iterations)"),
    "fps": re.compile(r"\[ INFO \] Throughput: +(\d{1,12}(?:\.\d{1,6})?) (FPS)"),
}
_KNOWN = re.compile(r"\[ INFO \] +(?:Median|Average|Min|Max|Count|Throughput):")
_REQUESTS = re.compile(r"\[Step 10/11\] .*\(Start inference asynchronously, (\d{1,6}) inference requests")
_ERROR = re.compile(r"\[ ERROR \] *(.*\S)")
_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "iterations": 1.0, "FPS": 1.0}
_FIELDS: dict[str, Field] = {
    key: (pattern, lambda line: float(line[1]) * _US[line[2]]) for key, pattern in _LINES.items()
}


def read_log(text: str) -> tuple[LogCase, ...]:
    """What a report or printout tells; nothing where it is neither."""
    if text.lstrip().startswith("{") and '"execution_results"' in text:
        report = parse_report(text)
        return (LogCase(failure=report) if isinstance(report, Failure) else _case(report, "", 1),)
    lines = [line[:1000] for line in text.split("\n")]
    if not any(map(_STEP.match, lines)):
        return ()
    requests = {int(match[1]) for line in lines if (match := _REQUESTS.match(line))}
    found = _report(text)
    if isinstance(found, Failure):
        return (LogCase(failure=found),)
    return (_case(found, ", ".join(execution_devices(text)), requests.pop() if len(requests) == 1 else 1),)


@reading(Stage.MEASURE, "benchmark_app")
def _report(text: str) -> Report | Failure:
    """The statistics: all of them, each once. The last line may lack its end: each ends with its unit."""
    found: dict[str, float] = {}
    lines = [line[:1000] for line in text.split("\n")]
    for line in lines:
        if not note_line(line, _FIELDS, found) and _KNOWN.match(line):
            raise not_whole(line)
    missing = [key for key in _LINES if key not in found and key not in {"compile", "first"}]
    if missing:
        printed = [match[1] for line in lines if (match := _ERROR.match(line))]
        if printed:
            message = f"benchmark_app: {printed[-1]}"[:300]
            return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
        raise DamagedError(f"there is no whole line of {', '.join(missing)}")
    return _made(found)


def _case(report: Report, devices: str, requests: int) -> LogCase:
    """One call; the times of several requests at once are no time of one alone."""
    at_once = f"{requests} requests ran at once: the latency is under that load"
    figures = Figures(
        kind=Kind.MEASURED,
        latency_us=Latency(
            n=report.runs,
            mean=report.mean_us,
            min=report.min_us,
            max=report.max_us,
            rounds_p50=(report.median_us,),
        ),
        throughput_fps=report.throughput_fps,
        load_us=report.compile_us if math.isfinite(report.compile_us) else None,
        statistic=STATISTIC,
        calls_overlap=True,
        details={
            "call_medians_us": [report.median_us],
            "runs_per_call": [report.runs],
            "execution_devices": [devices] if devices else [],
            "requests": requests,
        },
    )
    return LogCase(figures=figures, warnings=(at_once,) if requests > 1 else ())
