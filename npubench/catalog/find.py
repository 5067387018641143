"""The catalogue as one value, and what the words of a command line name in it: cases, boards, folders."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import translate
from pathlib import Path

from npubench.catalog.models import Zoo
from npubench.domain.errors import CatalogError, UsageError
from npubench.domain.specs import BoardSpec, CaseSpec, FileSpec, ModelSpec, OperatorSpec, Shape
from npubench.domain.text import beside, did_you_mean, path_meant
from npubench.storage.files import configuration_folder

DEFAULT_SUITE = "default"
GLOB = re.compile(r"[*?\[]")
NODE_TESTS = "onnx-node"
"""The suite that is no set of the catalogue's cases: ONNX's own tests bring models and data."""

SHOWN_LIMIT = 200
NO_FILE = "is not a file, name the .onnx file itself"
CONFIG_OPSET = 17
"""Of a config given by path: what attention needs and ONNX's layer normalisation is in."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of cases, by their full names."""

    name: str
    title: str
    cases: tuple[str, ...]
    takes: str = ""  # in words: how long a run of it takes here, and what it downloads
    then: str = ""  # the suite that a user may run after it


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that can be named. `aliases` maps a short name to a full one; `zoo` are names of
    OpenMMLab without a manifest entry, which no glob means.

    `problems` are one line each, FILE:LINE: key 'x.y': what is wrong, what to do; what they speak of
    is left out. `broken_boards` are the names of those that this leaves as a file below describes them.
    """

    boards: Mapping[str, BoardSpec] = field(default_factory=dict)
    operators: Mapping[str, OperatorSpec] = field(default_factory=dict)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    suites: Mapping[str, Suite] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    broken_boards: frozenset[str] = frozenset()
    zoo: Zoo = field(default_factory=Zoo)

    def case(self, name: str) -> OperatorSpec | ModelSpec | None:
        """The operator or model of that full name or alias; then those of the zoo."""
        for candidate in (name, self.aliases.get(name, name)):
            if spec := self.operators.get(candidate) or self.models.get(candidate):
                return spec
        return self.zoo.model(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that a mistyped name may have meant."""
        return (*self.models, *self.operators, *self.aliases, *self.zoo.lines)


def matching(catalog: Catalog, pattern: str, only: str | None = None) -> tuple[str, ...]:
    """Full names that a name, an alias or a glob stands for, in catalogue order.

    `only` (operators or models) keeps globs to one kind.
    """
    if spec := catalog.case(pattern):
        return (spec.name,)
    if not GLOB.search(pattern):
        return ()
    try:
        matches = re.compile(translate(pattern)).match
    except re.error:
        # A bracket range such as [z-a] matches nothing.
        return ()
    return tuple(name for name in _names(catalog, only) if matches(name))


def _names(catalog: Catalog, only: str | None) -> Iterable[str]:
    if only != "operators":
        yield from catalog.models
    if only != "models":
        yield from catalog.operators


@dataclass(frozen=True, slots=True)
class Found:
    """The cases that words name; `missing` has a line for each word that names none, with what is near."""

    cases: tuple[CaseSpec, ...]
    missing: tuple[str, ...] = ()


def find_cases(
    catalog: Catalog,
    patterns: Sequence[str],
    suites: Sequence[str],
    shapes: Sequence[tuple[str, Shape]] = (),
    task: str = "",
) -> Found:
    """Cases for names, aliases, globs and .onnx paths, then those of suites; each once, in that order.

    Without either it is the suite `default`. `shapes` and `task` go to .onnx files. What cannot be
    found is no error here, so that the others can run.
    """
    found: dict[str, CaseSpec] = {}
    missing: dict[str, None] = {}
    if not patterns and not suites:
        suites = (DEFAULT_SUITE,)
    words = [*((_reader(pattern), pattern) for pattern in patterns), *((_suite, suite) for suite in suites)]
    for look_up, word in words:
        try:
            for key, case in look_up(catalog, word).items():
                found.setdefault(key, case)
        except CatalogError as error:
            missing[str(error)] = None
    stems = Counter(case.path.stem for case in found.values() if isinstance(case, FileSpec))
    cases = (
        replace(case, name=_file_name(catalog, case.path, stems), shapes=tuple(shapes), task=task)
        if isinstance(case, FileSpec)
        else case
        for case in found.values()
    )
    return Found(tuple(cases), tuple(missing))


def find_board(catalog: Catalog, name: str) -> BoardSpec:
    """The board of that name. Raises CatalogError with the nearest names."""
    if name in catalog.boards:
        return catalog.boards[name]
    have = ", ".join(sorted(catalog.boards)) or "none"
    hint = did_you_mean(name, catalog.boards)
    raise CatalogError(f"no board is called {name[:SHOWN_LIMIT]!r}{hint}: there are {have}")


