"""A CSV file of a published table: its header and its records, each with the line that it begins on."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from npubench.storage.files import open_regular
from npubench.storage.toml import Problem

TOLD_CELLS = 20
"""Bad cells of one column that are told one by one; a wrong decimal mark spoils them all."""


@dataclass(frozen=True, slots=True)
class Record:
    """A row of cells without blanks around them, as many as the header has; `line` counts from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a CSV file holds."""

    header: tuple[str, ...]
    records: tuple[Record, ...]


def read_header(path: Path, problems: list[Problem]) -> tuple[str, ...] | None:
    """The names of a CSV file's columns; None where there are none to go by, and `problems` gets why."""
    text = _text(path, problems)
    if text is None:
        return None
    told = len(problems)
    line, header = next(_records(path, text, problems), (1, None))
    if header is None:
        if len(problems) == told:
            problems.append(Problem(path, 1, "", "is empty: begin it with a line of column names"))
        return None
    for name in (name for name, count in Counter(header).items() if count > 1 and name):
        problems.append(
            Problem(path, line, "", f"column {name!r} is there more than once: rename one of them")
        )
    return header


def read_sheet(path: Path, problems: list[Problem]) -> Sheet | None:
    """Header and records of a CSV file (RFC 4180, UTF-8) whose header can be read; blank lines are left out.

    What is wrong goes to `problems` with its line; a record with too many or too few cells is left out.
    """
    text = _text(path, problems)
    if text is None:
        return None
    lines = _records(path, text, problems)
    _, header = next(lines, (1, ()))
    records: list[Record] = []
    for line, cells in lines:
        if len(cells) == len(header):
            records.append(Record(line, cells))
        else:
            said = f"{len(cells)} cells under a header of {len(header)}: quote cells that hold commas"
            problems.append(Problem(path, line, "", said))
    return Sheet(header, tuple(records))


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        with open_regular(path, follow=True) as stream:
            data = stream.read()
    except OSError as error:
        problems.append(Problem(path, 0, "", f"cannot be read: {error.strerror}: check 'file'"))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        said = f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8"
        problems.append(Problem(path, line, "", said))
        return None


def _records(path: Path, text: str, problems: list[Problem]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Lines that records begin on, and their cells; blank ones are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            cells = tuple(cell.strip() for cell in next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(path, line, "", f"is not CSV: {error}: correct the quotes"))
            return
        if any(cells):
            yield line, cells
        line = reader.line_num + 1


class CellProblems:
    """Bad cells of one file, told by line and column; of one column so many, the others counted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[tuple[int, str, str], None] = {}

    def add(self, line: int, column: str, message: str) -> None:
        """Note a bad cell; the same is told once, however many figures it spoils."""
        self._found[line, column, message] = None

    def told(self) -> Sequence[Problem]:
        """Problems in the order of the file."""
        counts: Counter[str] = Counter()
        shown: list[Problem] = []
        left: Counter[str] = Counter()
        last: dict[str, int] = {}
        for line, column, message in self._found:
            counts[column] += 1
            if counts[column] <= TOLD_CELLS:
                shown.append(Problem(self._path, line, "", f"column {column!r}: {message}"))
            else:
                left[column] += 1
                last[column] = line
        for column, count in left.items():
            said = f"column {column!r}: {count} more bad cells, the last one here"
            shown.append(Problem(self._path, last[column], "", said))
        return sorted(shown, key=lambda one: one.line)
