"""What a tool tells of a compiled model's layers, and that it adds up to what it tells of the whole.

A table is kept as columns: thousands of rows are stored and read without a name repeated a layer, and columns
that a later version adds are passed over by this one. `LayerTable(...).holding(layers)` makes one,
`LayerTable.layers` gives it back layer by layer. None always means that the tool does not tell, never zero.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from npubench.domain.kinds import Kind
from npubench.domain.specs import Shape

TOLERANCE = 0.01
"""Share of the tool's total that layers and what is named beside them may miss it by: what tools round."""

NPU, CPU, DMA = "NPU", "CPU", "DMA"
"""Units by the names that they have in all tools' tables; others are the tool's own words."""

RKNN, VELA, TPU_MLIR, ONNX_RUNTIME = "RKNN-Toolkit2", "Vela", "TPU-MLIR", "ONNX Runtime"
OPENVINO, PULSAR2 = "OpenVINO", "Pulsar 2"
"""Tools by the names that they have in `LayerTable.tool`."""


class Join(StrEnum):
    """How a layer was joined to nodes of the ONNX model."""

    NAMED = "named"  # the tool writes the names of nodes or tensors of all that it holds
    FOLLOWS = "follows"  # one node is named; the others follow from it in the graph, of the types it tells
    PARTLY = "partly"  # nodes were found, but not of every type that the tool says it holds
    ADDED = "added"  # the tool made it by itself, to bring data into order: it stands for no node
    END = "end"  # an input or output of the model, handed over: it stands for no node
    UNKNOWN = "unknown"  # its nodes cannot be told, or no graph was there to join it to


class Besides(StrEnum):
    """What stands between a tool's total and the sum of its layers."""

    OVERLAP = "overlap"  # units that run at once: negative, for layers have it twice
    LAYERS_NOT_COUNTED = "layers_not_counted"  # layers without a figure, which take no time in the total
    OUTSIDE_OF_LAYERS = "outside_of_layers"  # what the tool times between layers, or before and after them
    INTERRUPTIONS = "interruptions"  # what other programs took from the runs whose mean the total is
    WAITING = "waiting"  # no unit runs


class BytesOf(StrEnum):
    """What `Layer.bytes` counts."""

    TRAFFIC = "traffic"  # read and written in the memory outside of the unit
    TENSORS = "tensors"  # sizes of the tensors that it reads and writes, weights among them


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as the tool made it."""

    name: str = ""  # by the tool; empty where it gives none, and two may have the same
    tool_type: str = ""  # the tool's own words for what it does: ConvRelu, or Conv2D/Relu of two stages
    operators: tuple[str, ...] = ()  # operator types of the model that it stands for; see `join` for none
    nodes: tuple[str, ...] = ()  # ONNX nodes, by name or, without one, by first output
    join: Join = Join.UNKNOWN  # how sure `nodes` are, or why there are none
    unit: str = ""  # what runs it: NPU, CPU, DMA or the tool's word; empty where it does not tell
    time_us: float | None = None  # of one call; None where the tool counts nothing for this layer
    cycles: int | None = None  # what `time_us` is made of, where the tool counts cycles
    compute_cycles: int | None = None  # of it, what multiplying and adding alone would take
    memory_cycles: int | None = None  # of it, what memory alone would take; more than the former: bound by it
    macs: int | None = None  # multiply-accumulates by the tool's count
    graph_macs: int | None = None  # of its nodes by the graph; None where one is split over several layers
    bytes: int | None = None  # see `LayerTable.bytes_of`
    mac_utilisation: float | None = None  # by the tool, in 0..1
    workload: tuple[float, ...] = ()  # share of the work that each core has, in 0..1; empty where not told
    input_shapes: tuple[Shape, ...] = ()  # as the tool lists them, weights among them
    output_shapes: tuple[Shape, ...] = ()  # as the tool lists them
    dtype: str = ""  # by the tool: INT8, float16
    calls: int = 1  # how often one inference runs it

    @property
    def original(self) -> str:
        """The first of the tool's words: what it read, before it made something else of it."""
        return self.tool_type.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Columns:
    """A column a field of `Layer`, all of one length, or empty where every layer has the default."""

    name: tuple[str, ...] = ()
    tool_type: tuple[str, ...] = ()
    operators: tuple[tuple[str, ...], ...] = ()
    nodes: tuple[tuple[str, ...], ...] = ()
    join: tuple[Join, ...] = ()
    unit: tuple[str, ...] = ()
    time_us: tuple[float | None, ...] = ()
    cycles: tuple[int | None, ...] = ()
    compute_cycles: tuple[int | None, ...] = ()
    memory_cycles: tuple[int | None, ...] = ()
    macs: tuple[int | None, ...] = ()
    graph_macs: tuple[int | None, ...] = ()
    bytes: tuple[int | None, ...] = ()
    mac_utilisation: tuple[float | None, ...] = ()
    workload: tuple[tuple[float, ...], ...] = ()
    input_shapes: tuple[tuple[Shape, ...], ...] = ()
    output_shapes: tuple[tuple[Shape, ...], ...] = ()
    dtype: tuple[str, ...] = ()
    calls: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """A share of the total that no layer has, or that layers have twice."""

    what: Besides  # what it is
    time_us: float | None = None  # signed; None where the tool tells no times at all
    cycles: int | None = None  # signed; the same where the tool counts cycles
    layers: int | None = None  # how many layers it concerns; None where it is of none


