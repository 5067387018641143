"""The page's case tables: every result stands in the table of its case kind, also when it failed.

Rows are JSON that the page's script draws, all at once or, where they are very many, a part at a time.
"""

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup
from msgspec.json import encode

from npubench.domain.figures import Bounds, Kind
from npubench.domain.notes import Note, NoteCode, note_of
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.domain.text import text_table, visible
from npubench.measure.statistics import least_samples
from npubench.reporting.data.columns import Column, Entry, codec_columns, columns_of, nothing
from npubench.reporting.data.failure_words import class_word
from npubench.reporting.data.figures import bounds_of, figures_of, kinds_of, speedups, why
from npubench.reporting.data.formatting import TIMES, Scale, closeness, common_scale, significant
from npubench.reporting.data.translate import recorded, translate, translate_count
from npubench.reporting.sanity.doubt import Doubt
from npubench.reporting.sanity.reliance import Reliance, Standing, main_figures, reliances

LONG_FROM = 1001
"""Rows from which a page is long: the reasons of its dashes and its tables as plain text are left out."""

TITLES = {
    CaseKind.MODEL: "Models",
    CaseKind.OPERATOR: "Operators",
    CaseKind.CPU: "Processor",
    CaseKind.CODEC: "Codecs",
    CaseKind.BENCHMARK: "Board benchmarks",
}


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column that applies; the `first` of its kind has a line before it, `name` is its English title.

    `values` are in the unit `exact`, shown in `scale`; `digits` are fixed ones after the point, None: three
    significant. By row, `asides` stand before and after a figure, `blanks` in its place, with the reason.
    """

    name: str
    title: str
    unit: str
    hint: str
    kind: Kind | None
    first: bool
    exact: str
    scale: Scale
    digits: int | None
    values: tuple[float | None, ...]
    asides: Mapping[int, tuple[str, str]]
    blanks: Mapping[int, tuple[str, str]]

    def text(self, row: int) -> str:
        """What a row has there, as it reads on the page."""
        value = self.values[row]
        if value is None:
            return self.blanks.get(row, ("", ""))[0] or "–"
        return f"{self.figure(row)}{self.asides.get(row, ('', ''))[1]}"

    def figure(self, row: int) -> str:
        """The figure of a row that has one, with the sign of a bound."""
        shown = (self.values[row] or 0.0) / self.scale.divisor
        before = self.asides.get(row, ("", ""))[0]
        return f"{before}{significant(shown) if self.digits is None else closeness(shown, self.digits)}"


@dataclass(frozen=True, slots=True)
class CaseTable:
    """All results of one case kind, each with its place in the provenance.

    `several_boards`: a row must say which board it is about. `by_tool`: it says what measured it in place of
    a precision, as there is no model to have one. `reliances` are of its rows, in their order.
    """

    kind: CaseKind
    title: str
    rows: tuple[tuple[int, Result], ...]
    columns: tuple[ShownColumn, ...]
    several_boards: bool
    by_tool: bool
    is_long: bool
    reliances: tuple[Reliance, ...]

    @property
    def groups(self) -> list[tuple[Kind | None, int]]:
        """Runs of columns of one kind."""
        return [(kind, len([*run])) for kind, run in groupby(self.columns, key=lambda one: one.kind)]

    @property
    def unjudged(self) -> bool:
        """Whether a row that worked has no verdict."""
        return any(row.status is Status.OK and row.verdict is None for _, row in self.rows)

    @property
    def short_percentiles(self) -> bool:
        """Whether a percentile is missing for want of runs."""
        return any(_is_short(row) for _, row in self.rows)

    @property
    def without_figures(self) -> bool:
        """Whether a row failed or was skipped."""
        return any(row.failure is not None or row.skip_reason is not None for _, row in self.rows)

    @property
    def text(self) -> str:
        """The table for readers without the page's script."""
        heads = [translate("Case"), translate("Board"), translate("Tool" if self.by_tool else "Precision")]
        heads.append(translate("Verdict"))
        for one in self.columns:
            parts = one.kind and translate(one.kind.value), one.title, one.unit
            heads.append(" ".join(filter(None, parts)))
        lines = []
        for at, (_, row) in enumerate(self.rows):
            board, subject, _, word = _shared(row, self.by_tool, self.reliances[at].standing)
            lines.append([row.case, board, subject or "–", word, *(one.text(at) for one in self.columns)])
        return text_table(heads, lines)

    @property
    def packed(self) -> Markup:
        """The rows as JSON: columns and rows; figures in base units, null unknown; repeated texts once."""
        return _packed(self)


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


def case_tables(results: Sequence[Result], doubts: Sequence[Doubt] = ()) -> list[CaseTable]:
    """A table per case kind that occurs; its rows are numbered by their places in `results`.

    `doubts` are about these rows: such are greyed, and say why.
    """
    relied = reliances(results, doubts)
    kinds = {row.case_kind for row in results}
    return [_table(kind, results, relied) for kind in CaseKind if kind in kinds]


