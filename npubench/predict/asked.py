"""Rows whose figure is asked for: a CSV file with the columns of the published table, in any order."""

import csv
import math
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean, path_meant, printable

REQUIRED = ("chip", "mode", "model", "input", "precision", "metric", "unit", "source")
OPTIONAL = ("value", "tool", "note")


@dataclass(frozen=True, slots=True)
class AskedRow:
    """One row of the file; texts as they stand there, without blanks around them."""

    line: int  # of the file, from 1: where the row ends
    chip: str
    mode: str
    model: str
    input: str
    precision: str
    metric: str
    unit: str
    source: str
    tool: str = ""
    note: str = ""
    value: float | None = None  # in `unit`; None: not told or no positive number

    @property
    def key(self) -> tuple[str, ...]:
        """What a row is known by when it stands in two files: case and blanks do not matter."""
        words = (self.chip, self.mode, self.model, self.input, self.precision, self.metric, self.source)
        return tuple(" ".join(word.casefold().split()) for word in words)


def read_rows(file: Path) -> tuple[AskedRow, ...]:
    """The rows in their order; further columns are ignored, and so are empty lines.

    Raises UsageError for a file that cannot be read, is no CSV, lacks a column or holds no row.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file{path_meant(file, ('.csv',))}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: byte {error.start} is no UTF-8: save the table as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from None
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(file, head)
        rows = [_row(file, reader.line_num, head, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise UsageError(f"{file}:{reader.line_num}: no CSV: {error}") from None
    if not rows:
        raise UsageError(f"{file}: holds no row below its head")
    return tuple(rows)


def _check_head(file: Path, head: list[str]) -> None:
    twice = sorted({name for name in head if head.count(name) > 1 and name in (*REQUIRED, *OPTIONAL)})
    if twice:
        raise UsageError(f"{file}:1: column {twice[0]!r} stands there twice")
    lacking = [name for name in REQUIRED if name not in head]
    if lacking:
        hint = did_you_mean(lacking[0], head)
        names = ", ".join(map(repr, lacking))
        raise UsageError(f"{file}:1: no column {names}{hint}; a table has {', '.join(REQUIRED)} and value")


def _row(file: Path, line: int, head: list[str], cells: list[str]) -> AskedRow:
    if len(cells) != len(head):
        raise UsageError(f"{file}:{line}: {len(cells)} cells below a head of {len(head)}")
    found = {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
    texts = {name: found.get(name, "") for name in (*REQUIRED, "tool", "note")}
    return AskedRow(line=line, value=number(found.get("value", "")), **texts)


def number(text: str) -> float | None:
    """A positive finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def place(row: AskedRow) -> str:
    """The row as a message names it."""
    words = (row.chip, row.mode, row.model, row.input, row.precision)
    return printable(" ".join(filter(None, words)), 100)
