"""`trace.json` of `pulsar2 build --compiler.npu_perf`: the compiler's own timeline of a subgraph's tasks.

Format: Pulsar 2 documentation (other_tools/profiling) and the Chrome trace event format, whose times are
us. A row (thread) is an execution unit: teng, sdma, cv, conv, with a number behind the name. A task's title
is `[ld:|st:]OPERATOR_<topo>_<tile>`, its colour says what it moves to and from DDR. The file tells no bytes.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npubench.backends.axera.lines import DamagedError, unparsed
from npubench.domain.records import Failure, Stage

MOST_CHARACTERS = 1 << 28
SWAP_IN = "ld:ddr_swap"
SWAP_OUT = "st:ddr_swap"
CYCLES_PER_US = 1000
"""Toolchain 6.0 was seen to write cycles as if each took 1 ns: then the times are of no board's clock."""
_CYCLES_APART = 0.01
_PREFIX = re.compile(r"^(?:(?:ld|st):)+")
_SUFFIX = re.compile(r"_+s?[0-9]+(?:_gop)?_+s?[0-9]+$")
_KIND = re.compile(r"[0-9_]+$")
_SECONDS = 1e12
"""us that no inference takes; a time beyond it is none."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TraceUnit:
    """One execution unit: time at work and idle within the timeline, us; tasks that overlap count once."""

    unit: str
    tasks: int
    busy_us: float
    idle_us: float


@dataclass(frozen=True, slots=True)
class TraceLayer:
    """One operator: `time_us` from all its tasks, those at once counted once; `busy_us` by unit, us."""

    layer: str
    tasks: int
    time_us: float
    busy_us: Mapping[str, float]
    ddr_swap_us: float


@dataclass(frozen=True, slots=True)
class Trace:
    """The timeline of a subgraph; all times in us as the file has them (see CYCLES_PER_US).

    `swap_in_us` and `swap_out_us` are the durations of tasks that move what does not fit on the chip.
    """

    span_us: float
    units: tuple[TraceUnit, ...]
    layers: tuple[TraceLayer, ...]
    swap_in_us: float = 0.0
    swap_out_us: float = 0.0
    swap_tasks: int = 0

    def in_cycles(self, max_cycle: int | None) -> bool:
        """Whether the times are cycles written as ns: the timeline is as long as the log's cycles."""
        cycles = self.span_us * CYCLES_PER_US
        return bool(max_cycle) and abs(cycles - (max_cycle or 0)) <= _CYCLES_APART * (max_cycle or 0)


@dataclass(frozen=True, slots=True)
class _Task:
    unit: str
    layer: str
    swap: str
    begin: float
    end: float


def parse_trace(text: str) -> Trace | Failure:
    """The timeline; UNPARSED_OUTPUT for a file that breaks off or has times that are none."""
    try:
        return _trace(_tasks(_events(text)))
    except DamagedError as damage:
        return unparsed(Stage.COMPILE, "trace.json", str(damage), text[:10_000])


def plain(trace: Trace, max_cycle: int | None) -> dict[str, Any]:
    """A timeline for the details of a row; times in cycles where they are none in us."""
    cycles = trace.in_cycles(max_cycle)
    unit = "cycles" if cycles else "us"

    def of(us: float) -> float:
        return round(us * CYCLES_PER_US) if cycles else round(us, 3)

    return {
        f"span_{unit}": of(trace.span_us),
        f"ddr_swap_in_{unit}": of(trace.swap_in_us),
        f"ddr_swap_out_{unit}": of(trace.swap_out_us),
        "ddr_swap_tasks": trace.swap_tasks,
        "units": [
            {
                "unit": one.unit,
                "tasks": one.tasks,
                f"busy_{unit}": of(one.busy_us),
                f"idle_{unit}": of(one.idle_us),
            }
            for one in trace.units
        ],
        "layers": [
            {
                "layer": one.layer,
                "tasks": one.tasks,
                f"time_{unit}": of(one.time_us),
                f"busy_{unit}": {name: of(us) for name, us in one.busy_us.items()},
                f"ddr_swap_{unit}": of(one.ddr_swap_us),
            }
            for one in trace.layers
        ],
    }


def layer_of(title: str) -> str:
    """The operator that a task's title names: without its prefix, topological number and tile."""
    return _SUFFIX.sub("", _PREFIX.sub("", title)) or title


