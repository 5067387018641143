"""Tables and paragraphs that fit a terminal: names and sentences give way to its width, figures never do."""

import shlex
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from npubench.domain.text import columns_of, printable, shortened

PIPE_COLUMNS = 80
"""Columns where nothing tells them: a pipe, a file, a terminal that does not say how wide it is."""

LEAST_COLUMNS = 20
"""Columns below which nothing is laid out any more; a narrower terminal breaks lines by itself."""

_GAP = 2
_NOTHING = ("", "-")


class Gives(Enum):
    """How a column gives way where a table is too wide."""

    NOTHING = auto()  # figures and words that mean nothing in parts
    MIDDLE = auto()  # names: they differ most at their ends
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
    head = _line([column.title for column in shown], shown, widths)
    return [head, *(line for row in range(len(shown[0].cells)) for line in _lines(shown, row, widths, width))]


def _printable(column: Column) -> Column:
    cells = tuple(map(printable, column.cells))
    return Column(printable(column.title), cells, column.gives, column.least, column.right)


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + _GAP * (len(found) - 1)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Columns of the terminal for each: those that lack most of what they would take get more first."""
    natural, widths = [one.natural for one in columns], [one.floor for one in columns]
    spare = width - _total(widths)
    while spare > 0:
        wanting = [at for at, need in enumerate(natural) if widths[at] < need]
        if not wanting:
            break
        widths[max(wanting, key=lambda at: natural[at] / widths[at])] += 1
        spare -= 1
    return widths


def _lines(columns: Sequence[Column], row: int, widths: Sequence[int], width: int) -> list[str]:
    above: list[str] = []
    parts: list[list[str]] = []
    for column, limit in zip(columns, widths, strict=True):
        cell = column.cells[row]
        if columns_of(cell) <= limit:
            parts.append([cell])
        elif column.gives is Gives.LINES:
            parts.append(wrapped(cell, limit))
        elif column.gives is Gives.ABOVE:
            above += wrapped(cell, width)
            parts.append([""])
        else:
            parts.append([shortened(cell, limit)])
    depth = max(map(len, parts))
    below = zip(*(part + [""] * (depth - len(part)) for part in parts), strict=True)
    lines = [_line(cells, columns, widths) for cells in below]
    return [*above, *(line for line in lines if line)] or [""]


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    padded = (
        " " * (width - columns_of(cell)) + cell if column.right else cell + " " * (width - columns_of(cell))
        for cell, column, width in zip(cells, columns, widths, strict=True)
    )
    return (" " * _GAP).join(padded).rstrip()


def _paragraph(columns: Sequence[Column], row: int, width: int) -> list[str]:
    """A row where there is no room for columns: its first cell, then each with its title."""
    first = columns[0].cells[row]
    lines = wrapped(first, width) if columns[0].gives is not Gives.MIDDLE else [shortened(first, width)]
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
