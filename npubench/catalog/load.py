"""Folders of TOML to a Catalog: each folder read and checked, the shipped one first, the user's over it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from npubench.catalog import boards
from npubench.catalog.boards import BoardEntry
from npubench.catalog.find import KINDS, Catalog, Suite, matching
from npubench.catalog.models import model_spec, read_zoo
from npubench.catalog.sweeps import expand
from npubench.domain.specs import ModelSpec, OperatorSpec
from npubench.domain.text import did_you_mean
from npubench.storage.files import data_root, text_if_any
from npubench.storage.json import KeyPath
from npubench.storage.toml import Problem, Source, read

if TYPE_CHECKING:
    from npubench.catalog.schema import SuiteTable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SuiteEntry:
    """A suite's table, and where it stands."""

    table: "SuiteTable"
    source: Source
    key: KeyPath


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
        for one in fields(self):
            getattr(self, one.name).update(getattr(other, one.name))


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
        problems.append(Problem(folder, 0, "", f"cannot be listed: {error.strerror}: check its permissions"))
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

    def each(self, tables: dict[str, Any], name: str, schema: type[T]) -> Iterator[tuple[KeyPath, T]]:
        """The right ones of an array of tables; what is no table was told by the file's own check."""
        elements = tables.get(name)
        for index, element in enumerate(elements if isinstance(elements, list) else ()):
            if isinstance(element, dict):
                table = self.source.validated(schema, element, (name, index), self.problems)
                if table is not None:
                    yield (name, index), table


def _read_sweeps(file: _File, tables: dict[str, Any]) -> None:
    from npubench.catalog.schema import SweepFile, SweepTable

    file.source.validated(SweepFile, tables, (), file.problems)
    for key, sweep in file.each(tables, "sweep", SweepTable):
        for spec in expand(file.problem, key, sweep):
            file.claim("case", spec.name, (*key, "name"))
            file.layer.operators[spec.name] = spec


def _read_models(file: _File, tables: dict[str, Any]) -> None:
    from npubench.catalog.schema import ModelDefaults, ModelFile, ModelTable

    manifest = file.source.validated(ModelFile, tables, (), file.problems)
    codebase, defaults = (manifest.codebase, manifest.defaults) if manifest else ("", ModelDefaults())
    for key, table in file.each(tables, "model", ModelTable):
        file.claim("case", table.name, (*key, "name"))
        for index, alias in enumerate(table.aliases):
            file.claim("case", alias, (*key, "aliases", index))
            file.layer.aliases[alias] = (table.name, file.source, (*key, "aliases", index))
        # Without its file's head a model only seems incomplete.
        if manifest and (spec := model_spec(file.problem, key, codebase, defaults, table)):
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
    given: dict[tuple[str, str, str], int] = {}
    for index, fact in enumerate(table.fact):
        first = given.setdefault((fact.field, fact.about, fact.condition), index)
        if first != index:
            line = file.source.line(("fact", first))
            what = (
                f"the fact {fact.field!r} is given on line {line} already: remove one, or say in 'condition'"
            )
            file.problem(("fact", index), f"{what} when each of them holds")
    file.layer.boards[name] = BoardEntry(file.source, {"name": name, **tables})


def _read_suites(file: _File, tables: dict[str, Any]) -> None:
    from npubench.catalog.schema import SuiteFile, SuiteTable

    file.source.validated(SuiteFile, tables, (), file.problems)
    for key, table in file.each(tables, "suite", SuiteTable):
        file.claim("suite", table.name, (*key, "name"))
        if not table.cases and table.codebase is None:
            file.problem(key, "has no cases: add 'cases', or a 'codebase' to take them from")
        file.layer.suites[table.name] = SuiteEntry(table, file.source, key)


_READERS: dict[str, Callable[[_File, dict[str, Any]], None]] = {
    "ops": _read_sweeps,
    "models": _read_models,
    "boards": _read_board,
    "suites": _read_suites,
}


_NAME = re.compile(r"""(?m)^\s*"?name"?\s*=\s*["']([^"'\n]+)""")


CASES = ("ops", "models")
"""Their names are one kind, and suites name both."""


