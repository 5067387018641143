"""The precision tables of `pulsar2 build`: cosine and mean squared error of every layer against FP32.

Format: Pulsar 2 documentation. A title names the method (PerLayer: every layer is fed FP32's values;
EndToEnd: the error of all layers before it is in it) and what computed it (Reference, NPUBackend). The
columns differ by version and are read by their names; at a narrow terminal a row is wrapped over several
lines and long cells are cut with an ellipsis. Another table, of outliers, has the same looks.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from npubench.domain.records import Accuracy, Failure, Figures, NoAccuracy, Stage
from npubench.tools.logs import DamagedError, unparsed

PRECISION = "quant/debug/precision_analysis_table.txt"


CUT = "…"
END_TO_END = "EndToEnd"
_TITLE = re.compile(r"\s*Quant Precision Table\s*[【\[]\s*(\w+)\s+(\w+)\s*[】\]]\s*")
_TITLE_BEGINS = re.compile(r"\s*Quant Precision Table\b")
_TOP = re.compile(r"\s*┏[━┳]+┓\s*")
_HEAD = re.compile(r"\s*┃(.*)┃\s*")
_UNDER_HEAD = re.compile(r"\s*┡[━╇]+┩\s*")
_BODY = re.compile(r"\s*│(.*)│\s*")
_BETWEEN = re.compile(r"\s*├[─┼]+┤\s*")
_BOTTOM = re.compile(r"\s*└[─┴]+┘\s*")
_NUMBER = re.compile(r"(?i)-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:e[-+]?[0-9]{1,3})?|[-+]?(?:nan|inf)")
_COLUMNS = {
    "operator": ("operator",),
    "op_type": ("type",),
    "output": ("output tensor",),
    "shape": ("shape",),
    "dtype": ("dtype", "data type"),
    "quantised": ("qdtype",),
    "cosine": ("cosin", "cosine", "cosin distance"),
    "mse": ("mse",),
}
_NEEDED = ("operator", "output", "cosine")
_SLACK = 1e-5
"""By how much the tool's own sum may pass 1."""


@dataclass(frozen=True, slots=True)
class LayerAccuracy:
    """One output of one layer; `cosine` and `mse` are None where the cell is cut or no finite number.

    A name that ends with an ellipsis was cut by the tool. `mse` is in squared units of the output.
    """

    operator: str
    output: str
    cosine: float | None
    op_type: str = ""
    shape: str = ""
    dtype: str = ""
    quantised: str = ""
    mse: float | None = None
    finite: bool = True


@dataclass(frozen=True, slots=True)
class PrecisionTable:
    """A whole table: `method` is PerLayer or EndToEnd, `mode` Reference or NPUBackend."""

    method: str
    mode: str
    layers: tuple[LayerAccuracy, ...]


@dataclass(slots=True)
class _Open:
    """A table that is being read; `rows` are lists of lines, each line a list of cells."""

    method: str
    mode: str
    head: list[list[str]] = field(default_factory=list)
    rows: list[list[list[str]]] = field(default_factory=list)
    ruled: bool = False
    part: str = "title"


def tables(lines: Sequence[str]) -> tuple[PrecisionTable, ...]:
    """The precision tables of a log or of the file that the tool saves, in their order.

    Raises DamagedError for one that breaks off or whose cells do not fit its columns.
    """
    found: list[PrecisionTable] = []
    one: _Open | None = None
    for line in lines:
        if title := _TITLE.fullmatch(line):
            if one is not None:
                raise DamagedError(f"the precision table {one.method} {one.mode} does not end")
            one = _Open(title[1], title[2])
        elif _TITLE_BEGINS.match(line):
            raise DamagedError(f"the title {line.strip()[:80]!r} is not whole")
        elif one is not None and _take(line, one):
            found.append(_table(one))
            one = None
    if one is not None:
        raise DamagedError(f"the precision table {one.method} {one.mode} breaks off")
    return tuple(table for number, table in enumerate(found) if table not in found[:number])


def with_accuracy(figures: Figures, tables: Sequence[PrecisionTable], outputs: Sequence[str] = ()) -> Figures:
    """The figures with the network's accuracy, and that of every layer in `details["precision"]`.

    `outputs` are the model's; without any the last layer stands for them. Only an EndToEnd table has the
    network's: of a PerLayer one the last layer's figure is taken where there is no other, and named so.
    """
    if not tables:
        return figures
    chosen = next((table for table in reversed(tables) if table.method == END_TO_END), tables[-1])
    details = {**figures.details, "precision": [_plain(table) for table in tables]}
    details["accuracy_from"] = _basis(chosen, outputs)
    taken = _of_outputs(chosen, outputs)
    missing = [name for name, layer in taken.items() if layer is None or layer.cosine is None]
    if missing or not taken:
        infinite = any(layer is not None and not layer.finite for layer in taken.values())
        what = "no finite cosine" if infinite else "no whole cosine"
        why = f"the precision table has {what} of output {', '.join(missing) or 'any'}"
        return replace(
            figures, no_accuracy=NoAccuracy.NOT_COMPARED, no_accuracy_why=why[:300], details=details
        )
    known = {name: layer.cosine for name, layer in taken.items() if layer is not None}
    details["cosine_of_outputs"] = known
    worst = min(cosine for cosine in known.values() if cosine is not None)
    return replace(figures, accuracy=Accuracy(worst, psnr_db=None, max_abs=None), details=details)


def _basis(table: PrecisionTable, outputs: Sequence[str]) -> str:
    where = "the model's outputs" if outputs else "the last layer"
    if table.method == END_TO_END:
        return f"{table.method} {table.mode}: {where} against FP32"
    return (
        f"{table.method} {table.mode}: {where}, each layer fed FP32's values, "
        "so errors of the layers before are not in it"
    )


