"""ONNX Runtime's own profile of a session: runs, and what each node of the optimised graph took in them.

A JSON array of events with whole microseconds. A run is an event `model_run` and comes after its kernels,
which are called `NODE_kernel_time`; nodes within branches and loops have kernels within that of the node
that holds them. (onnxruntime/core/common/profiler.cc;
docs/performance/tune-performance/profiling-tools.md)
"""

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.specs import Shape
from npubench.measure.onnx_session import open_session

KERNEL = "_kernel_time"
RUNS, LONGEST_S = 17, 0.25
"""Runs at most, the first of which is cold, and how long they may take: none but that begins after it."""

LONGEST_US = 1e15
"""A time above this, 30 years, is none."""

FASTEST = 4
"""One run in so many counts: other programs slow the rest."""


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
    """What a node takes in a run, by several."""

    kernel: Kernel  # one of its runs
    number: int  # which of the nodes of that name and operator it is, in the order in which they run
    time_us: float  # of its run


@dataclass(frozen=True, slots=True)
class Times:
    """Means of the fastest runs: of each node's, of whole ones, and of what is left of them beside nodes.

    `total_us` is that of nodes, `outside_us` and `interrupted_us`, which is never negative.
    """

    nodes: tuple[NodeTime, ...]  # in the order in which they ran
    total_us: float  # of a run
    outside_us: float  # of a run, in which no node ran; negative where nodes ran at once
    fastest: int  # runs in a mean
    counted: int  # runs that were there
    complete: bool  # whether all of them have the same kernels

    @property
    def interrupted_us(self) -> float:
        """What the fastest runs took longer than the nodes' own fastest ones."""
        return self.total_us - self.outside_us - math.fsum(node.time_us for node in self.nodes)


def profile_runs(model: Path, feeds: Mapping[str, Any], prefix: Path, options: Any) -> None:
    """Leave the profile of runs in a session of its own. Raises what ONNX Runtime raises."""
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    session = open_session(model, options)
    end = time.perf_counter() + LONGEST_S
    for number in range(RUNS):
        if number and time.perf_counter() >= end:
            break
        session.run(None, dict(feeds))
    session.end_profiling()


def read_runs(text: str) -> tuple[Run, ...]:
    """The runs of a profile, of a cut one up to its end. Raises ValueError of what is none."""
    runs, kernels = list[Run](), list[Kernel]()
    for event in _events(text):
        if not isinstance(event, Mapping) or not isinstance(event.get("name"), str):
            continue
        name, took = event["name"], event.get("dur")
        if not isinstance(took, (int, float)) or isinstance(took, bool) or not 0 <= took < LONGEST_US:
            continue
        if event.get("cat") == "Node" and name.endswith(KERNEL):
            arguments = event.get("args")
            told = arguments if isinstance(arguments, Mapping) else {}
            start = event.get("ts")
            kernels.append(
                Kernel(
                    name.removesuffix(KERNEL),
                    str(told.get("op_name", "")),
                    start_us=float(start) if isinstance(start, (int, float)) else 0.0,
                    time_us=float(took),
                    arguments=told,
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
        # An event a line: what was cut off ends within the last one.
        whole = text.rpartition("\n")[0].rstrip().removesuffix(",")
        events = json.loads(f"{whole}]")
    if not isinstance(events, list):
        raise ValueError("a profile of ONNX Runtime is an array of events")
    return events


def times_of(runs: Sequence[Run]) -> Times | None:
    """Means over the runs, the first of several left out, which is cold; None without any.

    Kernels within another one's time are in that one's. Of runs with other kernels those count that are like
    the fastest one.
    """
    warm = sorted(runs[1:] or runs, key=lambda run: run.total_us)
    if not warm:
        return None
    numbered = [(run.total_us, _numbered(run)) for run in warm]
    first = numbered[0][1]
    like = [one for one in numbered if one[1].keys() == first.keys()]
    most = math.ceil(len(like) / FASTEST)

    def mean(times: Iterable[float]) -> float:
        return math.fsum(sorted(times)[:most]) / most

    return Times(
        tuple(
            NodeTime(kernel, key[-1], mean(one[key].time_us for _, one in like))
            for key, kernel in first.items()
        ),
        mean(total_us for total_us, _ in like),
        mean(total_us - math.fsum(kernel.time_us for kernel in one.values()) for total_us, one in like),
        *(most, len(like), len(like) == len(warm)),
    )


def _numbered(run: Run) -> dict[tuple[str, str, int], Kernel]:
    """A run's kernels by name, operator, and the number among those of the same."""
    found, seen = dict[tuple[str, str, int], Kernel](), Counter[tuple[str, str]]()
    for kernel in _outermost(run.kernels):
        found[kernel.name, kernel.operator, seen[kernel.name, kernel.operator]] = kernel
        seen[kernel.name, kernel.operator] += 1
    return found


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
