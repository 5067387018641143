"""Rooflines: what cases reach of a board's peak, by how much they compute for each byte of memory traffic.

Williams, Waterman, Patterson: Roofline, CACM 52 (2009) no. 4. Intensity is multiply-accumulates a byte of
memory traffic: of the traffic that the tool reports, else of the least there can be (inputs, outputs and
weights once, in the precision of the row), so a dot may lie left of where it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.reporting.charts.plots import Subject
from npubench.reporting.charts.scatter import POINT_LIMIT, Corner, Point, Scatter, scatter
from npubench.reporting.charts.trust import NONE_DOUBTED, Doubted, doubt_of, signed
from npubench.reporting.data.figures import aside, bound_of, bounds_of, figures_of, gmac_per_s, mark, opposite
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select.candidate import share_of_npu
from npubench.reporting.select.chip_facts import (
    FactSheet,
    bandwidth_bytes_per_s,
    peak_mac_per_s,
    sheet_of,
)

ELEMENT_BYTES = {Precision.FP32: 4, Precision.INT8: 1}


@dataclass(frozen=True, slots=True)
class Rooflines:
    """One plot a board and kind; `roofless` boards have cases, but no fact that tells a roof for them."""

    plots: tuple[Scatter, ...]
    roofless: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A case on the plot: MACs a byte, and 1e9 MACs a second."""

    row: Result
    intensity: float
    rate: float


def rooflines(
    results: Sequence[Result],
    kinds: Sequence[Kind],
    boards: Sequence[BoardSpec],
    doubted: Doubted = NONE_DOUBTED,
) -> Rooflines:
    """Of cases that have MACs and times; emulated boards have no performance. `doubted` are keys of rows."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for row in results:
        if not row.emulated and row.macs:
            groups.setdefault((row.board, row.backend, row.chip), []).append(row)
    plots: list[Scatter | None] = []
    roofless: list[str] = []
    for (board, backend, chip), rows in sorted(groups.items()):
        facts = sheet_of(board, chip, boards)
        for kind in kinds:
            places = _places(rows, kind)
            if places and peak_mac_per_s(facts) is None:
                roofless.append(board)
            elif places:
                plots.append(_plot(f"{board}, {backend}", places, kind, facts, doubted))
    return Rooflines(tuple(filter(None, plots)), tuple(dict.fromkeys(roofless)))


def _places(rows: Sequence[Result], kind: Kind) -> list[_Place]:
    """Models before operators, large before small: those find names first."""
    found = [place for row in rows if (place := _place(row, kind))]
    return sorted(found, key=lambda one: (one.row.case_kind is not CaseKind.MODEL, -(one.row.macs or 0)))


def _place(row: Result, kind: Kind) -> _Place | None:
    rate = gmac_per_s(row, kind)
    traffic = _traffic_bytes(row, kind) if rate else None
    return _Place(row, row.macs / traffic, rate) if rate and traffic and row.macs else None


def _traffic_bytes(row: Result, kind: Kind) -> float | None:
    figures = figures_of(row, kind)
    if figures is not None and figures.io_bytes:
        return float(figures.io_bytes)
    tensors = (*row.inputs, *row.outputs)
    if not tensors or row.precision not in ELEMENT_BYTES:
        return None
    elements = sum(prod(tensor.shape) for tensor in tensors) + (row.parameters or 0)
    return float(elements * ELEMENT_BYTES[row.precision])


def _plot(
    about: str, places: Sequence[_Place], kind: Kind, facts: FactSheet, doubted: Doubted
) -> Scatter | None:
    points = [
        # What finds no room is counted; nobody points at it.
        _point(place, kind, doubted)
        if at < POINT_LIMIT
        else Point(place.intensity, place.rate, _series(place.row), "")
        for at, place in enumerate(places)
    ]
    shares = (share_of_npu(f, facts) for place in places if (f := figures_of(place.row, kind)))
    low, high = min(one.intensity for one in places), max(one.intensity for one in places)
    corners = _roof(facts, low, high, min(shares, default=1.0), kind)
    subject = Subject("roofline", translate("Roofline"), about, kind, significant, logarithmic=True)
    return scatter(subject, (translate("MAC a byte"), translate("GMAC/s achieved")), points, corners)


def _series(row: Result) -> str:
    return f"{translate(row.case_kind)} {row.precision.upper()}"


def _point(place: _Place, kind: Kind, doubted: Doubted) -> Point:
    row, figures = place.row, figures_of(place.row, kind)
    sign = signed(mark(opposite(bound_of(figures))))
    reached = f"{sign}{significant(place.rate)} GMAC/s{aside(bounds_of(figures))}"
    doubt = doubt_of(row, doubted)
    text = f"{row.case}: {significant(place.intensity)} MAC/B, {reached}{doubt}"
    return Point(place.intensity, place.rate, _series(row), text, row.case, bool(doubt))


def _roof(facts: FactSheet, low: float, high: float, share: float, kind: Kind) -> list[Corner]:
    """The peak, and the slope of the memory up to it; nothing without a peak."""
    peak, bandwidth = peak_mac_per_s(facts), bandwidth_bytes_per_s(facts)
    if peak is None:
        return []
    rate = peak.value / 1e9
    label = translate("peak {rate} GMAC/s", rate=significant(rate))
    text = label
    if share < 1:
        text = f"{text} ({peak.how or translate('of the whole NPU')})"
    left, right = low / 2, high * 2
    if bandwidth is None:
        return [Corner(((left, rate), (right, rate)), text, kind, label)]
    slope = bandwidth.value / 1e9
    ridge = rate / slope
    memory = f"{significant(slope)} GB/s"
    corners = []
    if left < ridge:
        end = min(ridge, right)
        corners.append(Corner(((left, left * slope), (end, end * slope)), memory, kind, memory))
    if right > ridge:
        corners.append(Corner(((max(ridge, left), rate), (right, rate)), text, kind, label))
    return corners
