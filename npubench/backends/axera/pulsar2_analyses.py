"""The precision tables of `pulsar2 build`: cosine and mean squared error of every layer against FP32.

Format: Pulsar 2 documentation. A title names the method (PerLayer: every layer is fed FP32's values;
EndToEnd: the error of all layers before it is in it) and what computed it (Reference, NPUBackend). The
columns differ by version and are read by their names; at a narrow terminal a row is wrapped over several
lines and long cells are cut with an ellipsis. Another table, of outliers, has the same looks.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from npubench.domain.figures import Accuracy, Figures, NoAccuracy
from npubench.domain.records import Failure, Stage
from npubench.tools.logs import DamagedError, unparsed

PRECISION = "quant/debug/precision_analysis_table.txt"


CUT = "…"
END_TO_END = "EndToEnd"
_TITLE = re.compile(r"\s*Quant Precision Table\s*[【\[]\s*(\w+)\s+(\w+)\s*[】\]]\s*")
_TITLE_BEGINS = re.compile(r"\s*Quant Precision Table\b")
_LINES = {
    "top": re.compile(r"\s*┏[━┳]+┓\s*"),
    "head": re.compile(r"\s*┃.*┃\s*"),
    "under": re.compile(r"\s*┡[━╇]+┩\s*"),
    "body": re.compile(r"\s*│.*│\s*"),
    "rule": re.compile(r"\s*├[─┼]+┤\s*"),
    "end": re.compile(r"\s*└[─┴]+┘\s*"),
    "blank": re.compile(r"\s*"),
}
_WHOLE = re.compile(r"(?:blank )*top (?:head )+under (?:(?:body )+rule )*(?:body )*end ")
_NUMBER = re.compile(r"(?i)-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:e[-+]?[0-9]{1,3})?|[-+]?(?:nan|inf)")
_COLUMNS = {
    "layer": ("operator",),
    "type": ("type",),
    "output": ("output tensor",),
    "shape": ("shape",),
    "dtype": ("dtype", "data type"),
    "quantised": ("qdtype",),
    "cosine": ("cosin", "cosine", "cosin distance"),
    "mse": ("mse",),
}
_NEEDED = ("layer", "output", "cosine")
_SLACK = 1e-5
"""By how much the tool's own sum may pass 1."""


@dataclass(frozen=True, slots=True)
class LayerAccuracy:
    """One output of one layer; `cosine` and `mse` are None where the cell is cut or no finite number.

    A name that ends with an ellipsis was cut by the tool. `mse` is in squared units of the output.
    """

    layer: str
    type: str
    output: str
    shape: str
    dtype: str
    quantised: str
    cosine: float | None
    mse: float | None
    finite: bool = True


@dataclass(frozen=True, slots=True)
class PrecisionTable:
    """A whole table: `method` is PerLayer or EndToEnd, `mode` Reference or NPUBackend."""

    method: str
    mode: str
    layers: tuple[LayerAccuracy, ...]


def tables(lines: Sequence[str]) -> tuple[PrecisionTable, ...]:
    """The precision tables of a log or of the file that the tool saves, in their order, each once.

    Raises DamagedError for one that breaks off or whose cells do not fit its columns.
    """
    found: list[PrecisionTable] = []
    for number, line in enumerate(lines):
        if title := _TITLE.fullmatch(line):
            table = _table(title[1], title[2], islice(lines, number + 1, None))
            found += [] if table in found else [table]
        elif _TITLE_BEGINS.match(line):
            raise DamagedError(f"the title {line.strip()[:80]!r} is not whole")
    return tuple(found)


def with_tables(figures: Figures, lines: Sequence[str], outputs: Sequence[str]) -> Figures:
    """The same from the lines that hold the tables; why they cannot be read stands in the details."""
    try:
        return with_accuracy(figures, tables(lines), outputs)
    except DamagedError as damage:
        return replace(figures, details={**figures.details, "precision_problem": str(damage)})


def with_accuracy(figures: Figures, tables: Sequence[PrecisionTable], outputs: Sequence[str] = ()) -> Figures:
    """The figures with the network's accuracy, and that of every layer in `details["precision"]`.

    `outputs` are the model's; without any the last layer stands for them. Only an EndToEnd table has the
    network's: of a PerLayer one the last layer's figure is taken where there is no other, and named so.
    """
    if not tables:
        return figures
    chosen = next((table for table in reversed(tables) if table.method == END_TO_END), tables[-1])
    details = {**figures.details, "precision": [_plain(table) for table in tables]}
    where = "the model's outputs" if outputs else "the last layer"
    details["accuracy_from"] = f"{chosen.method} {chosen.mode}: {where}" + (
        " against FP32"
        if chosen.method == END_TO_END
        else ", each layer fed FP32's values, so errors of the layers before are not in it"
    )
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


def _of_outputs(table: PrecisionTable, outputs: Sequence[str]) -> Mapping[str, LayerAccuracy | None]:
    """The last row of each output by its name, None for one that no row is of."""
    if not outputs:
        return {table.layers[-1].output: table.layers[-1]} if table.layers else {}
    return {name: _row_of(table, name, outputs) for name in outputs}


