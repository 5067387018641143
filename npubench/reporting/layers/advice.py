"""What would make a model faster, each with its evidence and what it can gain at most; see `rules`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.reporting.data.formatting import duration, significant
from npubench.reporting.data.translate import translate
from npubench.reporting.layers.view import Amount, LayerRow, LayerView

LEAST_SHARE = 0.02
"""Of the tool's total: what takes less is not worth anybody's day."""


class AdviceClass(StrEnum):
    """What stands out."""

    ON_CPU = "on_cpu"
    FEW_CHANNELS = "few_channels"
    BY_MEMORY = "by_memory"
    DEPTHWISE = "depthwise"
    LOW_RATE = "low_rate"
    CONVERSION = "conversion"
    QUANTISE_PAIR = "quantise_pair"
    NOT_COUNTED = "not_counted"


@dataclass(frozen=True, slots=True)
class Gain:
    """The most that can be won: no layer gives back more than it takes."""

    amount: float  # in the unit of `by`
    by: Amount  # microseconds or cycles
    share: float | None  # of the tool's total, in 0..1

    @property
    def text(self) -> str:
        """`at most 1.23 ms of 3.08 ms (40 %)`."""
        at_most = translate("at most {amount}", amount=amount_text(self.amount, self.by))
        if not self.share:
            return at_most
        whole = amount_text(self.amount / self.share, self.by)
        return translate(
            "{at_most} of {whole} ({share})", at_most=at_most, whole=whole, share=percent(self.share)
        )


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that stands out. All texts are in the language of now."""

    advice_class: AdviceClass  # what it is about
    title: str  # in one line
    layers: tuple[int, ...]  # their numbers in the table, the heaviest first
    evidence: tuple[str, ...]  # figures that show it
    action: str  # what to try
    gain: Gain | None = None  # None where nothing tells what it takes


@dataclass(frozen=True, slots=True)
class Advised:
    """All that a view's layers tell, and of what they tell nothing."""

    found: tuple[Advice, ...]  # the largest gain first
    looked_for: tuple[str, ...]  # what was judged and does not stand out
    not_judged: tuple[str, ...]  # what could not be judged, and why

    @property
    def overlap(self) -> str:
        """That gains do not add up, where two of them are of the same layer; else empty."""
        named = [layer for one in self.found if one.gain for layer in one.layers]
        if len(named) == len(set(named)):
            return ""
        return translate("some layers stand under two of these: their gains do not add up")


def gain_of(view: LayerView, amounts: Iterable[float | None]) -> Gain | None:
    """The bound of these amounts together; None where none is told."""
    known = [one for one in amounts if one is not None]
    if view.by is None or not known:
        return None
    amount = sum(known)
    return Gain(amount, view.by, amount / view.own_total if view.own_total else None)


def amount_text(amount: float, by: Amount) -> str:
    """Microseconds with the unit that reads best, or cycles."""
    if by is Amount.TIME:
        return duration(amount)
    return translate("{count} cycles", count=significant(amount, 3))


def rate_text(macs: float, by: Amount | None) -> str:
    """MACs a microsecond as GMAC/s, or MACs a cycle."""
    if by is Amount.CYCLES:
        return translate("{count} MACs a cycle", count=significant(macs))
    return f"{significant(macs / 1e3)} GMAC/s"


def percent(share: float) -> str:
    """A share in 0..1 as a percentage with three digits at most."""
    shown = 100 * share
    return f"{shown:.0f} %" if shown >= 9.95 else f"{shown:.1f} %" if shown >= 0.05 or not share else "<0.1 %"


def named(view: LayerView, rows: Sequence[LayerRow], most: int = 3) -> tuple[str, ...]:
    """The heaviest of these layers, each with what it takes, and how many more there are."""
    heaviest = sorted(rows, key=lambda row: -(row.amount or 0.0))
    lines = [f"{label_of(row)}{taken(view, row)}" for row in heaviest[:most]]
    if len(rows) > most:
        lines.append(translate("and {count} more", count=len(rows) - most))
    return tuple(lines)


def name_of(row: LayerRow) -> str:
    """What a layer is called: as people know it, by the tool, else by its nodes, its type, or its place."""
    layer = row.layer
    return row.called or layer.name or ", ".join(layer.nodes) or layer.tool_type or f"#{row.number}"


def label_of(row: LayerRow) -> str:
    """`#3 conv1`: its place in the table and its name."""
    place, name = f"#{row.number}", name_of(row)
    return name if name == place else f"{place} {name}"


def taken(view: LayerView, row: LayerRow) -> str:
    """`: 1.23 ms (40 %)` of what a layer takes; that there is no figure of it."""
    if row.amount is None or view.by is None:
        return f": {translate('no figure')}"
    share = f" ({percent(row.share)})" if row.share is not None else ""
    return f": {amount_text(row.amount, view.by)}{share}"


def of_total(rows: Iterable[LayerRow]) -> float:
    """Share of the tool's total that these layers have together."""
    return sum(row.share or 0.0 for row in rows)
