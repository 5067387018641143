"""Tables and paragraphs that fit a terminal: names and sentences give way to its width, figures never do."""

import shlex
import shutil
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from npubench.domain.text import columns_of, printable, shortened

PIPE_COLUMNS = 80
"""Columns where nothing tells them: a pipe, a file, a terminal that does not say how wide it is."""

LEAST_COLUMNS = 20
"""Columns below which nothing is laid out any more; a narrower terminal breaks lines by itself."""

_GAP = 2
_SENTENCE, _NAME = 20, 28
"""Columns that sentences get before names get more than makes them differ, and names before sentences do."""
_NOTHING = ("", "-")


class Gives(Enum):
    """How a column gives way where a table is too wide."""

    NOTHING = auto()  # figures and words that mean nothing in parts
    MIDDLE = (
        auto()
    )  # names: they differ most at their ends; one that is then like another stands above its row
    LINES = auto()  # sentences: they go on below
    ABOVE = auto()  # names to be copied: one that is too long stands on a line above its row


@dataclass(frozen=True, slots=True)
class Column:
    """A column under its title, a cell a row; `least` columns of the terminal it keeps."""

    title: str
    cells: Sequence[str]
    gives: Gives = Gives.NOTHING
    least: int = 8
    right: bool = False

    @property
    def natural(self) -> int:
        """Columns of the terminal that its widest cell takes, or its title."""
        return max(map(columns_of, (self.title, *self.cells)))

    @property
    def floor(self) -> int:
        """Columns that it needs at least."""
        if self.gives is Gives.NOTHING:
            return self.natural
        return min(self.natural, max(self.least, columns_of(self.title)))

    @property
    def clear(self) -> int:
        """Least columns at which shortened names are as many as the names."""
        if self.gives is not Gives.MIDDLE:
            return self.floor
        names = {*self.cells}
        return bisect_left(range(self.natural), True, self.floor, key=lambda limit: not _alike(names, limit))


def _alike(names: Collection[str], limit: int) -> frozenset[str]:
    """Those that no one could tell apart once they are shortened to `limit` columns."""
    short = {name: shortened(name, limit) for name in names}
    count = Counter(short.values())
    return frozenset(name for name, text in short.items() if count[text] > 1)


def terminal_columns() -> int:
    """Columns of the terminal, or what COLUMNS says; 80 on a pipe."""
    return max(LEAST_COLUMNS, shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns)


def fitted_table(columns: Sequence[Column], width: int) -> list[str]:
    """Lines of at most `width` columns; no figure is cut.

    Where even shortened names leave too little room for a table, each row is a paragraph. All text is made
    printable; a column that has no title and nothing in it is left out.
    """
    shown = [_printable(column) for column in columns]
    shown = [column for column in shown if column.title or any(column.cells)]
    if not shown:
        return []
    if _total(column.floor for column in shown) > width:
        return [line for row in range(len(shown[0].cells)) for line in _paragraph(shown, row, width)]
    widths = _widths(shown, width)
    places = [_Place(one, limit, _above(one, limit)) for one, limit in zip(shown, widths, strict=True)]
    head = _line([column.title for column in shown], places)
    return [head, *(line for row in range(len(shown[0].cells)) for line in _lines(places, row, width))]


_WORDS = 18
"""Columns up to which what a table holds is words, which are never broken; more is a sentence."""

_KEPT = 24
"""Columns that names to be copied keep before longer ones stand above their rows."""


def record_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int,
    right: Collection[str] = (),
    dispensable: Sequence[str] = (),
) -> list[str]:
    """Rows under their heads in lines of at most `width` columns.

    The first column holds names to be copied, which are never cut; sentences go on below; the columns `right`
    hold figures. Where the table is too wide the columns of `dispensable` go, first ones first.
    """
    cells = list(zip(*rows, strict=True)) or [()] * len(head)
    columns = [
        _record_column(title, column, not at, title in right)
        for at, (title, column) in enumerate(zip(head, cells, strict=True))
    ]
    for name in dispensable:
        if _total(column.natural for column in columns) > width:
            columns = [column for column in columns if column.title != name]
    return fitted_table(columns, width)


def _record_column(title: str, cells: Sequence[str], is_name: bool, right: bool) -> Column:
    if is_name:
        return Column(title, cells, Gives.ABOVE, _KEPT)
    column = Column(title, cells, Gives.LINES, 10, right)
    return Column(title, cells, right=right) if right or column.natural <= _WORDS else column


