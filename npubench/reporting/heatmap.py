"""Operators by boards: where each runs, and how much of the chip it reaches at best."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.records import FailureClass, Kind, Result, Status
from npubench.reporting.pairs import figures_of, gmac_per_s
from npubench.reporting.selection.candidate import facts_of_board
from npubench.reporting.selection.chip_facts import peak_mac_per_s
from npubench.specs import BoardSpec, CaseKind


@dataclass(frozen=True, slots=True)
class HeatCell:
    """`place` is NPU, CPU, custom, runs, unsupported or failed; "" where nothing is known.

    `efficiency` in [0, 1] is the best share of the peak that a case of the operator reached, of `kind`.
    """

    place: str = ""
    efficiency: float | None = None
    kind: Kind | None = None

    @property
    def heat(self) -> int:
        """0 to 5, for the shade; 0 without an efficiency."""
        return 0 if self.efficiency is None else min(5, 1 + int(self.efficiency * 5))


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Rows are operators, columns boards with their backend."""

    boards: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


def heatmap(results: Sequence[Result], boards: Sequence[BoardSpec]) -> HeatMap | None:
    """The map of all single-operator cases, and of operators that models failed by; None without any."""
    cells: dict[str, dict[tuple[str, str], HeatCell]] = {}
    for row in results:
        where = (row.board, row.backend)
        for operator, cell in _cells(row, boards):
            found = cells.setdefault(operator, {})
            found[where] = _better(found.get(where), cell)
    if not cells:
        return None
    columns = tuple(sorted({where for row in cells.values() for where in row}))
    rows = tuple(
        (operator, tuple(row.get(where, HeatCell()) for where in columns))
        for operator, row in sorted(cells.items())
    )
    return HeatMap(columns, rows)


def _cells(row: Result, boards: Sequence[BoardSpec]) -> list[tuple[str, HeatCell]]:
    failure = row.failure
    if failure and failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR:
        return [(operator, HeatCell("unsupported")) for operator in failure.operators]
    if row.case_kind is not CaseKind.OPERATOR or not row.op:
        return []
    if failure:
        return [(row.op, HeatCell("failed"))]
    if row.status is not Status.OK:
        return []
    placed = row.figures.placement if row.figures else {}
    efficiency, kind = _efficiency(row, boards)
    return [(row.op, HeatCell(placed.get(row.op, "runs"), efficiency, kind))]


def _efficiency(row: Result, boards: Sequence[BoardSpec]) -> tuple[float | None, Kind | None]:
    """The tool's own share of the peak, else MACs over time over the peak of the board's facts."""
    if row.emulated:
        return None, None
    for kind in Kind:
        figures = figures_of(row, kind)
        if figures is not None and figures.mac_utilisation is not None:
            return figures.mac_utilisation, kind
    for kind in Kind:
        rate = gmac_per_s(row, kind) if row.macs else None
        if rate:
            peak = peak_mac_per_s(facts_of_board(row.board, row.chip, boards))
            return (rate * 1e9 / peak.value, kind) if peak else (None, None)
    return None, None


_RANK = {"": 0, "failed": 1, "unsupported": 2}


def _better(one: HeatCell | None, other: HeatCell) -> HeatCell:
    """What ran is stronger than what did not; of two that ran, the more efficient."""
    if one is None:
        return other
    ranks = (
        (_RANK.get(one.place, 3), one.efficiency or 0.0),
        (_RANK.get(other.place, 3), other.efficiency or 0.0),
    )
    return other if ranks[1] > ranks[0] else one
