"""Which layers memory holds up: by the tool's counts, by the chip's bandwidth, or against other layers."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.reporting.data.formatting import duration, significant, size
from npubench.reporting.data.translate import translate
from npubench.reporting.layers.advice import (
    LEAST_SHARE,
    Advice,
    AdviceClass,
    amount_text,
    gain_of,
    label_of,
    of_total,
    percent,
    rate_text,
)
from npubench.reporting.layers.view import Amount, LayerRow, LayerView, quotient

MOST_OF_TIME = 0.5
"""Of a layer's time: where its traffic takes more at the chip's bandwidth, memory is its limit."""

FAR_BELOW = 0.25
"""Of the rates of all layers together, where no bandwidth is known: both MACs a second and MACs a byte."""


@dataclass(frozen=True, slots=True)
class HeldLayer:
    """A layer that memory holds up."""

    row: LayerRow  # which one
    text: str  # what shows it
    least: float = 0.0  # what it takes without any memory, in the view's unit


@dataclass(frozen=True, slots=True)
class HeldByMemory:
    """All of them, and by whose word where the tool itself does not tell."""

    layers: tuple[HeldLayer, ...]
    source: str = ""


def by_memory(view: LayerView) -> Advice | str | None:
    """Layers bound by memory; else why none can be told."""
    held = held_by_memory(view)
    return held if isinstance(held, str) else _advice(view, held.layers, held.source)


def held_by_memory(view: LayerView) -> HeldByMemory | str:
    """They are told by the surest of three ways that the figures allow; else why none does."""
    if any(row.layer.memory_cycles is not None for row in view.rows):
        return HeldByMemory(tuple(filter(None, (_by_tool(view, row) for row in view.rows))))
    if view.by is None or not any(row.layer.bytes for row in view.rows):
        return translate("the tool tells no bytes of layers")
    if view.roof.bytes_per_s and view.is_traffic and view.by is Amount.TIME:
        found = [_by_bandwidth(view, row, view.roof.bytes_per_s) for row in view.rows]
        return HeldByMemory(tuple(filter(None, found)), view.roof.bytes_source)
    return _by_comparison(view)


def _by_tool(view: LayerView, row: LayerRow) -> HeldLayer | None:
    """The tool counts both apart: what is held up takes longer for memory than for its products."""
    memory, compute = row.layer.memory_cycles, row.layer.compute_cycles
    cycles = row.layer.cycles
    if not memory or compute is None or memory <= compute or not row.amount or not cycles:
        return None
    scale = row.amount / cycles
    text = translate(
        "{layer}: memory alone takes {memory}, its products {compute}, by the tool",
        layer=label_of(row),
        memory=amount_text(memory * scale, view.by or Amount.CYCLES),
        compute=amount_text(compute * scale, view.by or Amount.CYCLES),
    )
    return HeldLayer(row, text, min(row.amount, compute * scale))


def _by_bandwidth(view: LayerView, row: LayerRow, bytes_per_s: float) -> HeldLayer | None:
    moved, amount = row.layer.bytes, row.amount
    if not moved or not amount:
        return None
    alone_us = moved / bytes_per_s * 1e6
    intensity = (row.macs or 0) / moved
    balance = view.roof.balance
    # Faster than memory allows: the traffic is not of that memory, or the fact is not of this board.
    if not MOST_OF_TIME * amount <= alone_us <= 1.05 * amount or (balance and intensity >= balance):
        return None
    text = translate(
        "{layer}: {bytes} at {rate} GB/s take {least} of {time}",
        layer=label_of(row),
        bytes=size(moved),
        rate=significant(bytes_per_s / 1e9),
        least=duration(alone_us),
        time=duration(amount),
    )
    if balance:
        text += "; " + translate(
            "{intensity} MACs a byte, below the {balance} at which the chip is in balance",
            intensity=significant(intensity),
            balance=significant(balance),
        )
    peak = view.roof.mac_per_s
    return HeldLayer(row, text, min(amount, (row.macs or 0) / peak * 1e6) if peak else 0.0)


def _by_comparison(view: LayerView) -> HeldByMemory | str:
    """Against all layers that multiply: few MACs a byte, and few MACs a second."""
    known = [row for row in view.rows if row.macs and row.layer.bytes and row.amount]
    if len(known) < 3:
        return translate("no bandwidth of this board is known, and fewer than 3 layers tell MACs and bytes")
    macs = sum(row.macs or 0 for row in known)
    rate = quotient(macs, sum(row.amount or 0.0 for row in known))
    if rate is None:
        return HeldByMemory(())
    intensity = macs / sum(row.layer.bytes or 0 for row in known)
    held = tuple(
        HeldLayer(row, _compared(view, row, rate, intensity))
        for row in known
        if (quotient(row.macs, row.amount) or rate) < FAR_BELOW * rate
        and (row.macs or 0) / (row.layer.bytes or 1) < FAR_BELOW * intensity
    )
    source = translate("no bandwidth of this board is known: by comparison with the other layers")
    return HeldByMemory(held, source)


def _compared(view: LayerView, row: LayerRow, rate: float, intensity: float) -> str:
    return translate(
        "{layer}: {intensity} MACs a byte and {rate}; all layers {all_intensity} and {all_rate}",
        layer=label_of(row),
        intensity=significant((row.macs or 0) / (row.layer.bytes or 1)),
        rate=rate_text(quotient(row.macs, row.amount) or 0.0, view.by),
        all_intensity=significant(intensity),
        all_rate=rate_text(rate, view.by),
    )


def _advice(view: LayerView, held: Sequence[HeldLayer], source: str) -> Advice | None:
    rows = [one.row for one in held]
    if of_total(rows) < LEAST_SHARE:
        return None
    heaviest = sorted(held, key=lambda one: -(one.row.amount or 0.0))
    more = [translate("and {count} more", count=len(held) - 3)] if len(held) > 3 else []
    share = percent(of_total(rows))
    return Advice(
        AdviceClass.BY_MEMORY,
        translate("layers bound by memory: {count}, {share} of the total", count=len(held), share=share),
        tuple(one.row.number for one in heaviest),
        (*(one.text for one in heaviest[:3]), *more, *filter(None, (source,))),
        translate(
            "less data saves time here, fewer MACs do not: fewer or smaller tensors, or operators that the"
            " compiler fuses with their neighbours"
        ),
        gain_of(view, ((one.row.amount or 0.0) - one.least for one in held)),
    )