def _printable(column: Column) -> Column:
    cells = tuple(map(printable, column.cells))
    return Column(printable(column.title), cells, column.gives, column.least, column.right)


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + _GAP * (len(found) - 1)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Columns of the terminal for each: names until they differ, then sentences, then names until whole.

    Of those that want more, one that lacks most of what it would take gets more first.
    """
    widths = [one.floor for one in columns]
    natural = [one.natural for one in columns]
    clear = [one.clear for one in columns]
    sentences = [
        max(least, min(full, _SENTENCE)) if one.gives is Gives.LINES else least
        for one, least, full in zip(columns, clear, natural, strict=True)
    ]
    names = [
        max(least, min(full, _NAME)) if one.gives is Gives.MIDDLE else least
        for one, least, full in zip(columns, sentences, natural, strict=True)
    ]
    for goal in (clear, sentences, names, natural):
        spare = width - _total(widths)
        while spare > 0 and (wanting := [at for at, need in enumerate(goal) if widths[at] < need]):
            widths[max(wanting, key=lambda at: goal[at] / widths[at])] += 1
            spare -= 1
    return widths


def _above(column: Column, limit: int) -> frozenset[str]:
    """Names that stand on a line of their own above their row."""
    if column.gives is Gives.ABOVE:
        return frozenset(cell for cell in column.cells if columns_of(cell) > limit)
    return _alike({*column.cells}, limit) if column.gives is Gives.MIDDLE else frozenset()


@dataclass(frozen=True, slots=True)
class _Place:
    """A column with the columns of the terminal that it got."""

    column: Column
    width: int
    above: frozenset[str]  # names that stand on a line of their own above their rows


def _lines(places: Sequence[_Place], row: int, width: int) -> list[str]:
    parts: list[list[str]] = []
    whole: list[str] = []
    for place in places:
        cell = place.column.cells[row]
        if cell in place.above:
            whole += wrapped(cell, width)
            parts.append([""])
        elif place.column.gives is Gives.LINES:
            parts.append(wrapped(cell, place.width))
        else:
            parts.append([shortened(cell, place.width)])
    depth = max(map(len, parts))
    below = zip(*(part + [""] * (depth - len(part)) for part in parts), strict=True)
    lines = [_line(cells, places) for cells in below]
    return [*whole, *(line for line in lines if line)] or [""]


def _line(cells: Sequence[str], places: Sequence[_Place]) -> str:
    blanks = (" " * (place.width - columns_of(cell)) for cell, place in zip(cells, places, strict=True))
    padded = (
        blank + cell if place.column.right else cell + blank
        for cell, blank, place in zip(cells, blanks, places, strict=True)
    )
    return (" " * _GAP).join(padded).rstrip()


def _paragraph(columns: Sequence[Column], row: int, width: int) -> list[str]:
    """A row where there is no room for columns: its first cell, then each with its title."""
    first = columns[0].cells[row]
    lines = wrapped(first, width)
    told = [(one.title, one.cells[row]) for one in columns[1:] if one.cells[row] not in _NOTHING]
    return [*lines, *packed([f"{title} {cell}".strip() for title, cell in told], width, "  ")]


def packed(items: Sequence[str], width: int, indent: str = "", between: str = ", ") -> list[str]:
    """Items one after another, each whole where it fits a line of its own."""
    lines: list[str] = []
    line = ""
    room = width - len(indent)
    for number, item in enumerate(items, 1):
        text = item + between.rstrip() if number < len(items) else item
        joined = f"{line} {text}" if line else text
        if columns_of(joined) <= room:
            line = joined
            continue
        lines += [line] if line else []
        *full, line = wrapped(text, room)
        lines += full
    return [indent + one for one in (*lines, line) if one]


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """`text`, made printable, in lines of at most `width` columns: `first` begins the first, `rest` others.

    Lines break between words; a word that is longer than a line breaks where the line ends.
    """
    lines, begun = [first], False
    for word in printable(text).split(" "):
        glue = " " if begun else ""
        if columns_of(lines[-1] + glue + word) <= width:
            lines[-1] += glue + word
            begun = True
            continue
        if begun:
            lines.append(rest)
        begun = False
        for character in word:
            if begun and columns_of(lines[-1] + character) > width:
                lines.append(rest)
            lines[-1] += character
            begun = True
    return lines


def command_lines(words: Sequence[str], width: int, indent: str = "    ") -> list[str]:
    """A command to be copied into a shell: quoted, and continued with a backslash where it is too long."""
    quoted = [shlex.quote(word) if printable(word) == word else _escaped(word) for word in words]
    lines: list[str] = []
    line = indent
    for word in quoted:
        joined = f"{line} {word}" if line.strip() else indent + word
        if columns_of(joined) > width - 2 and line.strip():
            lines.append(f"{line} \\")
            joined = f"{indent}  {word}"
        line = joined
    return [*lines, line]


def _escaped(word: str) -> str:
    """A word with what steers a terminal as the bytes that bash and zsh read in $'...'."""
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{''.join(one if printable(one) == one else _bytes(one) for one in plain)}'"


def _bytes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A fact under its label; `lines` follow it on lines of their own, as they are."""

    label: str
    text: str
    lines: tuple[str, ...] = ()


def labelled_lines(facts: Sequence[Labelled], width: int, indent: str = "  ") -> list[str]:
    """Facts with their labels in a column; below one another where that leaves no room."""
    shown = [(printable(one.label), one.text, one.lines) for one in facts]
    column = max((columns_of(label) for label, *_ in shown), default=0)
    aside = column + _GAP + len(indent) <= width // 2
    found = []
    for label, text, lines in shown:
        if aside:
            lead = indent + label + " " * (column - columns_of(label) + _GAP)
            rest = " " * columns_of(lead)
            found += wrapped(text, width, lead, rest)
        else:
            found += [*wrapped(label, width, indent, indent), *wrapped(text, width, indent * 2, indent * 2)]
        found += lines
    return found
