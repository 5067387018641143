"""Operators by boards: where each runs, and how much of the chip it reaches at best."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind, Result, Status
from npubench.domain.specs import BoardSpec, CaseKind
from npubench.reporting.data.pairs import figures_of, gmac_per_s
from npubench.reporting.data.placements import NPU, RUNS, Placement, Where, of_row, worse
from npubench.reporting.select.candidate import facts_of_board
from npubench.reporting.select.chip_facts import peak_mac_per_s


@dataclass(frozen=True, slots=True)
class HeatCell:
    """`place` is the worst that became of the operator: NPU, CPU, custom, runs, or how it failed; "" unknown.

    `efficiency` in [0, 1] is the best share of the peak that a case of the operator reached, of `kind`.
    `seen` of `tried` cases and layers were as bad as that.
    """

    place: str = ""
    efficiency: float | None = None
    kind: Kind | None = None
    seen: int = 1
    tried: int = 1

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
    """The map of all single-operator cases, and of operators that models failed by or left to another unit;
    None without any."""
    places: dict[str, dict[Where, Placement]] = {}
    best: dict[tuple[str, Where], tuple[float, Kind]] = {}
    for row in results:
        where = (row.board, row.backend)
        for operator, placed in _told(row):
            found = places.setdefault(operator, {})
            found[where] = worse(found[where], placed) if where in found else placed
        efficiency, kind = _efficiency(row, boards) if _of_operator(row) else (None, None)
        if efficiency is not None and kind is not None:
            best[row.op, where] = max((efficiency, kind), best.get((row.op, where), (0.0, kind)))
    if not places:
        return None
    columns = tuple(sorted({where for row in places.values() for where in row}))
    rows = tuple(
        (operator, tuple(_cell(row.get(where), best.get((operator, where))) for where in columns))
        for operator, row in sorted(places.items())
    )
    return HeatMap(columns, rows)


def _of_operator(row: Result) -> bool:
    return row.case_kind is CaseKind.OPERATOR and bool(row.op) and row.status is Status.OK


def _told(row: Result) -> Iterator[tuple[str, Placement]]:
    """Of an operator case its operator, of anything else only what is worse than the NPU."""
    for operator, placed in of_row(row):
        about = row.case_kind is CaseKind.OPERATOR and operator == row.op
        worse_than_npu = placed.place not in (NPU, RUNS)
        if about or (worse_than_npu and (row.status is Status.FAILED or row.chip != "cpu")):
            yield operator, placed


def _cell(placed: Placement | None, best: tuple[float, Kind] | None) -> HeatCell:
    if placed is None:
        return HeatCell()
    efficiency, kind = best or (None, None)
    return HeatCell(placed.place, efficiency, kind, placed.seen, placed.tried)


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