def _table(kind: CaseKind, results: Sequence[Result], relied: Sequence[Reliance]) -> CaseTable:
    is_long = len(results) >= LONG_FROM
    numbered = tuple((number, result) for number, result in enumerate(results) if result.case_kind is kind)
    rows = [result for _, result in numbered]
    boards = {(row.board, row.backend) for row in rows}
    return CaseTable(
        *(kind, TITLES[kind], numbered),
        # What a processor does stands in tables of its own.
        ()
        if kind is CaseKind.CPU
        else _columns(rows, codec_columns() if kind is CaseKind.CODEC else (), is_long),
        several_boards=kind is CaseKind.CPU or len(boards) > 1 or any(row.emulated for row in rows),
        by_tool=all(row.precision is Precision.NONE for row in rows),
        is_long=is_long,
        reliances=tuple(relied[number] for number, _ in numbered),
    )


def _columns(rows: Sequence[Result], more: Sequence[Column], is_long: bool) -> tuple[ShownColumn, ...]:
    """All columns that apply to these rows, MACs first, `more` after all kinds; one unit for all times."""
    kinds = kinds_of(rows)
    factors = speedups(rows, kinds)
    entries = [
        Entry(row, {one: figures_of(row, one) for one in kinds}, factors.get(id(row), {})) for row in rows
    ]
    columns = columns_of(entries, kinds, more)
    values_of = [[_finite(column.value(entry)) for entry in entries] for column in columns]
    times = [v for c, values in zip(columns, values_of, strict=True) if c.scales is TIMES for v in values]
    unit_of_time = common_scale([value for value in times if value is not None], TIMES)
    found: list[ShownColumn] = []
    for column, values in zip(columns, values_of, strict=True):
        known = [value for value in values if value is not None]
        if not known and not column.always and not any(map(column.keeps, entries)):
            continue
        scale = unit_of_time if column.scales is TIMES else common_scale(known, column.scales)
        first = column.kind is not None and (not found or found[-1].kind is not column.kind)
        found.append(
            ShownColumn(
                column.title,
                *(translate(column.title), translate(scale.unit), translate(column.hint), column.kind, first),
                *(translate(column.exact), scale, column.digits, tuple(values)),
                asides=_asides(column, scale, entries, values),
                blanks=_blanks(column, first, entries, values, is_long),
            )
        )
    return tuple(found)


_SIGNS = {"": "", ">= ": "≥ ", "<= ": "≤ "}
"""Of bounds: a page can show what not every terminal can."""


def _asides(
    column: Column, scale: Scale, entries: Sequence[Entry], values: Sequence[float | None]
) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    if column.mark is nothing and column.aside is nothing:
        return found
    unit = f" {translate(scale.unit)}" if scale.unit else ""
    for at, (entry, value) in enumerate(zip(entries, values, strict=True)):
        before, after = ("", "") if value is None else (_SIGNS[column.mark(entry)], column.aside(entry))
        if before or after:
            found[at] = (before, f"{unit}{after}" if after else "")
    return found


def _blanks(
    column: Column, first: bool, entries: Sequence[Entry], values: Sequence[float | None], is_long: bool
) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    if is_long and column.word is nothing:
        return found
    for at, (entry, value) in enumerate(zip(entries, values, strict=True)):
        if value is not None:
            continue
        word, why = column.word(entry), ""
        status = entry.result.status
        # The first column of a kind says why there is none; its neighbours need not repeat it.
        if not is_long and not (column.kind and not first and entry.figures.get(column.kind) is None):
            why = translate(_NO_FIGURE[status] if status is not _OK else column.missing(entry))
        if word or why:
            found[at] = (word, why)
    return found


_OK = Status.OK
_NO_FIGURE = {Status.FAILED: "failed: no figure", Status.SKIPPED: "skipped: no figure"}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _packed(table: CaseTable) -> Markup:
    names: dict[str, int] = {}

    def place(text: str) -> int:
        return names.setdefault(visible(text), len(names))

    rows, reasons, notes = [], {}, {}
    known: dict[Hashable, list[int]] = {}
    for at, (number, row) in enumerate(table.rows):
        relied = table.reliances[at]
        failed = (row.failure.stage, row.failure.failure_class) if row.failure else None
        alike = (row.board, row.precision, row.backend, row.verdict, failed, row.status, relied.standing)
        shared = known.get(alike)
        if shared is None:
            shared = known[alike] = [place(text) for text in _shared(row, table.by_tool, relied.standing)]
        off = OFF if row.status is not _OK else DOUBTED if relied.doubtful else 0
        rows.append((number, visible(row.case), off, int(row.emulated), *shared))
        if why := row.failure.message if row.failure else recorded(row.skip_reason or ""):
            reasons[at] = place(why)
        elif told := notes_of(row, relied):
            more = translate_count(len(told), "{count} note", "{count} notes")
            notes[at] = [place(more), *map(place, told)]
    text = json_text(
        {
            "heads": [_head(one) for one in table.columns],
            "asides": [{at: [*map(place, pair)] for at, pair in one.asides.items()} for one in table.columns],
            "blanks": [{at: [*map(place, pair)] for at, pair in one.blanks.items()} for one in table.columns],
            **{"rows": rows, "reasons": reasons, "notes": notes, "names": list(names)},
            **{"byTool": table.by_tool, "several": table.several_boards, "isLong": table.is_long},
        }
    )
    columns = ",".join(f"[{','.join(map(_number, one.values))}]" for one in table.columns)
    return script_text(f'{text[:-1]},"columns":[{columns}]}}')