def _row_of(table: PrecisionTable, name: str, outputs: Sequence[str]) -> LayerAccuracy | None:
    def stands_for(layer: LayerAccuracy, output: str) -> bool:
        return layer.output.endswith(CUT) and output.startswith(layer.output.removesuffix(CUT))

    if exact := [layer for layer in table.layers if layer.output == name]:
        return exact[-1]
    fitting = [layer for layer in table.layers if stands_for(layer, name)]
    # A cut name stands for an output only where it can be no other layer's.
    others = (other for other in outputs if other != name)
    alone = len(fitting) == 1 and not any(stands_for(fitting[0], other) for other in others)
    return fitting[0] if alone else None


def _plain(table: PrecisionTable) -> dict[str, Any]:
    layers = [{key: value for key, value in asdict(one).items() if key != "finite"} for one in table.layers]
    return {"method": table.method, "mode": table.mode, "layers": layers}


def _table(method: str, mode: str, lines: Iterable[str]) -> PrecisionTable:
    called, kinds = f"the precision table {method} {mode}", ""
    parts: dict[str, list[list[list[str]]]] = {"head": [[]], "body": [[]]}
    for line in lines:
        kind = next((kind for kind, pattern in _LINES.items() if pattern.fullmatch(line)), None)
        if kind is None:
            raise DamagedError(f"the line {line.strip()[:80]!r} stands within a precision table")
        kinds += f"{kind} "
        if kind in parts:
            edge, inner = line.strip()[0], line.strip()[1:-1]
            parts[kind][-1].append([cell.strip() for cell in inner.split(edge)])
        elif kind == "rule":
            parts["body"].append([])
        elif kind == "end":
            break
    if not _WHOLE.fullmatch(kinds):
        how = "has its lines in another order" if kinds.endswith("end ") else "breaks off"
        raise DamagedError(f"{called} {how}")
    return PrecisionTable(method, mode, tuple(_layers(parts["head"][0], parts["body"], called)))


def _layers(
    head: Sequence[list[str]], rows: Sequence[list[list[str]]], called: str
) -> Iterator[LayerAccuracy]:
    """Rows are lists of lines, each line a list of cells; at a narrow terminal a row has several lines."""
    width = len(head[0])
    lines = [line for row in rows for line in row]
    if any(len(line) != width for line in (*head, *lines)):
        raise DamagedError(f"{called} has rows of different widths")
    names = [_joined(cells).lower() for cells in zip(*head, strict=True)]
    columns = {key: names.index(name) for key, given in _COLUMNS.items() for name in given if name in names}
    if not all(key in columns for key in _NEEDED):
        raise DamagedError(f"{called} has columns {', '.join(names)}")
    # Without rules between them every line is a row of its own.
    if len(rows) == 1 and all(line[columns["cosine"]] for line in lines):
        rows = [[line] for line in lines]
    for row in filter(None, rows):
        cells = [_joined(column) for column in zip(*row, strict=True)]
        yield _layer({key: cells[columns[key]] if key in columns else "" for key in _COLUMNS})


def _joined(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)


def _layer(cells: dict[str, str]) -> LayerAccuracy:
    cosine, mse = (_value(cells.pop(key)) for key in ("cosine", "mse"))
    if not cells["layer"] or not cells["output"]:
        raise DamagedError("a row of a precision table has no name")
    finite = cosine is None or math.isfinite(cosine)
    if cosine is not None and finite:
        if abs(cosine) > 1 + _SLACK:
            raise DamagedError(f"a cosine of {cosine:g} of {cells['layer'][:60]}")
        cosine = max(-1.0, min(1.0, cosine))
    if mse is not None and mse < 0:
        raise DamagedError(f"a mean squared error of {mse:g} of {cells['layer'][:60]}")
    return LayerAccuracy(
        **cells,
        cosine=cosine if finite else None,
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

    `ddr_swap_in_us` and `ddr_swap_out_us` are the durations of tasks that move what does not fit on the chip.
    """

    span_us: float
    ddr_swap_in_us: float
    ddr_swap_out_us: float
    ddr_swap_tasks: int
    units: tuple[TraceUnit, ...]
    layers: tuple[TraceLayer, ...]

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

    def told(value: Any) -> Any:
        if isinstance(value, float):
            return round(value * CYCLES_PER_US) if cycles else round(value, 3)
        if isinstance(value, dict):
            return {key: told(one) for key, one in value.items()}
        return list(value) if isinstance(value, tuple) else value

    def named(fields: list[tuple[str, Any]]) -> dict[str, Any]:
        return {re.sub("_us$", "_cycles", key) if cycles else key: told(value) for key, value in fields}

    return asdict(trace, dict_factory=named)


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
        ddr_swap_in_us=_sum(task for task in tasks if task.swap == SWAP_IN),
        ddr_swap_out_us=_sum(task for task in tasks if task.swap == SWAP_OUT),
        ddr_swap_tasks=sum(bool(task.swap) for task in tasks),
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
