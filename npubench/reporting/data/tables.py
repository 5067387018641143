"""The page's tables: every result stands in the table of its case kind, also when it failed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.domain.records import Kind, Result, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.measure.statistics import least_samples
from npubench.reporting.charts.grid import Cell, Grid, grid
from npubench.reporting.charts.pairs import Speedup, figures_of, kinds_of, pairs, speedup
from npubench.reporting.data.codec_columns import codec_columns
from npubench.reporting.data.columns import Entry
from npubench.reporting.data.json_rows import pack_rows

if TYPE_CHECKING:
    from markupsafe import Markup

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