def load(user_folders: Sequence[Path], kinds: Sequence[str] = KINDS) -> Catalog:
    """The shipped catalogue with `user_folders` over it, the last one on top.

    Broken files are left out and told in `Catalog.problems`. `kinds` (of `KINDS`) spares the time that the
    others take to be read; what is not read is not in the catalogue, nor told. Raises NpubenchError when
    npubench's own data is not there.
    """
    return load_folders((data_root(), *user_folders), kinds)


def load_folders(folders: Iterable[Path], kinds: Sequence[str] = KINDS) -> Catalog:
    """The catalogue of exactly these folders, later ones over earlier ones."""
    problems: list[Problem] = []
    first, *others = folders
    # An operator of a layer above may take a model's name, and the other way round.
    above = tuple(kind for kind in KINDS if kind in kinds or (kind in CASES and {*CASES} & {*kinds}))
    layers = [read_layer(first, problems, kinds), *(read_layer(one, problems, above) for one in others)]
    catalog = _cases(layers, problems)
    if "models" in kinds:
        for folder in (first, *others):
            catalog.zoo.add(read_zoo(folder / "models"))
    stacks: dict[str, list[BoardEntry]] = {}
    for layer in layers:
        for name, entry in layer.boards.items():
            stacks.setdefault(name, []).append(entry)
    catalog = replace(catalog, boards=boards.resolve(stacks, problems))
    if "suites" in kinds:
        catalog = replace(catalog, suites=_suites(layers, catalog, problems))
    broken = frozenset(_board_of(one.file) for one in problems if one.file.parent.name == "boards")
    return replace(catalog, problems=tuple(dict.fromkeys(map(str, problems))), broken_boards=broken)


def _board_of(file: Path) -> str:
    """Which board a file speaks of, one that is no TOML included."""
    name = _NAME.search(text_if_any(file))
    return name[1] if name else file.stem


def _cases(layers: Iterable[Layer], problems: list[Problem]) -> Catalog:
    operators: dict[str, OperatorSpec] = {}
    models: dict[str, ModelSpec] = {}
    aliases: dict[str, str] = {}
    for layer in layers:
        for name in (*layer.operators, *layer.models):
            # A name means one thing: the topmost.
            operators.pop(name, None)
            models.pop(name, None)
            aliases.pop(name, None)
        operators.update(layer.operators)
        models.update(layer.models)
        for alias, (name, source, key) in layer.aliases.items():
            if alias in operators or alias in models:
                problems.append(source.problem(key, f"{alias!r} is the full name of a case: choose another"))
            else:
                aliases[alias] = name
    return Catalog(operators=operators, models=models, aliases=aliases)


def _suites(layers: Iterable[Layer], catalog: Catalog, problems: list[Problem]) -> dict[str, Suite]:
    entries = {name: entry for layer in layers for name, entry in layer.suites.items()}
    suites = {}
    for name, entry in entries.items():
        cases: dict[str, None] = {}
        for index, pattern in enumerate(entry.table.cases or ()):
            found = matching(catalog, pattern, entry.table.only)
            if not found:
                what = f"no operator or model is called {pattern!r}{did_you_mean(pattern, catalog.names)}"
                at = (*entry.key, "cases", index)
                problems.append(entry.source.problem(at, f"{what}: correct or remove it"))
            cases.update(dict.fromkeys(found))
        cases.update(dict.fromkeys(_of_codebase(catalog, entry.table)))
        then = entry.table.then or ""
        if then and then not in entries:
            what = f"no suite is called {then!r}{did_you_mean(then, entries)}"
            problems.append(entry.source.problem((*entry.key, "then"), f"{what}: correct or remove it"))
            then = ""
        suites[name] = Suite(name, entry.table.title, tuple(cases), entry.table.takes or "", then)
    return suites


def _of_codebase(catalog: Catalog, table: "SuiteTable") -> Iterator[str]:
    """What a suite takes by codebase and task: manifests first, then what mmpretrain offers by name.

    The other codebases offer no names; their configs are a zoo of training variants.
    """
    if table.codebase is None:
        return
    offered = catalog.zoo.listed if table.codebase == "mmpretrain" else ()
    listed = (catalog.zoo.model(name) for name in offered)
    for model in (*catalog.models.values(), *listed):
        if model and model.codebase == table.codebase and table.task in (None, model.task):
            yield model.name
