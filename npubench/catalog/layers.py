"""One folder of the catalogue: its files read and checked, broken ones left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npubench.catalog.boards import BoardEntry
from npubench.catalog.folders import KINDS
from npubench.catalog.lines import KeyPath
from npubench.catalog.models import model_spec
from npubench.catalog.source import Problem, Source, read
from npubench.catalog.sweeps import expand
from npubench.domain.specs import ModelSpec, OperatorSpec


@dataclass(frozen=True, slots=True)
class SuiteEntry:
    """A suite as a file has it: names and globs."""

    title: str
    patterns: tuple[str, ...]
    only: str | None
    source: Source
    key: KeyPath
    codebase: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """What one folder, or one file of it, declares, by name."""

    boards: dict[str, BoardEntry] = field(default_factory=dict)
    operators: dict[str, OperatorSpec] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    aliases: dict[str, tuple[str, Source, KeyPath]] = field(default_factory=dict)
    suites: dict[str, SuiteEntry] = field(default_factory=dict)

    def add(self, other: "Layer") -> None:
        """Take in what another one declares."""
        self.boards.update(other.boards)
        self.operators.update(other.operators)
        self.models.update(other.models)
        self.aliases.update(other.aliases)
        self.suites.update(other.suites)


Taken = dict[tuple[str, str], tuple[Source, KeyPath]]
"""(kind of name, name) -> where this layer declares it; operators, models and aliases are one kind."""


def read_layer(folder: Path, problems: list[Problem], kinds: Sequence[str] = KINDS) -> Layer:
    """Everything of these kinds below `folder`; a file with a problem is left out as a whole."""
    layer = Layer()
    taken: Taken = {}
    for kind in kinds:
        for path in _files(folder / kind, problems):
            opened = read(path)
            if isinstance(opened, Problem):
                problems.append(opened)
                continue
            source, tables = opened
            file = _File(source, taken)
            _READERS[kind](file, tables)
            problems.extend(sorted(file.problems, key=lambda problem: problem.line))
            if not file.problems:
                layer.add(file.layer)
                taken.update(file.own)
    return layer


def _files(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    try:
        names = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        problems.append(Problem(folder, 1, "", f"cannot be listed: {error.strerror}: check its permissions"))
        return
    # Editors keep locks and copies under hidden names.
    yield from (path for path in names if path.suffix == ".toml" and not path.name.startswith("."))


class _File:
    """A file being read: what it declares so far, and what is wrong with it."""

    def __init__(self, source: Source, taken: Taken) -> None:
        self.source = source
        self.layer = Layer()
        self.own: Taken = {}
        self.problems: list[Problem] = []
        self._taken = taken

    def claim(self, kind: str, name: str, key: KeyPath) -> None:
        """Take a name; a problem when this file or another of the layer has it already."""
        first = self.own.get((kind, name)) or self._taken.get((kind, name))
        if first is None:
            self.own[kind, name] = (self.source, key)
            return
        source, at = first
        where = f"{source.path}:{source.line(at)}"
        self.problem(key, f"{name!r} is declared at {where} already: rename or remove one of them")

    def problem(self, key: KeyPath, message: str) -> None:
        """Note a problem at a key."""
        self.problems.append(self.source.problem(key, message))


def _read_sweeps(file: _File, tables: dict[str, Any]) -> None:
    from npubench.catalog.schema import SweepFile, SweepTable

    file.source.validated(SweepFile, tables, (), file.problems)
    for key, element in _elements(tables, "sweep"):
        sweep = file.source.validated(SweepTable, element, key, file.problems)
        if sweep is None:
            continue
        for spec in expand(file.source, key, sweep, file.problems):
            file.claim("case", spec.name, (*key, "name"))
            file.layer.operators[spec.name] = spec


def _read_models(file: _File, tables: dict[str, Any]) -> None:
    from npubench.catalog.schema import ModelDefaults, ModelFile, ModelTable

    manifest = file.source.validated(ModelFile, tables, (), file.problems)
    codebase, defaults = (manifest.codebase, manifest.defaults) if manifest else ("", ModelDefaults())
    for key, element in _elements(tables, "model"):
        table = file.source.validated(ModelTable, element, key, file.problems)
        if table is None:
            continue
        file.claim("case", table.name, (*key, "name"))
        for index, alias in enumerate(table.aliases):
            file.claim("case", alias, (*key, "aliases", index))
            file.layer.aliases[alias] = (table.name, file.source, (*key, "aliases", index))
        # Without its file's head a model only seems incomplete.
        if manifest and (spec := model_spec(file.source, key, codebase, defaults, table, file.problems)):
            file.layer.models[spec.name] = spec


def _read_board(file: _File, tables: dict[str, Any]) -> None:
    from npubench.catalog.schema import BoardTable, check_name

    table = file.source.validated(BoardTable, tables, (), file.problems)
    if table is None:
        return
    try:
        name = table.name or check_name(file.source.path.stem)
    except ValueError as error:
        file.problem((), f"the file's name must be the board's: {error}: rename it, or set 'name'")
        return
    file.claim("board", name, ("name",))
    file.layer.boards[name] = BoardEntry(file.source, {"name": name, **tables})


def _read_suites(file: _File, tables: dict[str, Any]) -> None:
    from npubench.catalog.schema import SuiteFile, SuiteTable

    file.source.validated(SuiteFile, tables, (), file.problems)
    for key, element in _elements(tables, "suite"):
        table = file.source.validated(SuiteTable, element, key, file.problems)
        if table is not None:
            file.claim("suite", table.name, (*key, "name"))
            patterns = tuple(table.cases or ())
            if not patterns and table.codebase is None:
                file.problem(key, "has no cases: add 'cases', or a 'codebase' to take them from")
            entry = SuiteEntry(
                table.title, patterns, table.only, file.source, key, table.codebase, table.task
            )
            file.layer.suites[table.name] = entry


def _elements(tables: dict[str, Any], name: str) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The tables of an array of tables; what is none of them was told by the file's own check."""
    elements = tables.get(name)
    for index, element in enumerate(elements if isinstance(elements, list) else ()):
        if isinstance(element, dict):
            yield (name, index), element


_READERS: dict[str, Callable[[_File, dict[str, Any]], None]] = {
    "ops": _read_sweeps,
    "models": _read_models,
    "boards": _read_board,
    "suites": _read_suites,
}
