"""What holds each layer up, in a word: why it takes the time that it does."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from npubench.reporting.data.translate import translate
from npubench.reporting.layers.convolutions import (
    SLOW,
    first_convolution,
    is_depthwise,
    makes_float,
    makes_integer,
    orders_data,
    pools,
    rate_of,
)
from npubench.reporting.layers.memory import held_by_memory
from npubench.reporting.layers.view import LayerRow, LayerView


class Limit(StrEnum):
    """A word for it; layers of which the figures allow none have none."""

    CPU = "CPU"
    MEMORY = "memory"
    FEW_CHANNELS = "few channels"
    DEPTHWISE = "depthwise"
    LOW_RATE = "low rate"
    PRODUCTS = "products"
    DATA_ORDER = "data order"
    NO_MACS = "no MACs"
    NO_FIGURE = "no figure"


def limits_of(view: LayerView) -> tuple[Limit | None, ...]:
    """One a layer, in the tool's order."""
    held = held_by_memory(view)
    by_memory = frozenset() if isinstance(held, str) else {one.row.number for one in held.layers}
    stem = first_convolution(view)
    usual = rate_of([row for row in view.rows if row is not stem and not is_depthwise(row)])
    on_cpu = {row.number for row in view.on_cpu}

    def limit(row: LayerRow) -> Limit | None:
        if row.number in on_cpu:
            return Limit.CPU
        if row.amount is None:
            return None if row.is_end or view.by is None else Limit.NO_FIGURE
        if not row.amount:
            return None
        return Limit.MEMORY if row.number in by_memory else _by_work(row, row is stem, usual)

    return tuple(map(limit, view.rows))


def _by_work(row: LayerRow, is_stem: bool, usual: float | None) -> Limit | None:
    """By the rate at which it multiplies, against that of the layers that do nothing else."""
    own = rate_of((row,))
    if own is None:
        if orders_data(row):
            return Limit.DATA_ORDER
        changes = row.macs == 0 or pools(row) or makes_integer(row) or makes_float(row)
        return Limit.NO_MACS if changes else None
    if usual is None:
        return None
    if own >= SLOW * usual:
        return Limit.PRODUCTS
    return Limit.FEW_CHANNELS if is_stem else Limit.DEPTHWISE if is_depthwise(row) else Limit.LOW_RATE


def meanings(limits: Sequence[Limit | None]) -> list[tuple[Limit, str]]:
    """What the words mean that occur, in the language of now."""
    there = set(limits)
    return [(one, say()) for one, say in _MEANINGS.items() if one in there]


_MEANINGS: dict[Limit, Callable[[], str]] = {
    Limit.CPU: lambda: translate("left to the CPU by a tool that puts other layers on the NPU"),
    Limit.MEMORY: lambda: translate("its data take longer than its products: only less data save time"),
    Limit.FEW_CHANNELS: lambda: translate("reads the image, whose few channels leave multipliers idle"),
    Limit.DEPTHWISE: lambda: translate("convolves each channel by itself, at below half the usual rate"),
    Limit.LOW_RATE: lambda: translate(
        "multiplies at below half the usual rate, as few or odd channels, small pictures or memory make it"
    ),
    Limit.PRODUCTS: lambda: translate(
        "multiplies at about the usual rate or above: only fewer MACs save time"
    ),
    Limit.DATA_ORDER: lambda: translate("computes nothing and brings data into order"),
    Limit.NO_MACS: lambda: translate("has no products: its elements are read, changed and written"),
    Limit.NO_FIGURE: lambda: translate("the tool counts nothing for it"),
}
