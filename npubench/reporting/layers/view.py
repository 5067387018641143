"""The layers of one row as people look at them: with shares of the tool's total, and rates."""

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from npubench.domain.figures import Figures
from npubench.domain.layers import CPU, NPU, ONNX_RUNTIME, Besides, BytesOf, Join, Layer, LayerTable
from npubench.domain.records import Result, Status
from npubench.domain.specs import BoardSpec, Precision
from npubench.reporting.select.candidate import share_of_npu
from npubench.reporting.select.chip_facts import bandwidth_bytes_per_s, peak_mac_per_s, sheet_of

HEAVIEST = 10
"""Layers that bars show."""

_SURE = frozenset({Join.NAMED, Join.FOLLOWS})
"""Joins that hold all that the layer does."""


class Amount(StrEnum):
    """What layers are weighed by: time where the tool tells one, else its cycles."""

    TIME = "time"
    CYCLES = "cycles"


class Order(StrEnum):
    """What layers are sorted by, the largest first; `order`: as the tool lists them."""

    TIME = "time"
    MACS = "macs"
    BYTES = "bytes"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer with what follows from its figures; what does not follow is None."""

    number: int  # its place in the tool's table, from 1
    layer: Layer  # as the tool told it
    amount: float | None = None  # microseconds, or cycles where the table has no times
    share: float | None = (
        None  # of the tool's total without interruptions, in 0..1; overlapping units make more than 1
    )
    macs: int | None = None  # by the graph, else by the tool
    mac_per_s: float | None = None  # achieved
    of_peak: float | None = None  # by the tool, else of the peak of the chip's facts, in 0..1
    bytes_per_s: float | None = None  # of what `Layer.bytes` counts
    called: str = ""  # by the model, where the tool's name tells no node of it; empty: by the tool's name

    @property
    def is_end(self) -> bool:
        """Whether it hands an input or output of the model over, which no designer can change."""
        return self.layer.join is Join.END


@dataclass(frozen=True, slots=True)
class Roof:
    """What the facts of the board and its chip tell of its limits; None where they are silent."""

    mac_per_s: float | None = None  # peak of the part of the NPU that ran
    mac_source: str = ""  # the fact in its source's words
    bytes_per_s: float | None = None  # memory bandwidth
    bytes_source: str = ""  # the fact in its source's words

    @property
    def balance(self) -> float | None:
        """MACs a byte of memory traffic below which memory is the limit (Williams et al., CACM 52, 2009)."""
        if self.mac_per_s is None or not self.bytes_per_s:
            return None
        return self.mac_per_s / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class LayerView:
    """The layers of one row in one kind of figure."""

    result: Result  # the row
    figures: Figures  # those of the row that the layers are of
    table: LayerTable  # as the tool told it
    rows: tuple[LayerRow, ...]  # in the tool's order
    by: Amount | None  # what they are weighed by; None: the tool tells neither times nor cycles
    total: float | None  # by the tool, in the unit of `by`
    own_total: float | None  # the same without what other programs took from it: shares are of it
    roof: Roof  # of the board's facts

    @property
    def has_npu(self) -> bool:
        """Whether any layer runs on an NPU, so that one on the CPU is left behind."""
        return any(row.layer.unit == NPU for row in self.rows)

    @property
    def on_cpu(self) -> tuple[LayerRow, ...]:
        """Layers that the CPU runs beside an NPU; handing inputs and outputs over is no such layer."""
        if not self.has_npu:
            return ()
        return tuple(row for row in self.rows if row.layer.unit == CPU and not row.is_end)

    @property
    def is_traffic(self) -> bool:
        """Whether bytes are traffic of the memory outside of the unit, which a bandwidth limits."""
        return self.table.bytes_of is BytesOf.TRAFFIC

    def sorted(self, order: Order) -> list[LayerRow]:
        """The rows in that order; those without the figure come last, as the tool lists them."""
        if order is Order.ORDER:
            return list(self.rows)

        def size(row: LayerRow) -> float | None:
            return (
                row.macs if order is Order.MACS else row.layer.bytes if order is Order.BYTES else row.amount
            )

        return sorted(self.rows, key=lambda row: (size(row) is None, -(size(row) or 0)))

    def heaviest(self, most: int = HEAVIEST) -> list[LayerRow]:
        """The layers that take most; none where nothing is told of what they take."""
        return [row for row in self.sorted(Order.TIME) if row.amount][:most]


def views_of(result: Result, boards: Sequence[BoardSpec]) -> Iterator[LayerView]:
    """A view for each kind of figure that has layers, the measured before the simulated.

    `boards` give facts of chips: peaks and bandwidths.
    """
    if result.status is not Status.OK:
        return
    for figures in _with_layers(result):
        assert figures.layers is not None
        yield _view(result, figures, figures.layers, roof_of(result, figures, boards))


def has_layers(result: Result) -> bool:
    """Whether a tool told layers of the row."""
    return result.status is Status.OK and any(True for _ in _with_layers(result))


def _with_layers(result: Result) -> Iterator[Figures]:
    for figures in (result.figures, result.estimate):
        if figures is not None and figures.layers is not None and figures.layers.count:
            yield figures


def roof_of(result: Result, figures: Figures, boards: Sequence[BoardSpec]) -> Roof:
    """Peak and bandwidth by the facts of the row's board and chip; peaks are of INT8 alone.

    Of an emulated board nothing is told: no fact of a chip is about it.
    """
    if result.emulated:
        return Roof()
    sheet = sheet_of(result.board, result.chip, boards)
    peak = peak_mac_per_s(sheet) if result.precision is Precision.INT8 else None
    bandwidth = bandwidth_bytes_per_s(sheet)
    return Roof(
        peak.value * share_of_npu(figures, sheet) if peak else None,
        peak.said if peak else "",
        bandwidth.value if bandwidth else None,
        bandwidth.said if bandwidth else "",
    )


def _view(result: Result, figures: Figures, table: LayerTable, roof: Roof) -> LayerView:
    layers = table.layers
    by = _amount(table, layers)
    total = table.total_us if by is Amount.TIME else table.total_cycles if by is Amount.CYCLES else None
    amounts = [_amount_of(layer, by) for layer in layers]
    own = None if total is None else total - _interruptions(table, by)
    whole = own if own else sum(one for one in amounts if one)
    called = _called(table.tool, layers)
    rows = tuple(
        replace(_row(number, layer, amount, whole, roof), called=called.get(number, ""))
        for number, (layer, amount) in enumerate(zip(layers, amounts, strict=True), 1)
    )
    return LayerView(result, figures, table, rows, by, total, own, roof)


def _called(tool: str, layers: Sequence[Layer]) -> dict[int, str]:
    """Names by the model's own nodes, by the layer's number, where a tool calls layers after its own tensors.

    A layer that holds several is called after the first; none whose node is in another layer, too.
    """
    if tool != ONNX_RUNTIME:
        return {}
    held = Counter(node for layer in layers for node in layer.nodes)
    return {
        number: f"{layer.nodes[0]} +{len(layer.nodes) - 1}" if len(layer.nodes) > 1 else layer.nodes[0]
        for number, layer in enumerate(layers, 1)
        if layer.nodes and layer.join in _SURE and all(held[node] == 1 for node in layer.nodes)
    }


def _interruptions(table: LayerTable, by: Amount | None) -> float:
    """What is no part of the model: with it a layer's share would tell of the machine's other work."""
    told = [
        one.time_us if by is Amount.TIME else one.cycles
        for one in table.beside
        if one.what is Besides.INTERRUPTIONS
    ]
    return sum(one for one in told if one is not None and one > 0)


def quotient(over: float | None, under: float | None) -> float | None:
    """A rate; None of nothing, and where a time is too short to tell one."""
    found = over / under if over and under and under > sys.float_info.min else None
    return found if found is not None and math.isfinite(found) else None


def _amount(table: LayerTable, layers: Sequence[Layer]) -> Amount | None:
    if table.total_us is not None or any(layer.time_us is not None for layer in layers):
        return Amount.TIME
    known = table.total_cycles is not None or any(layer.cycles is not None for layer in layers)
    return Amount.CYCLES if known else None


def _amount_of(layer: Layer, by: Amount | None) -> float | None:
    amount = layer.time_us if by is Amount.TIME else layer.cycles if by is Amount.CYCLES else None
    return None if amount is None or not 0 <= amount < math.inf else amount


def _row(number: int, layer: Layer, amount: float | None, whole: float, roof: Roof) -> LayerRow:
    macs = layer.macs if layer.graph_macs is None else layer.graph_macs
    seconds = amount * 1e-6 if amount and layer.time_us == amount else None
    rate = quotient(macs, seconds)
    of_peak = layer.mac_utilisation
    if of_peak is None and rate is not None and roof.mac_per_s and layer.unit == NPU:
        of_peak = rate / roof.mac_per_s
    share = amount / whole if amount is not None and whole > 0 else None
    return LayerRow(number, layer, amount, share, macs, rate, of_peak, quotient(layer.bytes, seconds))