def _number(value: float | None) -> str:
    """Nine digits, of large numbers all of the whole: an encoder would write the seventeen of a float."""
    return "null" if value is None else f"{value:.9g}" if value < 1e9 else f"{value:.0f}"


def _head(column: ShownColumn) -> dict[str, Any]:
    """Two letters of a kind are the class of its cells: there are very many of them."""
    kind = column.kind[:2] if column.kind else "n"
    return {
        "divisor": column.scale.divisor,
        "digits": column.digits,
        "class": f"{kind} first" if column.first else kind,
        "first": column.first,
    }


OFF, DOUBTED = 1, 2
"""How a row stands back in its table: it has no figures, or none that can be relied on."""


def notes_of(row: Result, relied: Reliance) -> list[str]:
    """What makes the figures of a row less sure, each with what to do, in the language of now."""
    own = [doubt for doubt in relied.doubts if doubt.cases]
    # What is said of a whole board comes after what is said of the row.
    boards = [doubt for doubt in relied.doubts if not doubt.cases]
    of_row, of_board = ([f"{doubt.reason}: {doubt.next_step}" for doubt in some] for some in (own, boards))
    return [*_unsure(row, relied), *of_row, *map(recorded, row.warnings), *of_board]


_TOLD = {NoteCode.LOWER_BOUND, NoteCode.LOWER_BOUND_OF_LAYERS}


def code_of(note: Note | str) -> NoteCode | None:
    """Which of npubench's own warnings it is; None of a text."""
    found = note_of(note) if isinstance(note, str) else note
    return found.code if isinstance(found, Note) else None


def was_busy(row: Result) -> bool:
    """Whether other programs were running when it was measured."""
    return any(code_of(note) in (NoteCode.BUSY, NoteCode.CROWDED) for note in row.warnings)


def _unsure(row: Result, relied: Reliance) -> list[str]:
    """Why there is no time, or only a bound of one."""
    figures = main_figures(row)
    if figures is None:
        return [translate("no figures were recorded: measure it again")]
    if relied.standing is Standing.NO_TIME:
        if figures.kind is Kind.SIMULATED:
            return [
                translate(
                    "{tool} tells no time for this chip: run it on a board, without --simulate",
                    tool=row.backend,
                )
            ]
        return [translate("no latency was told")]
    bounds = bounds_of(figures)
    if bounds is None or _TOLD & {code_of(note) for note in row.warnings}:
        return []
    return [bound_text(bounds)]


def bound_text(bounds: Bounds) -> str:
    """What a time leaves out, as a note beside it."""
    return translate("only a bound: {why}", why=why(bounds))


def badge_of(row: Result, standing: Standing) -> tuple[str, str]:
    """Class and words of the verdict."""
    if row.failure:
        stage = translate(row.failure.stage.value)
        return "bad", translate(
            "failed: {stage}: {why}", stage=stage, why=class_word(row.failure.failure_class)
        )
    if row.status is not _OK:
        return ("bad", translate("failed")) if row.status is Status.FAILED else ("", translate("skipped"))
    if standing in (Standing.DOUBTFUL, Standing.WEAK, Standing.BOUND):
        return f"v-{standing.name.lower()}", translate(standing.value)
    if standing in (Standing.NO_TIME, Standing.EMULATED) and row.verdict is None:
        return "v-none", translate(standing.value)
    word = translate(row.verdict.value) if row.verdict else translate("no verdict")
    return f"v-{row.verdict or 'none'}", word


def _shared(row: Result, by_tool: bool, standing: Standing) -> tuple[str, str, str, str]:
    """What many rows have the same of: board, precision or tool, class and words of the verdict."""
    badge, word = badge_of(row, standing)
    precision = "" if row.precision is Precision.NONE else row.precision.upper()
    return row.board, row.backend if by_tool else precision, badge, word


def json_text(value: Any) -> str:
    """JSON as msgspec writes it."""
    return encode(value).decode()


def script_text(text: str) -> Markup:
    """JSON that no `</script>` in a name can end."""
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))


def _natural(name: str) -> list[tuple[int, str]]:
    # \d also matches digits of other scripts and superscripts; int() refuses the latter.
    parts = re.split(r"([0-9]{1,15})", name.lower())
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts]
