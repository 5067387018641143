"""The timed loop: the board's monotonic clock around one call, nothing else inside."""

import gc
import statistics
import time
from array import array
from pathlib import Path
from typing import Any

PROVIDER = "CPUExecutionProvider"
SETTLED = 0.01
WINDOW_NS = 250_000_000


def open_session(path: Path, optimised: bool = True) -> Any:
    """A session that really runs on the CPU. Raises RuntimeError when another provider took over.

    Not `optimised`, every operator runs as the file has it, and none is fused with another.
    """
    import onnxruntime

    from npubench.backends.onnxruntime.values import bound

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=[PROVIDER])
    if session.get_providers() != [PROVIDER]:
        raise RuntimeError(f"asked for {PROVIDER}, got {session.get_providers()}")
    return bound(session)


def warm_up(session: Any, feeds: dict[str, Any], timing: dict[str, Any]) -> dict[str, Any]:
    """Run until the counts are reached and the medians of two windows differ by less than 1 %.

    Settling is given up, and said so, after `warmup_max_s`; the runs that were asked for are made all
    the same. No warm-up at all where none is asked (`warmup` 0).
    """
    started = time.perf_counter()
    medians: list[float] = []
    runs, elapsed = 0, 0.0
    settled = timing["warmup"] == 0
    while runs < timing["warmup"] or not (settled or elapsed >= timing["warmup_max_s"]):
        window = _window(session, feeds)
        runs += len(window)
        medians.append(statistics.median(window))
        elapsed = time.perf_counter() - started
        enough = elapsed >= timing["warmup_min_s"] and len(medians) > 1
        settled = enough and abs(medians[-1] / medians[-2] - 1) < SETTLED
    return {"warmup_runs": runs, "warmup_s": round(elapsed, 3), "warmup_settled": settled}


def _window(session: Any, feeds: dict[str, Any]) -> list[int]:
    times: list[int] = []
    end = time.perf_counter_ns() + WINDOW_NS
    while not times or time.perf_counter_ns() < end:
        begin = time.perf_counter_ns()
        session.run(None, feeds)
        times.append(time.perf_counter_ns() - begin)
    return times


def timed_rounds(session: Any, feeds: dict[str, Any], timing: dict[str, Any]) -> list[list[int]]:
    """Nanoseconds of every run: a round has at least `repeat` runs, which take its share of the seconds."""
    rounds = max(1, timing["rounds"])
    share_ns = int(timing["min_duration_s"] / rounds * 1e9)
    return [_round(session, feeds, timing["repeat"], share_ns) for _ in range(rounds)]


def _round(session: Any, feeds: dict[str, Any], repeat: int, least_ns: int) -> list[int]:
    run, clock = session.run, time.perf_counter_ns
    times = array("q")
    gc.collect()
    gc.disable()
    try:
        busy_ns = 0
        while True:
            begin = clock()
            run(None, feeds)
            taken = clock() - begin
            times.append(taken)
            busy_ns += taken
            if busy_ns >= least_ns and len(times) >= repeat:
                return times.tolist()
    finally:
        gc.enable()
