"""What `benchmark_app` printed elsewhere: its report as JSON, or the statistics that it ends with.

Format: as release 2026.4 prints it; the unit of each time is chosen by its size (us, ms, s).
"""

import math
import re

from npubench.backends.openvino.benchmark_app import Report, doubtful, execution_devices, parse_report
from npubench.domain.records import Failure, FailureClass, Figures, Kind, Latency, LogCase, Stage

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


def read_log(text: str) -> tuple[LogCase, ...]:
    """What a report or printout tells; nothing where it is neither."""
    if text.lstrip().startswith("{") and '"execution_results"' in text:
        report = parse_report(text)
        return (LogCase(failure=report) if isinstance(report, Failure) else _case(report, "", 1),)
    lines = [line[:1000] for line in text.split("\n")]
    if not any(map(_STEP.match, lines)):
        return ()
    requests = {int(match[1]) for line in lines if (match := _REQUESTS.match(line))}
    found = _report(lines)
    if isinstance(found, Failure):
        return (LogCase(failure=found),)
    return (_case(found, ", ".join(execution_devices(text)), requests.pop() if len(requests) == 1 else 1),)


def _report(lines: list[str]) -> Report | Failure:
    """The statistics: all of them, each once. The last line may lack its end: each ends with its unit."""
    found: dict[str, float] = {}
    for line in lines:
        match = None
        for key, pattern in _LINES.items():
            if match := pattern.fullmatch(line):
                value = float(match[1]) * _US[match[2]]
                if found.setdefault(key, value) != value:
                    return _unreadable(f"{key} is given twice")
                break
        if match is None and _KNOWN.match(line):
            return _unreadable(f"the line {line[:80]!r} is not whole")
    missing = [key for key in _LINES if key not in found and key not in {"compile", "first"}]
    if missing:
        said = [match[1] for line in lines if (match := _ERROR.match(line))]
        if said:
            message = f"benchmark_app: {said[-1]}"[:300]
            return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
        return _unreadable(f"there is no whole line of {', '.join(missing)}")
    report = Report(
        runs=int(found["count"]),
        median_us=found["median"],
        mean_us=found["mean"],
        min_us=found["min"],
        max_us=found["max"],
        compile_us=found.get("compile", math.nan),
        first_us=found.get("first", math.nan),
        throughput_fps=found["fps"],
    )
    why = doubtful(report, [found[key] for key in ("compile", "first", "fps") if key in found])
    return _unreadable(why) if why else report


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
        details={
            "statistic": "benchmark_app tells mean, median, least and greatest of a call, and no single runs",
            "call_medians_us": [report.median_us],
            "runs_per_call": [report.runs],
            "execution_devices": [devices] if devices else [],
            "requests": requests,
        },
    )
    return LogCase(figures=figures, warnings=(at_once,) if requests > 1 else ())


def _unreadable(why: str) -> Failure:
    message = f"benchmark_app printed what cannot be read: {why}"[:300]
    return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