def _reader(pattern: str) -> Callable[[Catalog, str], dict[str, CaseSpec]]:
    """What a word on the command line is: a config's path, a file's, or a name."""
    if pattern.endswith(".py"):
        return _config
    is_path = pattern.endswith(".onnx") or ("/" in pattern and _trouble(Path(pattern)) == "")
    return _file if is_path else _named


def _named(catalog: Catalog, pattern: str) -> dict[str, CaseSpec]:
    specs = [catalog.case(name) for name in matching(catalog, pattern)]
    if specs:
        return {spec.name: spec for spec in specs if spec is not None}
    shown = pattern[:SHOWN_LIMIT]
    if GLOB.search(pattern):
        hint = did_you_mean(GLOB.sub("", pattern), catalog.names)
        raise CatalogError(
            f"no operator or model matches {shown!r}{hint}: see npubench list models, npubench list operators"
        )
    if pattern and _trouble(Path(pattern)) == NO_FILE:
        raise CatalogError(f"{shown!r} {NO_FILE}")
    raise CatalogError(
        f"no operator or model is called {shown!r}{_meant(catalog, pattern)}: see npubench list models"
    )


def _meant(catalog: Catalog, name: str) -> str:
    """A name of the catalogue, or a file: `plain` means plain.onnx where that lies, whatever else is near."""
    path = Path(name)
    files = beside(path, (".onnx",))
    if f"{path.name}.onnx" in files:
        return f" (did you mean {str(path) + '.onnx'!r}?)"
    return did_you_mean(name, (*catalog.names, *files))


def _suite(catalog: Catalog, name: str) -> dict[str, CaseSpec]:
    if suite := catalog.suites.get(name):
        return {case: spec for case in suite.cases if (spec := catalog.case(case)) is not None}
    known = [*catalog.suites, NODE_TESTS]
    hint, have = did_you_mean(name, known), ", ".join(sorted(known))
    raise CatalogError(f"no suite is called {name[:SHOWN_LIMIT]!r}{hint}: there are {have}")


def _config(_catalog: Catalog, pattern: str) -> dict[str, CaseSpec]:
    """A config of OpenMMLab by its path: everything about it but the opset comes from the config."""
    path = Path(pattern)
    if trouble := _trouble(path):
        raise _no_file(pattern, trouble, path_meant(path, (".py",)))
    # The path is the name: two configs of one stem are two models.
    return {pattern: ModelSpec(pattern, "", str(path.resolve()), "", (), None, CONFIG_OPSET)}


def _file(catalog: Catalog, pattern: str) -> dict[str, CaseSpec]:
    path = Path(pattern)
    if trouble := _trouble(path):
        hint = path_meant(path, (".onnx",))
        if not hint and catalog.case(path.stem) is not None:
            hint = f" (the model {path.stem!r} is named without .onnx)"
        raise _no_file(pattern, trouble, hint)
    # The key is no possible name, so that a file never takes the place of a case.
    return {f"\0{path.resolve()}": FileSpec(path.stem, path)}


def _no_file(pattern: str, trouble: str, hint: str) -> CatalogError:
    return CatalogError(f"{pattern[:SHOWN_LIMIT]!r}: {trouble}{hint}: check the path")


def _trouble(path: Path) -> str:
    """Why there is no file at `path`; empty when there is one."""
    try:
        path.stat()
    except OSError as error:
        return (error.strerror or "cannot be read").lower()
    except ValueError:
        return "no path has such characters"
    return "" if path.is_file() else NO_FILE


def _file_name(catalog: Catalog, path: Path, stems: Mapping[str, int]) -> str:
    """Its stem; where that stands for two files or is a catalogue name, the path as it was given."""
    return path.stem if stems[path.stem] == 1 and catalog.case(path.stem) is None else str(path)


KINDS = ("ops", "models", "boards", "suites")
PUBLISHED = "published"
"""Tables of what others published lie beside them, and are no part of the catalogue."""

VARIABLE = "NPUBENCH_CATALOG"


def user_folders(extra: Sequence[Path]) -> tuple[Path, ...]:
    """The configuration folder when there is one, those of $NPUBENCH_CATALOG, then `extra`.

    Later ones override earlier ones. Raises UsageError for a named folder that is not there.
    """
    named = [(VARIABLE, Path(text)) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    named += [("--catalog", path) for path in extra]
    for origin, folder in named:
        _check(origin, folder)
    configuration = configuration_folder()
    own = [configuration] if configuration is not None and configuration.is_dir() else []
    return tuple(dict.fromkeys((*own, *(folder for _, folder in named))))


def _check(origin: str, folder: Path) -> None:
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        raise UsageError(f"{origin} {str(folder)!r}: no such folder: name one with any of {', '.join(KINDS)}")
    if not any((folder / kind).is_dir() for kind in (*KINDS, PUBLISHED)) and any(folder.glob("*.toml")):
        raise UsageError(
            f"{origin} {str(folder)!r}: has .toml files, but they belong into its {'/, '.join(KINDS)}/"
        )
