"""How layers and what is named beside them make the tool's total, in words."""

from dataclasses import dataclass

from npubench.domain.kinds import Kind
from npubench.domain.layers import TOLERANCE, Beside, Besides
from npubench.domain.records import Verdict
from npubench.reporting.data.figures import main_latency_us
from npubench.reporting.data.formatting import duration
from npubench.reporting.data.translate import recorded, translate, translate_count
from npubench.reporting.layers.advice import amount_text, percent
from npubench.reporting.layers.view import Amount, LayerView

DIGITS = 4
"""Of times in a sum: with three, what is added up would not look like what it makes."""


_UNSTEADY = frozenset({Verdict.NOISY, Verdict.DRIFTING, Verdict.THROTTLED, Verdict.INVALID})


@dataclass(frozen=True, slots=True)
class Part:
    """A summand beside the layers, in the unit of the view; `amount` is signed, None where none is told."""

    what: Besides  # what it is
    amount: float | None  # microseconds or cycles
    layers: int | None  # that it concerns


@dataclass(frozen=True, slots=True)
class Sum:
    """Layers + parts + rest = total, in the unit of the view."""

    layers: float  # of all layers that have a figure
    parts: tuple[Part, ...]  # what the tool names beside them
    total: float | None  # by the tool
    rest: float | None  # what is left: rounding, or a table that does not add up
    adds_up: bool | None  # within 1 %; None: no total is told


def sum_of(view: LayerView) -> Sum | None:
    """The sum of a view's layers; None where the tool tells neither times nor cycles."""
    if view.by is None:
        return None
    layers = sum(row.amount for row in view.rows if row.amount is not None)
    parts = tuple(Part(one.what, _of(view, one), one.layers) for one in view.table.beside)
    table = view.table
    rest = table.difference_us if view.by is Amount.TIME else table.difference_cycles
    return Sum(layers, parts, view.total, rest, table.adds_up)


def sum_line(view: LayerView) -> str:
    """`layers 29.80 ms + outside of layers 0.90 ms = 30.70 ms, the tool's total`."""
    found = sum_of(view)
    if found is None or view.by is None:
        return translate("the tool tells neither times nor cycles of layers")
    parts = [translate("layers {amount}", amount=_shown(found.layers, view.by))]
    for part in found.parts:
        sign = "−" if part.amount is not None and part.amount < 0 else "+"
        parts.append(f"{sign} {_part(part, view.by)}{_ends(view, part)}")
    if found.total is None:
        return f"{' '.join(parts)}; {translate('the tool tells no total')}"
    told = translate("{amount}, the tool's total", amount=_shown(found.total, view.by))
    return f"{' '.join(parts)} {_equals(found)} {told}{_rest(found, view.by)}"


def notes_of(view: LayerView) -> list[str]:
    """What else has to be known of the table: what its times are, and how the row's own latency differs."""
    table, notes = view.table, []
    if table.statistic:
        notes.append(recorded(table.statistic))
    if table.clock_mhz:
        notes.append(translate("cycles at {clock} MHz", clock=f"{table.clock_mhz:g}"))
    if not table.complete:
        notes.append(translate("the table was cut off before its end: layers are missing"))
    if view.own_total != view.total:
        notes.append(_of_what_shares_are(view))
    if table.kind is Kind.MEASURED and view.result.verdict in _UNSTEADY:
        verdict = translate(view.result.verdict.value)
        notes.append(translate("the row is {verdict}: do not rely on single layers", verdict=verdict))
    latency = main_latency_us(view.figures)
    if view.by is Amount.TIME and view.total and latency and abs(latency - view.total) > TOLERANCE * latency:
        notes.append(
            translate(
                "the row's latency is {latency}, timed without looking at layers",
                latency=duration(latency),
            )
            if view.figures.kind is Kind.MEASURED
            else translate("the row's latency is {latency}", latency=duration(latency))
        )
    return notes


def _of_what_shares_are(view: LayerView) -> str:
    """The number that shares are of, where it is not the tool's total."""
    if view.by is None or not view.own_total:
        return translate("shares are of the layers alone")
    return translate(
        "shares are of {amount}, the total without interruptions", amount=_shown(view.own_total, view.by)
    )


def _of(view: LayerView, beside: Beside) -> float | None:
    return beside.time_us if view.by is Amount.TIME else beside.cycles


def _equals(found: Sum) -> str:
    return "=" if found.adds_up else "≠"


def _rest(found: Sum, by: Amount) -> str:
    if not found.rest or not found.total:
        return ""
    share = percent(abs(found.rest) / abs(found.total))
    if found.adds_up:
        return (
            f" ({translate('{share} apart: rounded by the tool', share=share)})" if share != "<0.1 %" else ""
        )
    missing = _shown(abs(found.rest), by)
    text = translate(
        "{missing} ({share}) cannot be told: do not rely on shares", missing=missing, share=share
    )
    return f"; {text}"


def _ends(view: LayerView, part: Part) -> str:
    """How many of the layers that are not counted only hand inputs and outputs over."""
    count = sum(row.is_end and row.amount is None for row in view.rows)
    if part.what is not Besides.LAYERS_NOT_COUNTED or not count:
        return ""
    return f", {translate('{count} of them inputs and outputs', count=count)}"


def _part(part: Part, by: Amount) -> str:
    count = part.layers
    words = {
        Besides.OVERLAP: translate("units that run at once"),
        Besides.LAYERS_NOT_COUNTED: translate("layers not counted")
        if count is None
        else translate_count(count, "{count} layer not counted", "{count} layers not counted"),
        Besides.OUTSIDE_OF_LAYERS: translate("outside of layers"),
        Besides.INTERRUPTIONS: translate("interruptions by other programs"),
        Besides.WAITING: translate("no unit runs"),
    }[part.what]
    if part.what is Besides.LAYERS_NOT_COUNTED and not part.amount:
        return f"{words} ({translate('no figure')})"
    return words if part.amount is None else f"{words} {_shown(abs(part.amount), by)}"


def _shown(amount: float, by: Amount) -> str:
    return duration(amount, DIGITS) if by is Amount.TIME else amount_text(amount, by)
