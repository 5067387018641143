"""Folders of TOML -> Catalog: the shipped folder first, each of the user's over it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from npubench.catalog import boards
from npubench.catalog.layers import Layer, SuiteEntry, read_layer
from npubench.catalog.source import Problem, Source
from npubench.catalog.suites import Catalog, Suite, matching
from npubench.catalog.zoo import Zoo, read_zoo
from npubench.domain.nearest import did_you_mean
from npubench.domain.specs import BoardSpec, ModelSpec, OperatorSpec
from npubench.storage.files import data_root, text_if_any

_NAME = re.compile(r"""(?m)^\s*"?name"?\s*=\s*["']([^"'\n]+)""")


def load(user_folders: Sequence[Path]) -> Catalog:
    """The shipped catalogue with `user_folders` over it, the last one on top.

    Broken files are left out and told in `Catalog.problems`. Raises NpubenchError when npubench's own
    data is not there.
    """
    return load_folders((data_root(), *user_folders))


def load_boards(user_folders: Sequence[Path]) -> dict[str, BoardSpec]:
    """The boards of `load` alone, without the time that operators and models take to be read."""
    problems: list[Problem] = []
    layers = [read_layer(folder, problems, ("boards",)) for folder in (data_root(), *user_folders)]
    return boards.resolve(_stacks(layers), problems)


def load_folders(folders: Iterable[Path]) -> Catalog:
    """The catalogue of exactly these folders, later ones over earlier ones."""
    problems: list[Problem] = []
    folders = tuple(folders)
    layers = [read_layer(folder, problems) for folder in folders]
    catalog = _cases(layers, problems)
    zoo = Zoo()
    for folder in folders:
        more = read_zoo(folder / "models")
        zoo.models.update(more.models)
        zoo.listed.update(more.listed)
    catalog = replace(catalog, zoo=zoo)
    catalog = replace(catalog, boards=boards.resolve(_stacks(layers), problems))
    catalog = replace(catalog, suites=_suites(layers, catalog, problems))
    broken = frozenset(_board_of(one.file) for one in problems if one.file.parent.name == "boards")
    return replace(catalog, problems=tuple(dict.fromkeys(map(str, problems))), broken_boards=broken)


def _board_of(file: Path) -> str:
    """Which board a file speaks of, one that is no TOML included."""
    name = _NAME.search(text_if_any(file))
    return name[1] if name else file.stem


def _stacks(layers: Iterable[Layer]) -> dict[str, list[boards.BoardEntry]]:
    stacks: dict[str, list[boards.BoardEntry]] = {}
    for layer in layers:
        for name, entry in layer.boards.items():
            stacks.setdefault(name, []).append(entry)
    return stacks


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
        for index, pattern in enumerate(entry.patterns):
            found = matching(catalog, pattern, entry.only)
            if not found:
                problems.append(_nothing(entry.source, (*entry.key, "cases", index), pattern, catalog))
            cases.update(dict.fromkeys(found))
        cases.update(dict.fromkeys(_of_codebase(catalog, entry)))
        suites[name] = Suite(name, entry.title, tuple(cases))
    return suites


def _of_codebase(catalog: Catalog, entry: SuiteEntry) -> Iterator[str]:
    """What a suite takes by codebase and task: manifests first, then what mmpretrain offers by name.

    The other codebases offer no names; their configs are a zoo of training variants.
    """
    if entry.codebase is None:
        return
    offered = catalog.zoo.listed if entry.codebase == "mmpretrain" else ()
    listed = (catalog.zoo.models[name] for name in offered)
    for model in (*catalog.models.values(), *listed):
        if model.codebase == entry.codebase and entry.task in (None, model.task):
            yield model.name


def _nothing(source: Source, key: tuple[str | int, ...], pattern: str, catalog: Catalog) -> Problem:
    hint = did_you_mean(pattern, catalog.names)
    return source.problem(key, f"no operator or model is called {pattern!r}{hint}: correct or remove it")
