"""Where each operator runs by board, and the best share of the peak that a case of it reached."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import BoardSpec, CaseKind
from npubench.reporting.data.figures import figures_of, gmac_per_s
from npubench.reporting.data.op_support import HOST, NPU, Placement, Where, of_row, placements
from npubench.reporting.select.chip_facts import peak_mac_per_s, sheet_of


@dataclass(frozen=True, slots=True)
class HeatCell:
    """`placed` is the worst that became of the operator over its cases and layers; None: unknown.

    `efficiency` in [0, 1] is the best share of the peak that a case of the operator reached, of `kind`.
    """

    placed: Placement | None
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
    """The map of all single-operator cases, and of operators that models failed by or left to another unit;
    None without any."""
    places = placements(results, _told)
    best: dict[tuple[str, Where], tuple[float, Kind]] = {}
    for row in results:
        of_operator = row.case_kind is CaseKind.OPERATOR and row.op and row.status is Status.OK
        if reached := _efficiency(row, boards) if of_operator else None:
            key = (row.op, (row.board, row.backend))
            best[key] = max(reached, best.get(key, reached))
    if not places:
        return None
    columns = tuple(sorted({where for row in places.values() for where in row}))
    rows = tuple(
        (
            operator,
            tuple(HeatCell(row.get(where), *best.get((operator, where), ())) for where in columns),
        )
        for operator, row in sorted(places.items())
    )
    return HeatMap(columns, rows)


def _told(row: Result) -> Iterator[tuple[str, Placement]]:
    """Of an operator case its operator, of anything else only what is worse than the NPU."""
    for operator, placed in of_row(row):
        about = row.case_kind is CaseKind.OPERATOR and operator == row.op
        worse_than_npu = placed.place not in (NPU, HOST)
        if about or (worse_than_npu and (row.status is Status.FAILED or row.chip != "cpu")):
            yield operator, placed


def _efficiency(row: Result, boards: Sequence[BoardSpec]) -> tuple[float, Kind] | None:
    """The tool's own share of the peak, else MACs over time over the peak of the board's facts."""
    if row.emulated:
        return None
    for kind in Kind:
        figures = figures_of(row, kind)
        if figures is not None and figures.mac_utilisation is not None:
            return figures.mac_utilisation, kind
    for kind in Kind:
        if rate := gmac_per_s(row, kind):
            peak = peak_mac_per_s(sheet_of(row.board, row.chip, boards))
            return (rate * 1e9 / peak.value, kind) if peak else None
    return None
