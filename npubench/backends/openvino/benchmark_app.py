"""What OpenVINO's benchmark_app says: its statistics as JSON, and on which devices the model really ran."""

import json
import re
from dataclasses import dataclass

from npubench.records import Completed, Failure, FailureClass, Stage

REPORT = "benchmark_report.json"
_DEVICES = re.compile(
    r"^\[ INFO \] (?:Execution Devices: ?|  EXECUTION_DEVICES: )\[(?P<names>[^\]]*)\]", re.M
)


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
        return Report(
            runs=int(found["total number of iterations"]),
            median_us=found["latency (ms)"] * 1000,
            mean_us=found["avg latency"] * 1000,
            min_us=found["min latency"] * 1000,
            max_us=found["max latency"] * 1000,
            compile_us=found["compile model time (ms)"] * 1000,
            first_us=found["first inference time (ms)"] * 1000,
            throughput_fps=found["throughput"],
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"benchmark_app's report cannot be read: {type(error).__name__}: {error}"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)


def execution_devices(output: str) -> tuple[str, ...]:
    """The devices that benchmark_app says it ran on; none where it does not say."""
    found = list(_DEVICES.finditer(output))
    names = found[-1]["names"] if found else ""
    return tuple(name.strip().strip("'\"") for name in names.split(",") if name.strip())


def failure_of_run(done: Completed, deadline_s: float) -> Failure | None:
    """Why a call gave no report; None when nothing speaks against it."""
    if done.timed_out:
        message = f"benchmark_app did not end within {deadline_s:.0f} s; --deadline gives more"
        return Failure(Stage.MEASURE, FailureClass.HANG, message)
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    told = next(
        (line for line in reversed(lines) if "[ ERROR ]" in line), lines[-1] if lines else "no output"
    )
    crashed = done.returncode < 0
    failure_class = FailureClass.CRASH if crashed else FailureClass.TOOL_ERROR
    how = f"signal {-done.returncode}" if crashed else f"exit code {done.returncode}"
    return Failure(Stage.MEASURE, failure_class, f"benchmark_app ended with {how}: {told}"[:300])
