"""Rows of one kind ranked by latency: those that cannot be relied on keep their place and get no number."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from npubench.domain.figures import Bounds, Figures, Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind
from npubench.reporting.data.figures import bounds_of, left_out_of, time_us, why
from npubench.reporting.data.tables import (
    DOUBTED,
    OFF,
    CaseTable,
    ShownColumn,
    badge_of,
    bound_text,
    json_text,
    notes_of,
    script_text,
)
from npubench.reporting.sanity.reliance import Reliance, Standing, main_figures

SHOWN = 10
SHOWN_OF_SEVERAL = 5
"""Rows that a ranking shows before it is asked for more: of one, and of each of several on a page."""


@dataclass(frozen=True, slots=True)
class Field:
    """Which rows are ranked against each other: two simulators have no common clock and are two fields."""

    kind: Kind | None  # of their figures; None where no row has any
    simulator: str  # the toolchain that simulated; empty of other kinds
    emulated: bool  # of an emulated board, whose times say nothing of a chip
    part: Bounds | None  # the part of the NPU that ran, where that is not the whole


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place; `at` is its place in the case table."""

    at: int
    rank: int | None  # None of a row that cannot be relied on, has no time or failed


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as it stands in the page, as `CaseRows.figure` of page.js draws it."""

    field: str  # time, fps, cosine or top1
    text: str  # empty where nothing is known
    style: str  # two letters of the kind; none of a word in its place
    value: float | None  # in base units
    title: str  # why there is none


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it stands in the page."""

    number: int  # of the row among all
    rank: int | None  # None where it has none
    row: Result  # whose line it is
    off: int  # how it stands back: OFF, DOUBTED or 0
    badge: str  # class of its verdict
    word: str  # its verdict
    whys: tuple[str, ...]  # why it failed, or what makes it less sure, each with what to do
    cells: tuple[Cell, ...]  # its figures

    @property
    def by_field(self) -> dict[str, Cell]:
        """Its figures by their names."""
        return {cell.field: cell for cell in self.cells}


@dataclass(frozen=True, slots=True)
class Ranking:
    """A field's rows in their order: with a time, without one, failed."""

    field: Field  # what its rows have in common
    table: CaseTable  # that its rows are of
    places: tuple[Place, ...]  # in their order
    statistic: str  # p50, or mean where a row has no median
    shown: int  # rows that stand in the page without a click
    boards: tuple[str, ...]  # of the rows, by name
    failed: int  # rows at the end that failed
    columns: Mapping[str, int]  # time, fps, cosine, top1: places among the table's columns, as far as told
    has_whys: bool  # whether a row failed, or something makes one less sure
    has_verdicts: bool  # whether a row is anything else than a number that has no verdict

    def column(self, name: str) -> ShownColumn | None:
        """That column of the case table; None where no row has a figure there."""
        at = self.columns.get(name)
        return None if at is None else self.table.columns[at]

    @property
    def has_times(self) -> bool:
        """Whether there is anything to rank."""
        return "time" in self.columns

    @property
    def part(self) -> str:
        """The part of the NPU that ran, in words; empty of a whole one."""
        return why(self.field.part) if self.field.part else ""

    @property
    def rows(self) -> list[Result]:
        """The rows in their order."""
        return [self.table.rows[place.at][1] for place in self.places]

    @property
    def lines(self) -> list[Line]:
        """Those that stand in the page without a click, with all that the page's script draws of others."""
        return [_line(self, place) for place in self.places[: self.shown]]

    @property
    def packed(self) -> Markup:
        """The ranking as JSON: places in the case table in their order, ranks (0 without one), columns."""
        order, ranks = [place.at for place in self.places], [place.rank or 0 for place in self.places]
        told = {"order": order, "ranks": ranks, "fields": self.columns, "part": self.shown}
        told["common"] = _common(self.field)
        return script_text(json_text(told))


def _line(ranking: Ranking, place: Place) -> Line:
    table, at = ranking.table, place.at
    (number, row), relied = table.rows[at], table.reliances[at]
    off = OFF if row.status is not Status.OK else DOUBTED if relied.doubtful else 0
    whys = tuple(_whys(ranking.field, row, relied))
    cells = tuple(_cell(name, table.columns[column], at) for name, column in ranking.columns.items())
    return Line(number, place.rank, row, off, *badge_of(row, relied.standing), whys, cells)


def _common(field: Field) -> str:
    """What makes every time of a ranking a bound, as a note of a row says it: it stands above them once."""
    return bound_text(field.part) if field.part else ""


def _whys(field: Field, row: Result, relied: Reliance) -> list[str]:
    if row.failure:
        return [row.failure.message]
    return [one for one in notes_of(row, relied) if one != _common(field)] if row.status is Status.OK else []


def _cell(name: str, column: ShownColumn, at: int) -> Cell:
    value = column.values[at]
    if value is not None:
        # What makes it a bound stands among the reasons of its row.
        return Cell(name, column.figure(at), column.kind[:2] if column.kind else "n", value, "")
    word, why = column.blanks.get(at, ("", ""))
    return Cell(name, word, "none" if word else "", None, why)


