"""The page's case tables: every result stands in the table of its case kind, also when it failed."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.domain.records import Kind, Result, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.measure.statistics import least_samples
from npubench.reporting.data.columns import Column, Entry, codec_columns, columns_of
from npubench.reporting.data.formatting import TIMES, Scale, common_scale
from npubench.reporting.data.json_rows import pack_rows
from npubench.reporting.data.pairs import Speedup, figures_of, kinds_of, pairs, speedup
from npubench.reporting.data.translate import say

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, the exact figure (or why there is none) and what sorting goes by."""

    text: str
    title: str
    sort: float | None = None

    @property
    def exact(self) -> str:
        """The figure in base units, to nine digits."""
        return "" if self.sort is None else f"{self.sort:.9g}"


@dataclass(frozen=True, slots=True)
class Header:
    """A column's head; `first` of its kind draws a line before it. `exact` is the unit of exact figures.

    `divisor` and `digits` (fixed ones after the point; None: three significant) say how to round them.
    """

    title: str
    unit: str
    hint: str
    kind: Kind | None
    first: bool
    exact: str = ""
    divisor: float = 1.0
    digits: int | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Headers and, for every entry, its cells; `groups` are runs of columns of one kind.

    `words` are, column by column, what stands before and after the figures of some entries, `blanks` what
    stands in the place of values that are missing.
    """

    headers: tuple[Header, ...]
    groups: tuple[tuple[Kind | None, int], ...]
    cells: tuple[tuple[Cell, ...], ...]
    values: tuple[tuple[float | None, ...], ...] = ()
    blanks: tuple[Mapping[int, str], ...] = ()
    words: tuple[Mapping[int, tuple[str, str]], ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the cells of each column: two letters of their kind, as there are very many cells."""
        return tuple(
            f"{head.kind[:2] if head.kind else 'n'}{' first' if head.first and head.kind else ''}"
            for head in self.headers
        )

    @property
    def attributes(self) -> "tuple[Markup, ...]":
        """The classes as written in HTML, which needs no quotes around one word."""
        return tuple(_attribute(name) for name in self.classes)

    @property
    def firsts(self) -> tuple[bool, ...]:
        """Whether a line stands before the column."""
        return tuple(head.first and head.kind is not None for head in self.headers)


def _attribute(classes: str) -> "Markup":
    from markupsafe import Markup

    return Markup(f'"{classes}"' if " " in classes else classes)


def grid(
    entries: Sequence[Entry], kinds: Sequence[Kind], more: Sequence[Column] = (), plain: bool = False
) -> Grid:
    """All columns that apply to these entries, MACs first, `more` after all kinds; one unit for all times.

    `plain`: the figures alone in `values`, column by column, for tables that are too long to be written out.
    """
    columns = columns_of(entries, kinds, more)
    values_of = [[_finite(column.value(entry)) for entry in entries] for column in columns]
    times = [v for c, values in zip(columns, values_of, strict=True) if c.scales is TIMES for v in values]
    unit_of_time = common_scale([value for value in times if value is not None], TIMES)
    headers: list[Header] = []
    groups: list[tuple[Kind | None, int]] = []
    cells: list[list[Cell]] = []
    kept, empty, words = [], [], []
    for column, values in zip(columns, values_of, strict=True):
        known = [value for value in values if value is not None]
        blanks = {
            at: word
            for at, (entry, value) in enumerate(zip(entries, values, strict=True))
            if value is None and (word := column.word(entry))
        }
        if not known and not column.always and not any(map(column.keeps, entries)):
            continue
        scale = unit_of_time if column.scales is TIMES else common_scale(known, column.scales)
        first = not groups or groups[-1][0] is not column.kind
        headers.append(_header(column, scale, first))
        groups = [*groups, (column.kind, 1)] if first else [*groups[:-1], (column.kind, groups[-1][1] + 1)]
        kept.append(tuple(values))
        if plain:
            empty.append(blanks)
            words.append(_words(column, scale, entries, values))
        else:
            cells.append([_cell(column, scale, first, *pair) for pair in zip(entries, values, strict=True)])
    by_entry = tuple(zip(*cells, strict=True)) if cells else tuple(() for _ in entries)
    return Grid(tuple(headers), tuple(groups), by_entry, tuple(kept), tuple(empty), tuple(words))


def _words(
    column: Column, scale: Scale, entries: Sequence[Entry], values: Sequence[float | None]
) -> dict[int, tuple[str, str]]:
    unit = f" {say(scale.unit)}" if scale.unit else ""
    found = {}
    for at, (entry, value) in enumerate(zip(entries, values, strict=True)):
        before, after = ("", "") if value is None else (column.mark(entry), column.aside(entry))
        if before or after:
            found[at] = (before, f"{unit}{after}" if after else "")
    return found


