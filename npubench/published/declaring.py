"""Declarations of published tables read and checked: every mistake of a file at once, by its line."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from npubench.domain.errors import UsageError
from npubench.domain.figures import Kind
from npubench.domain.text import did_you_mean, path_meant
from npubench.published.cells import read_header
from npubench.published.declared import DeclaredColumn, DeclaredTable, TablesFile
from npubench.published.metrics import METRICS, known_as, wrong_metric
from npubench.published.tables import Column, Role, Table, folder
from npubench.storage.json import KeyPath, mistakes
from npubench.storage.toml import Problem, Source, read

_NAMELESS = "nameless"
"""A table whose own name is wrong, until that is corrected."""

_NEAR = 0.8
"""Likeness of a column's name to a role's from which it is taken for a slip of the pen."""


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


def read_tables(folders: Iterable[Path]) -> tuple[Mapping[str, Table], tuple[Problem, ...]]:
    """The tables of these folders by name, and all that is wrong; a table with a mistake is left out.

    A name that an earlier table has is a mistake.
    """
    found: dict[str, Table] = {}
    places: dict[str, tuple[Source, KeyPath]] = {}
    problems: list[Problem] = []
    for one in folders:
        for path in _files(one, problems):
            opened = read(path)
            if isinstance(opened, Problem):
                problems.append(opened)
                continue
            source, tree = opened
            told: list[Problem] = []
            for made in _tables(source, tree, places, told):
                found[made.name] = made
            problems += sorted(told, key=lambda problem: (str(problem.file), problem.line))
    return found, tuple(problems)


def _files(one: Path, problems: list[Problem]) -> Sequence[Path]:
    if one == folder():
        # Names of chips and the like lie beside it, in forms of their own.
        return (one / "tables.toml",)
    if not one.is_dir():
        problems.append(Problem(one, 0, "", "is no folder: name one with TOML and CSV files"))
        return ()
    try:
        # Editors keep locks and copies under hidden names.
        found = sorted(p for p in one.iterdir() if p.suffix == ".toml" and not p.name.startswith("."))
    except OSError as error:
        problems.append(Problem(one, 0, "", f"cannot be listed: {error.strerror}: check its permissions"))
        return ()
    if not found:
        problems.append(Problem(one, 0, "", "has no .toml file that says what its tables are: add one"))
    return found


def _tables(
    source: Source,
    tree: dict[str, Any],
    places: dict[str, tuple[Source, KeyPath]],
    problems: list[Problem],
) -> list[Table]:
    """The right ones of a file; `places` are names that are taken, with where."""
    wrong = {one.key: one.message for one in mistakes(tree, TablesFile)}
    problems += [source.problem(key, message) for key, message in wrong.items()]
    elements = tree.get("table")
    made: list[Table] = []
    for index, element in enumerate(elements if isinstance(elements, list) else ()):
        at: KeyPath = ("table", index)
        blamed = {key for key in wrong if key[:2] == at}
        declared = _declared(element, {key[2:] for key in blamed})
        if declared is None:
            continue
        name_at = (*at, "name")
        taken = places.get(declared.name) if (*at, "name") not in blamed else None
        if taken:
            where, at_name = taken
            place = f"{where.path}:{where.line(at_name)}"
            said = f"{declared.name!r} is declared at {place} already: rename one of them"
            problems.append(source.problem(name_at, said))
        if name_at not in blamed:
            places.setdefault(declared.name, (source, name_at))
        checked = _Checked(source, declared, at, blamed).table(problems)
        if checked is not None and not taken and not blamed:
            made.append(checked)
    return made


def _declared(element: Any, wrong: set[KeyPath]) -> DeclaredTable | None:
    """The table without its wrong keys, so that the rest is checked, too; None where too little is left."""
    kept = _without(element, wrong, ())
    try:
        # Without its name, which was told, the rest can be checked.
        return msgspec.convert({"name": _NAMELESS, **kept} if isinstance(kept, dict) else kept, DeclaredTable)
    except msgspec.ValidationError:
        return None


def _without(value: Any, wrong: set[KeyPath], at: KeyPath) -> Any:
    if isinstance(value, dict):
        return {
            key: _without(inner, wrong, (*at, key)) for key, inner in value.items() if (*at, key) not in wrong
        }
    if isinstance(value, list):
        return [
            _without(inner, wrong, (*at, index))
            for index, inner in enumerate(value)
            if (*at, index) not in wrong
        ]
    return value


class _Checked:
    """One declared table beside the header of its CSV file."""

    def __init__(self, source: Source, declared: DeclaredTable, at: KeyPath, blamed: set[KeyPath]) -> None:
        self._source = source
        self._declared = declared
        self._at = at
        self._blamed = blamed
        self._problems: list[Problem] = []

    def table(self, problems: list[Problem]) -> Table | None:
        """The table; None where something is wrong with it, which goes to `problems`."""
        declared = self._declared
        columns = self._columns()
        problems += self._problems
        if self._problems:
            return None
        constants = {role: getattr(declared, role, "") for role in Role if role is not Role.KIND}
        return Table(
            *(declared.name, declared.title, declared.source, self._file, tuple(columns)),
            *(declared.published_at, declared.precision, declared.board, declared.chip, declared.backend),
            *(declared.npu_mode, declared.licence, Kind(declared.kind) if declared.kind else None),
            {role: text for role, text in constants.items() if text},
            frozenset(declared.missing),
        )

    @property
    def _file(self) -> Path:
        return self._source.path.parent / self._declared.file

    def _tell(self, message: str, *key: str | int) -> None:
        """A mistake at a key of this table; not where that key, or one of its column, is wrong in itself."""
        place = (*self._at, *key)
        column = place[:4] if key[0] == "column" else place
        if not any(one[: len(column)] == column for one in self._blamed):
            self._problems.append(self._source.problem(place, message))

    def _lack(self, what: str, message: str) -> None:
        """A mistake of what is not there; not where a key was mistyped that may be it."""
        names = [str(key[2]) for key in self._blamed if len(key) == 3]
        if what not in names and not get_close_matches(what, names):
            self._problems.append(self._source.problem(self._at, message))

    def _columns(self) -> list[Column]:
        declared = self._declared
        if "/" in declared.file or declared.file.startswith("."):
            self._tell("must be the name of a CSV file beside this one", "file")
            return []
        if not self._file.is_file():
            hint = path_meant(self._file, (".csv",))
            self._tell(f"there is no {declared.file} beside this file{hint}: correct the name", "file")
            return []
        header = read_header(self._file, self._problems)
        if header is None:
            return []
        columns = [_column(one) for one in declared.column]
        self._check_names(header)
        if any(column.role is Role.VALUE for column in columns):
            self._check_undeclared(header)
            columns += _by_name(columns, header)
            self._check_roles(columns)
            self._check_values(columns)
        elif self._source.path.parent != folder() and not self._blamed:
            said = "no column has the role 'value': declare the columns of figures with role = \"value\""
            self._tell(said, "name")
        return columns

    def _check_names(self, header: Sequence[str]) -> None:
        seen: set[str] = set()
        for index, column in enumerate(self._declared.column):
            key = ("column", index, "name")
            if column.name not in header:
                hint, have = did_you_mean(column.name, header), ", ".join(header)
                if len(header) == 1 and re.search(r"[;\t|]", have):
                    hint = " (cells are separated by commas)"
                said = f"{self._declared.file} has no column {column.name!r}{hint}: its columns are {have}"
                self._tell(said, *key)
            elif column.name in seen:
                self._tell(f"column {column.name!r} is declared twice: remove one", *key)
            seen.add(column.name)

    def _check_undeclared(self, header: Sequence[str]) -> None:
        """A column whose name is nearly a role's would be left out without a word."""
        declared = {column.name for column in self._declared.column}
        for name in header:
            small = name.casefold()
            if name in declared or small in list(Role):
                continue
            if near := get_close_matches(small, [role.value for role in Role], n=1, cutoff=_NEAR):
                said = f"{self._declared.file} has a column {name!r}: rename it to {near[0]!r}, or declare it"
                self._tell(f"{said} (without a role, to leave it out)", "file")

    def _check_roles(self, columns: Sequence[Column]) -> None:
        """What a table of the atlas needs beside its values."""
        roles = [column.role for column in columns]
        for role in Role:
            if role is not Role.VALUE and roles.count(role) > 1:
                self._tell(
                    f"{roles.count(role)} columns have the role {role.value!r}: leave it to one", "name"
                )
        values = [column for column in columns if column.role is Role.VALUE]
        for role in (Role.CHIP, Role.MODEL, Role.SOURCE):
            everywhere = getattr(self._declared, role.value) or all(one.constants.get(role) for one in values)
            if role not in roles and not everywhere:
                self._lack(role, f"no {role}: set {role.value!r}, or give a column that role")
        if not self._declared.licence:
            self._lack("licence", "no licence: say in 'licence' what the figures may be used for")

    def _check_values(self, columns: Sequence[Column]) -> None:
        declared, roles = self._declared, {column.role for column in columns}
        for index, column in enumerate(columns[: len(declared.column)]):
            key = ("column", index, "name")
            for name, given in (("field", column.field), ("scale", column.scale != 1), ("runs", column.runs)):
                if given:
                    self._tell(f"belongs to shipped rows: leave {name!r} out of a table of figures", *key)
            if column.role is not Role.VALUE:
                if column.metric or column.unit or column.kind or column.constants:
                    said = "only a column of values has 'metric', 'unit', 'kind', 'chip' and the like"
                    self._tell(f"{said}: remove them", *key)
                continue
            self._check_unit(column, roles, *key[:2])
            if not (column.metric or declared.metric or Role.METRIC in roles):
                said = f"column {column.name!r} is of no metric: set 'metric', or give a column that role"
                self._tell(said, *key)
            if not (column.kind or declared.kind or Role.KIND in roles):
                self._tell(f"column {column.name!r}: set 'kind' to 'measured' or 'simulated'", *key)

    def _check_unit(self, column: Column, roles: Collection[Role | None], *key: str | int) -> None:
        """A metric and a unit that no cell says have to fit."""
        metric, unit = column.metric or self._declared.metric, column.unit or self._declared.unit
        said = {role for role, own in ((Role.METRIC, column.metric), (Role.UNIT, column.unit)) if not own}
        if metric and not said & set(roles) and (wrong := wrong_metric(known_as(metric), unit)):
            at_fault = "metric" if column.metric and known_as(metric) not in METRICS else "unit"
            self._tell(f"column {column.name!r}: {wrong}", *key, at_fault)


_OF_COLUMN = (Role.CHIP, Role.MODE, Role.MODEL, Role.INPUT, Role.PRECISION, Role.TOOL, Role.NOTE, Role.SOURCE)


def _column(one: DeclaredColumn) -> Column:
    kind, role = Kind(one.kind) if one.kind else None, Role(one.role) if one.role else None
    own = {each: text for each in _OF_COLUMN if (text := getattr(one, each.value))}
    plain = (one.name, one.meaning, kind, one.field, one.unit, one.scale, one.runs)
    return Column(*plain, role=role, metric=one.metric, constants=own)


def _by_name(columns: Sequence[Column], header: Sequence[str]) -> list[Column]:
    """Columns that their own names give a role, where no other has it."""
    taken, named = {column.role for column in columns}, {column.name for column in columns}
    return [
        Column(name, f"the figure's {role}", role=role)
        for role in Role
        if role not in taken
        for name in header
        if name.casefold() == role and name not in named
    ]
