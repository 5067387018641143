"""A case table as cells: which columns apply, in which units, and what each row has in them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.domain.records import Kind, Status
from npubench.reporting.data.columns import Column, Entry, columns_of
from npubench.reporting.data.formatting import TIMES, Scale, common_scale
from npubench.reporting.data.words import say

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
