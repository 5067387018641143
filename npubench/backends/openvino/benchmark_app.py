"""What OpenVINO's benchmark_app says: its statistics as JSON, and on which devices the model really ran."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from npubench.backends.isolated.on_board import failed_run
from npubench.backends.signature import Signature, Told
from npubench.domain.records import Completed, Failure, FailureClass, Stage

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


def parse_report(text: str) -> Report | Failure:
    """The report of `-json_stats` (its figures are texts, in milliseconds)."""
    try:
        results = json.loads(text)["execution_results"]
        found = {key: float(value) for key, value in results.items()}
        report = Report(
            runs=int(found["total number of iterations"]),
            median_us=found["latency (ms)"] * 1000,
            mean_us=found["avg latency"] * 1000,
            min_us=found["min latency"] * 1000,
            max_us=found["max latency"] * 1000,
            compile_us=found["compile model time (ms)"] * 1000,
            first_us=found["first inference time (ms)"] * 1000,
            throughput_fps=found["throughput"],
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        message = f"benchmark_app's report cannot be read: {type(error).__name__}: {error}"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message[:300], detail=text)
    others = (report.compile_us, report.first_us, report.throughput_fps)
    if why := doubtful(report, others):
        message = f"benchmark_app's report cannot be believed: {why}"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message, detail=text)
    return report


def doubtful(report: Report, others: Sequence[float]) -> str | None:
    """Why no machine can have measured these times, and `others` of the report; None when one can."""
    middles = (report.median_us, report.mean_us)
    if report.runs < 1 or not all(0 < report.min_us <= one <= report.max_us for one in middles):
        return (
            f"{report.runs} runs, least {report.min_us:g}, median {report.median_us:g},"
            f" mean {report.mean_us:g}, greatest {report.max_us:g} us"
        )
    if not all(0 < value < math.inf for value in (report.max_us, *others)):
        return f"compilation, first inference and throughput are {', '.join(f'{v:g}' for v in others)}"
    return None


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
    found: dict[str, list[Told]] = {"input": [], "output": []}
    side = ""
    for line in output[start:end].splitlines():
        if head := _SIDE.fullmatch(line.rstrip()):
            side = head[1]
        elif side and (match := _TENSOR.fullmatch(line.rstrip())):
            found[side].append(_told(match))
    return Signature(tuple(found["input"]) or None, tuple(found["output"]) or None)


def _told(match: re.Match[str]) -> Told:
    sizes = [size for size in match["shape"].split(",") if size]
    # A tensor may have several names, and a size may be a range.
    name = None if match["names"] == _UNNAMED or " , " in match["names"] else match["names"]
    known = all(size.isdecimal() for size in sizes)
    return Told(name, tuple(map(int, sizes)) if known else None, _TYPES.get(match["type"]))


def failure_of_run(done: Completed, deadline_s: float) -> Failure | None:
    """Why a call gave no report, in its own words of an error where it has any."""
    failure = failed_run("benchmark_app", done, deadline_s)
    if failure is None or failure.failure_class is not FailureClass.TOOL_ERROR:
        return failure
    told = [line.strip() for line in done.output.splitlines() if "[ ERROR ]" in line]
    if not told:
        return failure
    message = f"benchmark_app ended with exit code {done.returncode}: {told[-1]}"[:300]
    return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
