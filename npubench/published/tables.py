"""Published tables: CSV files, and a few lines of TOML that say what each column is (docs/atlas.md).

The shipped ones are those of `reports/published/`; a folder of a user's own has the same form.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from enum import StrEnum
from functools import cache
from pathlib import Path

from npubench.domain.figures import Kind
from npubench.storage.files import data_root


class Role(StrEnum):
    """What a column of a table of figures holds; a column of that name has the role without a word."""

    CHIP = "chip"
    MODE = "mode"
    MODEL = "model"
    INPUT = "input"
    PRECISION = "precision"
    METRIC = "metric"
    VALUE = "value"
    UNIT = "unit"
    KIND = "kind"
    TOOL = "tool"
    NOTE = "note"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a published table: what its figures were for the publisher, and where they go."""

    name: str  # in the CSV file
    meaning: str  # one line
    kind: Kind | None = None  # measured or simulated; None: no figure, or the row says it
    field: str = ""  # of `domain.figures.Figures`; empty: not imported
    unit: str = ""  # of the cells
    scale: float = 1.0  # to the field's unit
    runs: int | None = None  # that a mean is of; None: not told
    role: Role | None = None  # in a figure of the atlas; None: in none
    metric: str = ""  # of a column of values; empty: the row says it
    constants: Mapping[Role, str] = field_of(default_factory=dict)  # of its figures alone

    @property
    def statement(self) -> str:
        """One line: what it was and whether it is imported."""
        was = f"{self.kind} by its publisher" if self.kind else "no figure" if self.field else "not imported"
        return f"{self.name}: {was}; {self.meaning}"


@dataclass(frozen=True, slots=True)
class Table:
    """A published table with its source."""

    name: str  # key of the declaration
    title: str  # one line
    source: str  # publication; empty: each row's
    file: Path  # CSV file
    columns: tuple[Column, ...]  # those that are declared
    published_at: str = ""  # date, as far as told
    precision: str = ""  # of all rows; empty: each row's
    board: str = ""  # of all rows
    chip: str = ""  # of all rows
    backend: str = ""  # of all rows
    npu_mode: str = ""  # of all rows
    licence: str = ""  # what its figures may be used for
    kind: Kind | None = None  # of all columns that say none
    constants: Mapping[Role, str] = field_of(default_factory=dict)  # of cells that are empty, and of all rows
    missing: frozenset[str] = frozenset()  # cells that say that there is no figure

    @property
    def lines(self) -> tuple[Mapping[str, str], ...]:
        """Cells by column."""
        return _cached_lines(self.file)

    @property
    def values(self) -> tuple[Column, ...]:
        """Columns of figures of the atlas; none of a table that is no part of it."""
        return tuple(column for column in self.columns if column.role is Role.VALUE)


@cache
def folder() -> Path:
    """Where the shipped tables lie."""
    return data_root() / "reports" / "published"


def lines_of(file: Path) -> tuple[Mapping[str, str], ...]:
    """The cells of a CSV file, by column; a missing figure is an empty text."""
    with file.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))


_cached_lines = cache(lines_of)