def _of_outputs(table: PrecisionTable, outputs: Sequence[str]) -> Mapping[str, LayerAccuracy | None]:
    """The last row of each output by its name, None for one that no row is of."""
    if not outputs:
        return {table.layers[-1].output: table.layers[-1]} if table.layers else {}
    return {name: _row_of(table, name, outputs) for name in outputs}


def _row_of(table: PrecisionTable, name: str, outputs: Sequence[str]) -> LayerAccuracy | None:
    exact = [layer for layer in table.layers if layer.output == name]
    if exact:
        return exact[-1]
    fitting = [
        layer
        for layer in table.layers
        if layer.output.endswith(CUT) and name.startswith(layer.output.removesuffix(CUT))
    ]
    # A cut name stands for an output only where it can be no other layer's.
    others = [other for other in outputs if other != name]
    alone = len(fitting) == 1 and not any(
        other.startswith(fitting[0].output.removesuffix(CUT)) for other in others
    )
    return fitting[0] if alone else None


def _plain(table: PrecisionTable) -> dict[str, Any]:
    layers = [
        {
            "layer": one.operator,
            "type": one.op_type,
            "output": one.output,
            "shape": one.shape,
            "dtype": one.dtype,
            "quantised": one.quantised,
            "cosine": one.cosine,
            "mse": one.mse,
        }
        for one in table.layers
    ]
    return {"method": table.method, "mode": table.mode, "layers": layers}


def _take(line: str, one: _Open) -> bool:
    """Take the next line of an open table; whether it was the last one."""
    if one.part == "title" and _TOP.fullmatch(line):
        one.part = "head"
    elif one.part == "head" and (match := _HEAD.fullmatch(line)):
        one.head.append([cell.strip() for cell in match[1].split("┃")])
    elif one.part == "head" and _UNDER_HEAD.fullmatch(line):
        one.part = "between"
    elif one.part in ("between", "row") and (match := _BODY.fullmatch(line)):
        if one.part == "between":
            one.rows.append([])
        one.rows[-1].append([cell.strip() for cell in match[1].split("│")])
        one.part = "row"
    elif one.part == "row" and _BETWEEN.fullmatch(line):
        one.part, one.ruled = "between", True
    elif one.part in ("between", "row") and _BOTTOM.fullmatch(line):
        return True
    elif line.strip() or one.part != "title":
        raise DamagedError(f"the line {line.strip()[:80]!r} stands within a precision table")
    return False


def _table(one: _Open) -> PrecisionTable:
    width = len(one.head[0]) if one.head else 0
    if any(len(line) != width for line in [*one.head, *(line for row in one.rows for line in row)]):
        raise DamagedError(f"the precision table {one.method} {one.mode} has rows of different widths")
    names = [_joined(line[column] for line in one.head).lower() for column in range(width)]
    columns = {key: names.index(name) for key, given in _COLUMNS.items() for name in given if name in names}
    if not all(key in columns for key in _NEEDED):
        raise DamagedError(f"the precision table {one.method} {one.mode} has columns {', '.join(names)}")
    # Without rules between them every line is a row of its own.
    rows = one.rows if one.ruled else [[line] for row in one.rows for line in row]
    if not one.ruled and any(not line[columns["cosine"]] for (line,) in rows):
        rows = one.rows
    cells = [[_joined(line[column] for line in row) for column in range(width)] for row in rows]
    layers = tuple(_layer({key: row[at] for key, at in columns.items()}) for row in cells)
    return PrecisionTable(one.method, one.mode, layers)


def _joined(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)


def _layer(cells: Mapping[str, str]) -> LayerAccuracy:
    cosine = _value(cells["cosine"])
    mse = _value(cells.get("mse", ""))
    if not cells["operator"] or not cells["output"]:
        raise DamagedError("a row of a precision table has no name")
    if cosine is not None and math.isfinite(cosine) and abs(cosine) > 1 + _SLACK:
        raise DamagedError(f"a cosine of {cosine:g} of {cells['operator'][:60]}")
    if mse is not None and mse < 0:
        raise DamagedError(f"a mean squared error of {mse:g} of {cells['operator'][:60]}")
    finite = cosine is None or math.isfinite(cosine)
    return LayerAccuracy(
        operator=cells["operator"],
        output=cells["output"],
        cosine=max(-1.0, min(1.0, cosine)) if cosine is not None and finite else None,
        op_type=cells.get("op_type", ""),
        shape=cells.get("shape", ""),
        dtype=cells.get("dtype", ""),
        quantised=cells.get("quantised", ""),
        mse=mse if mse is not None and math.isfinite(mse) else None,
        finite=finite,
    )


def _value(cell: str) -> float | None:
    """The number of a cell; None for an empty or cut one. Raises DamagedError for anything else."""
    if not cell or cell.endswith(CUT):
        return None
    if not _NUMBER.fullmatch(cell):
        raise DamagedError(f"{cell[:40]!r} is no number of a precision table")
    return float(cell)


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
    layers = [_layer_of_task(layer, own) for layer, own in _grouped(tasks, lambda task: task.layer).items()]
    return Trace(
        span_us=span,
        units=tuple(sorted(units, key=lambda one: (_KIND.sub("", one.unit), one.unit))),
        layers=tuple(layers),
        swap_in_us=_sum(task for task in tasks if task.swap == SWAP_IN),
        swap_out_us=_sum(task for task in tasks if task.swap == SWAP_OUT),
        swap_tasks=sum(bool(task.swap) for task in tasks),
    )


def _layer_of_task(layer: str, tasks: Sequence[_Task]) -> TraceLayer:
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