RANKED = (CaseKind.MODEL, CaseKind.OPERATOR, CaseKind.BENCHMARK, CaseKind.CODEC)
"""What is ranked, what is asked for most first."""


def ranked_table(tables: Sequence[CaseTable]) -> CaseTable | None:
    """Models, or what comes next where none of them ran; None where there is nothing that has a time."""
    by_kind = {table.kind: table for table in tables}
    found = [by_kind[kind] for kind in RANKED if kind in by_kind]
    ran = (table for table in found if any(row.status is Status.OK for _, row in table.rows))
    return next(ran, next(iter(found), None))


def rankings(table: CaseTable | None, reliances: Sequence[Reliance]) -> list[Ranking]:
    """One a field, measured before simulated; `reliances` are of all rows, by the numbers of the table."""
    if table is None:
        return []
    figures = {at: main_figures(row) for at, (_, row) in enumerate(table.rows)}
    fields = _fields(table, figures)
    order = sorted(fields, key=_rank_of_field)
    shown = SHOWN if len(order) == 1 else SHOWN_OF_SEVERAL
    return [_ranking(one, table, fields[one], reliances, shown) for one in order]


def _ranking(
    field: Field, table: CaseTable, members: Sequence[int], reliances: Sequence[Reliance], shown: int
) -> Ranking:
    rows = [table.rows[at][1] for at in members]
    statistic = _statistic(field, rows)
    places = tuple(_places(field, table, members, statistic, reliances))
    boards = tuple(sorted({row.board for row in rows}))
    failed = sum(row.status is Status.FAILED for row in rows)
    columns = _columns(field, table, members, statistic)
    has_whys = any(_whys(field, table.rows[at][1], table.reliances[at]) for at in members)
    has_verdicts = any(table.reliances[at].standing is not Standing.TOLD for at in members)
    told = columns, has_whys, has_verdicts
    return Ranking(field, table, places, statistic, shown, boards, failed, *told)


def _columns(field: Field, table: CaseTable, members: Sequence[int], statistic: str) -> dict[str, int]:
    """Of the accuracies what a row of the ranking has, the time in any case."""
    wanted = {"time": statistic, "fps": "fps", "cosine": "cosine", "top1": "top-1"}
    own = {one.name: at for at, one in enumerate(table.columns) if field.kind and one.kind is field.kind}
    found = {key: own[name] for key, name in wanted.items() if name in own}
    return {key: at for key, at in found.items() if key == "time" or _is_told(table.columns[at], members)}


def _is_told(column: ShownColumn, members: Sequence[int]) -> bool:
    return any(column.values[at] is not None or column.blanks.get(at, ("", ""))[0] for at in members)


def _fields(table: CaseTable, figures: Mapping[int, Figures | None]) -> dict[Field, list[int]]:
    """Rows by their field; one without figures stands with the others of its board, or apart."""
    fields: defaultdict[Field, list[int]] = defaultdict(list)
    home: dict[tuple[str, str, bool], Field] = {}
    for at, (_, row) in enumerate(table.rows):
        if (own := figures[at]) is not None:
            field = _field(row, own)
            fields[field].append(at)
            home.setdefault((row.board, row.backend, row.emulated), field)
    for at, (_, row) in enumerate(table.rows):
        if figures[at] is None and row.status is not Status.SKIPPED:
            apart = Field(None, "", row.emulated, None)
            fields[home.get((row.board, row.backend, row.emulated), apart)].append(at)
    return fields


def _field(row: Result, figures: Figures) -> Field:
    simulator = row.backend if figures.kind is Kind.SIMULATED else ""
    bounds = bounds_of(figures)
    part = bounds if bounds is not None and left_out_of(figures) is None else None
    return Field(figures.kind, simulator, row.emulated, part)


def _rank_of_field(field: Field) -> tuple[object, ...]:
    kinds = [*Kind, None]
    part = field.part.share or 0.0 if field.part else 1.0
    return field.emulated, kinds.index(field.kind), field.simulator, -part


def _statistic(field: Field, rows: Sequence[Result]) -> str:
    """The median where every timed row has one, else the mean of all: never both in one column."""
    kind = field.kind
    timed = [row for row in rows if kind and time_us(row, kind, "mean")]
    return "p50" if kind and timed and all(time_us(row, kind, "p50") for row in timed) else "mean"


def _places(
    field: Field, table: CaseTable, members: Sequence[int], statistic: str, reliances: Sequence[Reliance]
) -> Iterator[Place]:
    kind = field.kind

    def key(at: int) -> tuple[object, ...]:
        row = table.rows[at][1]
        time = time_us(row, kind, statistic) if kind else None
        failed = row.status is Status.FAILED
        return failed, time is None, time or 0.0, at

    rank = 0
    for at in sorted(members, key=key):
        number, row = table.rows[at]
        relied = reliances[number].can_lead or reliances[number].can_stand_in
        if kind and relied and time_us(row, kind, statistic):
            rank += 1
            yield Place(at, rank)
        else:
            yield Place(at, None)