@dataclass(frozen=True, slots=True)
class LayerTable:
    """Layers in the order of the tool. Times and beside add up to `total_us`: `adds_up` says whether."""

    kind: Kind  # where its times come from
    tool: str  # that told it: RKNN-Toolkit2, Vela, TPU-MLIR, ONNX Runtime, OpenVINO, Pulsar 2
    columns: Columns = field(default_factory=Columns)  # the layers, a column a field
    count: int = 0  # layers in it
    total_us: float | None = None  # of one inference by the tool; None where it tells no time
    total_cycles: int | None = None  # of one inference by the tool; None where it counts none
    beside: tuple[Beside, ...] = ()  # what is in the total and no layer, or in layers twice
    clock_mhz: float | None = None  # by which cycles became times; None of times that the tool told
    bytes_of: BytesOf | None = None  # what the layers' bytes count; None where there are none
    statistic: str = ""  # what the times are, in words: "mean of 8 runs of its profiler"
    complete: bool = True  # False of a table that was cut off before its end

    def __post_init__(self) -> None:
        """Raises ValueError of columns of another length than there are layers, which somebody changed."""
        for one in fields(Columns):
            if len(getattr(self.columns, one.name)) not in {0, self.count}:
                raise ValueError(f"the column {one.name} of layers has not {self.count} entries")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers one by one. They are made at each call: take them once."""
        given = [(one.name, column) for one in fields(Columns) if (column := getattr(self.columns, one.name))]
        if not given:
            return (Layer(),) * self.count
        names = [name for name, _ in given]
        cells = zip(*(column for _, column in given), strict=True)
        return tuple(Layer(**dict(zip(names, row, strict=True))) for row in cells)

    def holding(self, layers: Sequence[Layer]) -> "LayerTable":
        """The table with these layers in place of its own.

        Layers without a time, or without cycles in a table that has no time at all, are named beside as not
        counted, unless that is done already.
        """
        timed = self.total_us is not None
        missing = sum((one.time_us if timed else one.cycles) is None for one in layers)
        told = timed or self.total_cycles is not None
        named = any(one.what is Besides.LAYERS_NOT_COUNTED for one in self.beside)
        none = Beside(Besides.LAYERS_NOT_COUNTED, 0.0 if timed else None, None if timed else 0, missing)
        beside = (*self.beside, none) if missing and told and not named else self.beside
        return replace(self, columns=_columns(layers), count=len(layers), beside=beside)

    @property
    def difference_us(self) -> float | None:
        """What the total is above its layers and what is named beside, us; None where no time is told."""
        if self.total_us is None:
            return None
        return self.total_us - _sum((*self.columns.time_us, *(one.time_us for one in self.beside)))

    @property
    def difference_cycles(self) -> int | None:
        """The same in cycles; None where the tool counts none."""
        if self.total_cycles is None:
            return None
        return self.total_cycles - round(_sum((*self.columns.cycles, *(one.cycles for one in self.beside))))

    @property
    def adds_up(self) -> bool | None:
        """Whether layers and what is named beside them equal the total within 1 %, in time where it is told.

        None where the tool tells no total: then nothing says whether a layer is missing.
        """
        total, difference = self.total_us, self.difference_us
        if total is None or difference is None:
            total, difference = self.total_cycles, self.difference_cycles
        if total is None or difference is None:
            return None
        return math.isfinite(difference) and abs(difference) <= TOLERANCE * abs(total)


def _sum(amounts: Iterable[float | None]) -> float:
    return math.fsum(one for one in amounts if one is not None)


def _columns(layers: Sequence[Layer]) -> Columns:
    columns: dict[str, Any] = {}
    for one in fields(Columns):
        cells = tuple(getattr(layer, one.name) for layer in layers)
        if any(cell != _DEFAULTS[one.name] for cell in cells):
            columns[one.name] = cells
    return Columns(**columns)


_DEFAULTS = {one.name: one.default for one in fields(Layer)}
