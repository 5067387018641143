"""ONNX Runtime's own profile of a session: runs, and what each node of the optimised graph took in them.

A JSON array of events with whole microseconds. A run is an event `model_run` and comes after its kernels,
which are called `NODE_kernel_time`; nodes within branches and loops have kernels within that of the node
that holds them. (onnxruntime/core/common/profiler.cc;
docs/performance/tune-performance/profiling-tools.md)
"""

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.specs import Shape
from npubench.measure.onnx_session import open_session

KERNEL = "_kernel_time"
RUNS, LONGEST_S = 9, 0.5
"""Runs at most, the first of which is cold, and how long they may take: none begins after that."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One run of a node."""

    name: str  # of the node
    operator: str  # its type in the optimised graph
    start_us: float  # since the session began
    time_us: float  # of whole microseconds
    arguments: Mapping[str, Any]  # what else the profile tells of it


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the model, by the profile."""

    total_us: float  # of its event model_run
    kernels: tuple[Kernel, ...]  # in the order in which they began


@dataclass(frozen=True, slots=True)
class NodeTime:
    """What a node took in one run, on the mean of several."""

    kernel: Kernel  # one of its runs
    number: int  # which of the nodes of that name and operator it is, in the order in which they run
    time_us: float  # of its run


@dataclass(frozen=True, slots=True)
class Times:
    """Means over the runs that count."""

    nodes: tuple[NodeTime, ...]  # in the order in which they ran
    total_us: float  # of a run
    runs: int  # that count
    of: int  # runs in the profile
    complete: bool  # whether all runs have the same kernels


def profile_runs(model: Path, feeds: Mapping[str, Any], prefix: Path, options: Any, most: int) -> None:
    """Leave the profile of at most `most` runs in a session of its own. Raises what ONNX Runtime raises."""
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    session = open_session(model, options)
    end = time.perf_counter() + LONGEST_S
    for number in range(most):
        if number and time.perf_counter() >= end:
            break
        session.run(None, dict(feeds))
    session.end_profiling()


def read_runs(text: str) -> tuple[Run, ...]:
    """The runs of a profile; those of one that is cut off up to its end. Raises ValueError of what is none."""
    runs, kernels = list[Run](), list[Kernel]()
    for event in _events(text):
        if not isinstance(event, Mapping) or not isinstance(event.get("name"), str):
            continue
        name, took = event["name"], event.get("dur")
        if not isinstance(took, (int, float)) or isinstance(took, bool) or not 0 <= took < math.inf:
            continue
        if event.get("cat") == "Node" and name.endswith(KERNEL):
            arguments = event.get("args")
            told = arguments if isinstance(arguments, Mapping) else {}
            start = event.get("ts")
            kernels.append(
                Kernel(
                    *(name.removesuffix(KERNEL), str(told.get("op_name", ""))),
                    *(float(start) if isinstance(start, (int, float)) else 0.0, float(took), told),
                )
            )
        elif event.get("cat") == "Session" and name == "model_run":
            runs.append(Run(float(took), tuple(sorted(kernels, key=lambda one: one.start_us))))
            kernels = []
    return tuple(runs)


def _events(text: str) -> list[Any]:
    try:
        events = json.loads(text)
    except ValueError:
        # A process that ended before it closed the array wrote an event a line.
        events = json.loads(f"{text[: text.rfind('}') + 1]}]")
    if not isinstance(events, list):
        raise ValueError("a profile of ONNX Runtime is an array of events")
    return events


def times_of(runs: Sequence[Run]) -> Times | None:
    """Each node's mean over the faster half of the runs, the first of several left out; None without any.

    The first run is cold, and slow ones are other programs' doing. Kernels within another one's time are in
    that one's.
    """
    warm = runs[1:] or runs
    if not warm:
        return None
    kept = sorted(warm, key=lambda run: run.total_us)[: (len(warm) + 1) // 2]
    added: defaultdict[tuple[str, str, int], list[Kernel]] = defaultdict(list)
    counts = list[Counter[tuple[str, str]]]()
    for run in kept:
        seen = Counter[tuple[str, str]]()
        for kernel in _outermost(run.kernels):
            added[kernel.name, kernel.operator, seen[kernel.name, kernel.operator]].append(kernel)
            seen[kernel.name, kernel.operator] += 1
        counts.append(seen)
    nodes = tuple(
        NodeTime(ran[0], number, math.fsum(one.time_us for one in ran) / len(kept))
        for (_, _, number), ran in added.items()
    )
    total_us = math.fsum(run.total_us for run in kept) / len(kept)
    return Times(nodes, total_us, len(kept), len(runs), all(one == counts[0] for one in counts))


def _outermost(kernels: Sequence[Kernel]) -> list[Kernel]:
    found: list[Kernel] = []
    end = -math.inf
    for kernel in kernels:
        # Both are rounded down, so what follows never begins before the end of the one before.
        if kernel.start_us >= end:
            end = kernel.start_us + kernel.time_us
            found.append(kernel)
    return found


def tensors(kernel: Kernel, side: str) -> tuple[tuple[str, Shape], ...]:
    """Types and shapes of the inputs, packed weights left out, or of the outputs."""
    listed = kernel.arguments.get(f"{side}_type_shape", ())
    return tuple(
        (dtype, tuple(shape)) for one in listed if isinstance(one, Mapping) for dtype, shape in one.items()
    )
