"""Published tables: CSV files, and a few lines of TOML that say what each column is (docs/atlas.md).

The shipped ones are those of `reports/published/`; a folder of a user's own has the same form.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from npubench.domain.errors import UsageError
from npubench.domain.figures import Kind
from npubench.domain.text import did_you_mean
from npubench.published.cells import Sheet, read_sheet
from npubench.published.declared import DeclaredColumn, DeclaredTable, TablesFile
from npubench.storage.files import data_root
from npubench.storage.json import KeyPath
from npubench.storage.toml import Problem, Source, read


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
    constants: Mapping[Role, str] = field(default_factory=dict)  # of cells that are empty, and of all rows
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
def tables() -> Mapping[str, Table]:
    """Every shipped table by its name, in the order of the declaration."""
    found, problems = read_tables((folder(),))
    if problems:
        raise UsageError("; ".join(map(str, problems)))
    return found


def table(name: str) -> Table:
    """The shipped table of that name. Raises KeyError."""
    return tables()[name]


@cache
def folder() -> Path:
    """Where the shipped tables lie."""
    return data_root() / "reports" / "published"


def lines_of(file: Path) -> tuple[Mapping[str, str], ...]:
    """The cells of a CSV file, by column; a missing figure is an empty text."""
    with file.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))


_cached_lines = cache(lines_of)


def read_tables(folders: Iterable[Path]) -> tuple[Mapping[str, Table], tuple[Problem, ...]]:
    """The tables of these folders by name, and all that is wrong; a table with a mistake is left out.

    A name that an earlier table has is a mistake.
    """
    found: dict[str, Table] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for one in folders:
        for path in _files(one, problems):
            opened = read(path)
            if isinstance(opened, Problem):
                problems.append(opened)
                continue
            source, tree = opened
            mistakes: list[Problem] = []
            declared = source.validated(TablesFile, tree, (), mistakes)
            for index, each in enumerate(declared.table if declared else ()):
                made = _table(source, each, ("table", index), mistakes)
                at = ("table", index, "name")
                if each.name in places:
                    said = f"{each.name!r} is declared at {places[each.name]} already: rename one of them"
                    mistakes.append(source.problem(at, said))
                elif made is not None:
                    found[each.name] = made
                places.setdefault(each.name, f"{path}:{source.line(at)}")
            problems += sorted(mistakes, key=lambda problem: (str(problem.file), problem.line))
    return found, tuple(problems)


def _files(one: Path, problems: list[Problem]) -> Sequence[Path]:
    if not one.is_dir():
        problems.append(Problem(one, 1, "", "is no folder: name one with TOML and CSV files"))
        return ()
    try:
        # Editors keep locks and copies under hidden names.
        return sorted(p for p in one.iterdir() if p.suffix == ".toml" and not p.name.startswith("."))
    except OSError as error:
        problems.append(Problem(one, 1, "", f"cannot be listed: {error.strerror}: check its permissions"))
        return ()


def _table(source: Source, declared: DeclaredTable, at: KeyPath, problems: list[Problem]) -> Table | None:
    """The table as declared; None where something is wrong with it."""
    before = len(problems)
    if "/" in declared.file or declared.file.startswith("."):
        problems.append(source.problem((*at, "file"), "must be the name of a CSV file beside this one"))
        return None
    path = source.path.parent / declared.file
    sheet = read_sheet(path, problems)
    if sheet is None:
        return None
    columns = [_column(one) for one in declared.column]
    _check_names(source, declared, sheet, at, problems)
    if any(column.role is Role.VALUE for column in columns):
        columns += _by_name(columns, sheet)
        _check_figures(source, declared, columns, at, problems)
    elif source.path.parent != folder():
        said = "no column has the role 'value': declare the columns of figures with role = \"value\""
        problems.append(source.problem((*at, "name"), said))
    if len(problems) > before:
        return None
    constants = {role: text for role in Role if (text := getattr(declared, role.value, "")) and text}
    return Table(
        *(declared.name, declared.title, declared.source, path, tuple(columns), declared.published_at),
        *(declared.precision, declared.board, declared.chip, declared.backend, declared.npu_mode),
        *(declared.licence, Kind(declared.kind) if declared.kind else None),
        {role: text for role, text in constants.items() if role is not Role.KIND},
        frozenset(declared.missing),
    )


def _column(one: DeclaredColumn) -> Column:
    kind, role = Kind(one.kind) if one.kind else None, Role(one.role) if one.role else None
    return Column(
        *(one.name, one.meaning, kind, one.field, one.unit, one.scale, one.runs), role=role, metric=one.metric
    )


def _by_name(columns: Sequence[Column], sheet: Sheet) -> list[Column]:
    """Columns that their own names give a role, where no other has it."""
    taken, named = {column.role for column in columns}, {column.name for column in columns}
    return [
        Column(name, f"the figure's {role}", role=role)
        for role in Role
        if role not in taken
        for name in sheet.header
        if name.casefold() == role and name not in named
    ]


def _check_names(
    source: Source, declared: DeclaredTable, sheet: Sheet, at: KeyPath, problems: list[Problem]
) -> None:
    seen: set[str] = set()
    for index, column in enumerate(declared.column):
        key = (*at, "column", index, "name")
        if column.name not in sheet.header:
            hint = did_you_mean(column.name, sheet.header)
            have = ", ".join(sheet.header)
            said = f"{declared.file} has no column {column.name!r}{hint}: its columns are {have}"
            problems.append(source.problem(key, said))
        elif column.name in seen:
            problems.append(source.problem(key, f"column {column.name!r} is declared twice: remove one"))
        seen.add(column.name)


def _check_figures(
    source: Source, declared: DeclaredTable, columns: Sequence[Column], at: KeyPath, problems: list[Problem]
) -> None:
    """What a table of the atlas needs beside its values."""

    def told(message: str, *key: str | int) -> None:
        problems.append(source.problem((*at, *key), message))

    roles = [column.role for column in columns]
    for role in Role:
        if role is not Role.VALUE and roles.count(role) > 1:
            told(f"{roles.count(role)} columns have the role {role.value!r}: leave it to one", "column")
    for role in (Role.CHIP, Role.MODEL, Role.SOURCE):
        if role not in roles and not getattr(declared, role.value):
            told(f"no {role.value}: set {role.value!r}, or give a column that role", "name")
    if not declared.licence:
        told("no licence: say in 'licence' what the figures may be used for", "name")
    for index, column in enumerate(columns):
        if column.role is not Role.VALUE:
            continue
        key = ("column", index, "name")
        if not (column.metric or declared.metric or Role.METRIC in roles):
            told(f"column {column.name!r} is of no metric: set 'metric', or give a column that role", *key)
        if not (column.kind or declared.kind or Role.KIND in roles):
            told(f"column {column.name!r}: set 'kind' to 'measured' or 'simulated'", *key)