def _header(column: Column, scale: Scale, first: bool) -> Header:
    return Header(
        *(say(column.title), say(scale.unit), say(column.hint), column.kind, first),
        *(say(column.exact), scale.divisor),
        digits=column.digits,
    )


def _cell(column: Column, scale: Scale, first: bool, entry: Entry, value: float | None) -> Cell:
    if value is not None:
        before, after = column.mark(entry), column.aside(entry)
        unit = f" {say(scale.unit)}" if after and scale.unit else ""
        text = f"{before}{column.show(value / scale.divisor)}{unit}{after}"
        return Cell(text, f"{before}{value:.12g} {column.exact}".rstrip(), value)
    status = entry.result.status
    if column.kind and not first and entry.figures.get(column.kind) is None:
        # The first column of a kind says why there is none; its neighbours need not repeat it.
        return Cell("–", "")
    if status is not Status.OK:
        return Cell("–", say(_NO_FIGURE[status]))
    return Cell(column.word(entry) or "–", say(column.missing(entry)))


_NO_FIGURE = {Status.FAILED: "failed: no figure", Status.SKIPPED: "skipped: no figure"}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


TITLES = {
    CaseKind.MODEL: "Models",
    CaseKind.OPERATOR: "Operators",
    CaseKind.CPU: "Processor",
    CaseKind.CODEC: "Codecs",
    CaseKind.BENCHMARK: "Board benchmarks",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One result of a table; `number` is its place in the provenance."""

    number: int
    result: Result
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class CaseTable:
    """All results of one case kind."""

    kind: CaseKind
    title: str
    grid: Grid
    lines: tuple[Line, ...]
    failed: int
    skipped: int
    packed: "Markup | str" = ""

    @property
    def several_boards(self) -> bool:
        """Whether a line must say which board it is about: there are several, or it is no real one."""
        boards = {(line.result.board, line.result.backend) for line in self.lines}
        return len(boards) > 1 or any(line.result.emulated for line in self.lines)

    @property
    def by_tool(self) -> bool:
        """Whether a line says what measured it in place of a precision: there is no model to have one."""
        return all(line.result.precision is Precision.NONE for line in self.lines)

    @property
    def unjudged(self) -> bool:
        """Whether a line that worked has no verdict."""
        return any(line.result.status is Status.OK and line.result.verdict is None for line in self.lines)

    @property
    def short_percentiles(self) -> bool:
        """Whether a percentile is missing for want of runs."""
        return any(_is_short(line.result) for line in self.lines)


def ordered(results: Sequence[Result]) -> list[Result]:
    """By case (numbers in names count as numbers), board, backend, then FP32 before INT8."""
    place = {precision: at for at, precision in enumerate(Precision)}
    cases = sorted({result.case for result in results}, key=lambda case: (_natural(case), case))
    rank = {case: at for at, case in enumerate(cases)}
    return sorted(results, key=lambda r: (rank[r.case], r.board, r.backend, place[r.precision]))


def _is_short(result: Result) -> bool:
    figures = figures_of(result, Kind.MEASURED)
    latency = figures.latency_us if figures else None
    return latency is not None and latency.n < least_samples(99)


def case_tables(results: Sequence[Result], packed: bool = False) -> list[CaseTable]:
    """A table per case kind that occurs; line numbers are places in `results`.

    `packed`: rows as JSON for the page's script, for tables that are too long to be written out.
    """
    return [_table(kind, results, packed) for kind in CaseKind if any(r.case_kind is kind for r in results)]


def _table(kind: CaseKind, results: Sequence[Result], packed: bool) -> CaseTable:
    numbered = [(number, result) for number, result in enumerate(results) if result.case_kind is kind]
    rows = [result for _, result in numbered]
    kinds = kinds_of(rows)
    factors = _speedups(rows, kinds)
    more = codec_columns() if kind is CaseKind.CODEC else ()
    entries = [
        Entry(row, {one: figures_of(row, one) for one in kinds}, factors.get(id(row), {})) for row in rows
    ]
    found = grid(entries, kinds, more, packed)
    lines = tuple(Line(*one, cells) for one, cells in zip(numbered, found.cells, strict=True))
    failed = sum(result.failure is not None for result in rows)
    skipped = sum(result.skip_reason is not None for result in rows)
    text = pack_rows(numbered, found) if packed else ""
    return CaseTable(kind, TITLES[kind], found, lines, failed, skipped, text)


def _speedups(rows: Sequence[Result], kinds: Sequence[Kind]) -> dict[int, dict[Kind, Speedup]]:
    found: dict[int, dict[Kind, Speedup]] = {}
    for pair in pairs(rows):
        for kind in kinds:
            factor = speedup(pair, kind)
            if factor is not None:
                found.setdefault(id(pair.int8), {})[kind] = factor
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    # \d also matches digits of other scripts and superscripts; int() refuses the latter.
    parts = re.split(r"([0-9]{1,15})", name.lower())
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts]
