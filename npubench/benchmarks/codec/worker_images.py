"""Scales, crops and converts with PyAV's swscale, frame by frame; in the worker."""

import hashlib
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.recipes import EXACT
from npubench.benchmarks.codec.worker_frames import Budget, filter_graph, raw_frames


def image(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `engines.pyav` makes a `Found` of."""
    frames = raw_frames(Path(job["input"]), job["width"], job["height"])
    rounds: list[list[float]] = []
    seconds: list[float] = []
    cpu_s = 0.0
    for _ in range(job["rounds"]):
        graph, budget = _graph(job, ""), Budget(job)
        cpu, started = time.process_time(), time.perf_counter()
        rounds.append(_one_round(graph, frames, budget))
        seconds.append(time.perf_counter() - started)
        cpu_s += time.process_time() - cpu
    done = [len(one) for one in rounds]
    return {
        **_checked(job, frames),
        "round_frames": done,
        "round_seconds": seconds,
        "frames_fed": sum(done),
        "cpu_s": cpu_s,
        "samples_us": rounds,
    }


def _graph(job: Mapping[str, Any], exact: str) -> Any:
    return filter_graph(job["filters"].format(exact=exact), job["width"], job["height"], "nv12")


def _checked(job: Mapping[str, Any], frames: list[Any]) -> dict[str, Any]:
    """Number and SHA-256 of the results, computed in the way that no processor changes."""
    graph, total, number = _graph(job, EXACT), hashlib.sha256(), 0
    for frame in frames:
        graph.push(frame)
        result = graph.pull()
        if (result.width, result.height) == tuple(job["output"]):
            number += 1
        total.update(result.to_ndarray().tobytes())
    return {"frames": number, "frames_sha256": total.hexdigest(), "psnr_db": None}


def _one_round(graph: Any, frames: list[Any], budget: Budget) -> list[float]:
    samples: list[float] = []
    for number in count():
        if budget.spent(number):
            break
        frame = frames[number % len(frames)]
        frame.pts = number
        started = time.perf_counter_ns()
        graph.push(frame)
        graph.pull()
        samples.append((time.perf_counter_ns() - started) / 1000)
    return samples