def _events(text: str) -> Sequence[Any]:
    if len(text) > MOST_CHARACTERS:
        raise DamagedError(f"it has more than {MOST_CHARACTERS >> 20} million characters")
    try:
        root = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"it is no whole JSON: {str(error)[:80]}") from error
    events = root.get("traceEvents") if isinstance(root, dict) else root
    if not isinstance(events, list) or not all(isinstance(one, dict) for one in events):
        raise DamagedError("there are no traceEvents")
    return events


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no time")


def _tasks(events: Sequence[Mapping[str, Any]]) -> list[_Task]:
    names = {
        (str(one.get("pid")), str(one.get("tid"))): str(_dict(one.get("args")).get("name"))
        for one in events
        if one.get("ph") == "M" and one.get("name") == "thread_name"
    }
    open_phases = sorted({_phase(one) for one in events} - {"X", "M", "C", "s", "t", "f", "i", "I"})
    if open_phases:
        raise DamagedError(f"events of phase {', '.join(open_phases)[:40]} have no duration of their own")
    tasks = [_task(one, names) for one in events if _phase(one) == "X"]
    if not tasks:
        raise DamagedError("there is no task in it")
    return tasks


def _phase(event: Mapping[str, Any]) -> str:
    """The kind of an event; one that has a duration is whole though it may not say so."""
    return str(event.get("ph", "X" if "dur" in event else None))


def _task(event: Mapping[str, Any], names: Mapping[tuple[str, str], str]) -> _Task:
    title, thread = event.get("name"), str(event.get("tid"))
    unit = names.get((str(event.get("pid")), thread), thread)
    if not isinstance(title, str) or not title or event.get("tid") is None:
        raise DamagedError("a task has no name or no unit")
    begin, duration = _time(event, "ts"), _time(event, "dur")
    colour = str(event.get("cname") or _dict(event.get("args")).get("cname") or "")
    swap = colour if colour in (SWAP_IN, SWAP_OUT) else ""
    return _Task(unit, layer_of(title), swap, begin, begin + duration)


def _time(event: Mapping[str, Any], key: str) -> float:
    value = event.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DamagedError(f"{key} of {str(event.get('name'))[:60]!r} is no number")
    if not (math.isfinite(value) and 0 <= value <= _SECONDS):
        raise DamagedError(f"{key} of {str(event.get('name'))[:60]!r} is {value:g}")
    return float(value)


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _trace(tasks: Sequence[_Task]) -> Trace:
    span = max(task.end for task in tasks) - min(task.begin for task in tasks)
    if span <= 0:
        raise DamagedError("all of its tasks together take no time")
    by_unit = _grouped(tasks, lambda task: task.unit)
    units = [
        TraceUnit(unit, len(own), busy, max(0.0, span - busy))
        for unit, own in by_unit.items()
        for busy in [_covered((task.begin, task.end) for task in own)]
    ]
    layers = [_layer(layer, own) for layer, own in _grouped(tasks, lambda task: task.layer).items()]
    return Trace(
        span_us=span,
        units=tuple(sorted(units, key=lambda one: (_KIND.sub("", one.unit), one.unit))),
        layers=tuple(layers),
        swap_in_us=_sum(task for task in tasks if task.swap == SWAP_IN),
        swap_out_us=_sum(task for task in tasks if task.swap == SWAP_OUT),
        swap_tasks=sum(bool(task.swap) for task in tasks),
    )


def _layer(layer: str, tasks: Sequence[_Task]) -> TraceLayer:
    return TraceLayer(
        layer=layer,
        tasks=len(tasks),
        time_us=_covered((task.begin, task.end) for task in tasks),
        busy_us={unit: _sum(own) for unit, own in _grouped(tasks, lambda task: task.unit).items()},
        ddr_swap_us=_sum(task for task in tasks if task.swap),
    )


def _grouped(tasks: Sequence[_Task], key: Any) -> dict[str, list[_Task]]:
    groups: dict[str, list[_Task]] = {}
    for task in tasks:
        groups.setdefault(key(task), []).append(task)
    return groups


def _sum(tasks: Iterable[_Task]) -> float:
    return sum(task.end - task.begin for task in tasks)


def _covered(spans: Iterable[Span]) -> float:
    """How long at least one of them lasts."""
    total, until = 0.0, -math.inf
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total
