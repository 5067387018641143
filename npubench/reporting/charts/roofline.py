"""Rooflines: what a case does a second against what it does a byte, below the roof of the board's facts.

Williams, Waterman, Patterson: Roofline, CACM 52 (2009) no. 4. Intensity is multiply-accumulates a byte of
memory traffic: of the traffic that the tool reports, else of the least there can be (inputs, outputs and
weights once, in the precision of the row), so a dot may lie left of where it stands.
"""

from collections.abc import Mapping, Sequence
from math import prod

from npubench.domain.records import Kind, Result
from npubench.domain.specs import BoardSpec, Fact, Precision
from npubench.reporting.charts.scatter import POINT_LIMIT, Corner, Point, Scatter, Titles, scatter
from npubench.reporting.data.figures import aside, bound_of, bounds_of, mark, opposite
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.pairs import figures_of, gmac_per_s
from npubench.reporting.data.translate import say
from npubench.reporting.select.candidate import facts_of_board, share_of_npu
from npubench.reporting.select.chip_facts import bandwidth_bytes_per_s, peak_mac_per_s

ELEMENT_BYTES = {Precision.FP32: 4, Precision.INT8: 1}


def rooflines(results: Sequence[Result], kinds: Sequence[Kind], boards: Sequence[BoardSpec]) -> list[Scatter]:
    """One plot a board and kind that has cases with MACs and times; emulated boards have no performance."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for row in results:
        if not row.emulated and row.macs:
            groups.setdefault((row.board, row.backend, row.chip), []).append(row)
    found = []
    for (board, backend, chip), rows in sorted(groups.items()):
        facts = facts_of_board(board, chip, boards)
        for kind in kinds:
            plot = _plot(board, backend, rows, kind, facts)
            if plot:
                found.append(plot)
    return found


def _plot(
    board: str, backend: str, rows: Sequence[Result], kind: Kind, facts: Mapping[str, Fact]
) -> Scatter | None:
    places = [(row, *place) for row in rows if (place := _place(row, kind))]
    if not places:
        return None
    points = [
        # What finds no room is counted; nobody points at it.
        _point(*place, kind) if at < POINT_LIMIT else Point(*place[1:], _series(place[0]), "")
        for at, place in enumerate(places)
    ]
    share = min((share_of_npu(f, facts) for row in rows if (f := figures_of(row, kind))), default=1.0)
    low, high = min(point.x for point in points), max(point.x for point in points)
    corners = _roof(facts, low, high, share, kind)
    about = f"{board}, {backend}" if corners else f"{board}, {backend}; {say('no fact tells its roof')}"
    titles = Titles("roofline", say("Roofline"), about, say("MAC a byte"), say("GMAC/s achieved"))
    return scatter(titles, kind, points, corners, (significant, significant), logarithmic=True)


def _place(row: Result, kind: Kind) -> tuple[float, float] | None:
    """MACs a byte, and 1e9 MACs a second."""
    rate = gmac_per_s(row, kind)
    traffic = _traffic_bytes(row, kind) if rate else None
    return (row.macs / traffic, rate) if rate and traffic and row.macs else None


def _series(row: Result) -> str:
    return f"{say(row.case_kind)} {row.precision.upper()}"


def _point(row: Result, intensity: float, rate: float, kind: Kind) -> Point:
    figures = figures_of(row, kind)
    reached = f"{mark(opposite(bound_of(figures)))}{significant(rate)} GMAC/s{aside(bounds_of(figures))}"
    text = f"{row.case}: {significant(intensity)} MAC/B, {reached}"
    return Point(intensity, rate, _series(row), text)


def _traffic_bytes(row: Result, kind: Kind) -> float | None:
    figures = figures_of(row, kind)
    if figures is not None and figures.io_bytes:
        return float(figures.io_bytes)
    tensors = (*row.inputs, *row.outputs)
    if not tensors or row.precision not in ELEMENT_BYTES:
        return None
    elements = sum(prod(tensor.shape) for tensor in tensors) + (row.parameters or 0)
    return float(elements * ELEMENT_BYTES[row.precision])


def _roof(facts: Mapping[str, Fact], low: float, high: float, share: float, kind: Kind) -> list[Corner]:
    """The peak, and the slope of the memory up to it."""
    peak, bandwidth = peak_mac_per_s(facts), bandwidth_bytes_per_s(facts)
    if peak is None:
        return []
    rate = peak.value / 1e9
    text = say("peak {rate} GMAC/s", rate=significant(rate))
    if share < 1:
        text = f"{text} ({peak.about or say('of the whole NPU')})"
    left, right = low / 2, high * 2
    if bandwidth is None:
        return [Corner(((left, rate), (right, rate)), text, kind)]
    slope = bandwidth.value / 1e9
    ridge = rate / slope
    memory = f"{significant(slope)} GB/s"
    corners = []
    if left < ridge:
        end = min(ridge, right)
        corners.append(Corner(((left, left * slope), (end, end * slope)), memory, kind))
    if right > ridge:
        corners.append(Corner(((max(ridge, left), rate), (right, rate)), text, kind))
    return corners
