"""Values that a shell completes: names of the catalogue, of the workspace and of what was published.

Each function is a click callback for `shell_complete=`. A shell waits for them: nothing heavy is imported.
Whatever cannot be read completes to nothing, in silence.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from npubench.catalog import Catalog

_PLAIN = re.compile(r"[\w@%+:.,/=~-]+")
"""Names that a shell takes as they are. Others are left out: a name may come of a stranger's results, and
what is completed stands on the command line unquoted."""

_ZOO_FROM = 2
"""Characters from which OpenMMLab's own names are completed, too: there are thousands."""

Values = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_Told = Iterable[tuple[str, str]]
"""Names with what a shell shows beside them."""


def _values(told: Callable[[click.Context, str], _Told]) -> Values:
    """A callback of what tells all names there are: those that begin as what was written, once each."""

    @wraps(told)
    def callback(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            names = dict(told(ctx, incomplete))
        except Exception:  # noqa: BLE001 - a traceback among what is written helps nobody
            return []
        return [
            CompletionItem(name, help=title or None)
            for name, title in names.items()
            if name.casefold().startswith(incomplete.casefold()) and _PLAIN.fullmatch(name)
        ]

    return callback


def with_files(values: Values) -> Values:
    """The same, and files where nothing has such a name."""

    @wraps(values)
    def callback(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        # Bash takes what follows a file's mark, and files where nothing does.
        files = [CompletionItem(incomplete, type="file")]
        return files if incomplete.startswith((".", "/", "~")) else files + values(ctx, param, incomplete)

    return callback


def comma_separated(values: Values) -> Values:
    """The same for the last of several that commas set apart."""

    @wraps(values)
    def callback(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        found = values(ctx, param, last)
        return [CompletionItem(f"{before}{comma}{one.value}", one.type, one.help) for one in found]

    return callback


def _catalog(ctx: click.Context, *kinds: str) -> "Catalog":
    from npubench.catalog import load, user_folders

    return load(user_folders(ctx.params.get("catalog_folders") or ()), kinds)


def _stored(ctx: click.Context, ask: str) -> Sequence[str]:
    """What the results at --out name: `ask` is a method of the store."""
    from npubench.engine.plan import DEFAULT_OUT
    from npubench.storage.store import Store

    out: Path = ctx.params.get("out") or DEFAULT_OUT
    with Store.read(out / "results.db") as store:
        found: Sequence[str] = getattr(store, ask)()
        return found


def _untitled(names: Iterable[str]) -> _Told:
    return ((name, "") for name in names)


@_values
def boards(ctx: click.Context, _incomplete: str) -> _Told:
    """Boards of the catalogue."""
    return ((one.name, one.title) for one in _catalog(ctx, "boards").boards.values())


@_values
def suites(ctx: click.Context, _incomplete: str) -> _Told:
    """Suites of the catalogue."""
    return ((one.name, one.title) for one in _catalog(ctx, "suites").suites.values())


@_values
def models(ctx: click.Context, incomplete: str) -> _Told:
    """Models of the catalogue by name and alias; OpenMMLab's own names from a few characters on."""
    catalog = _catalog(ctx, "models")
    yield from ((one.name, f"{one.codebase}, {one.task}") for one in catalog.models.values())
    yield from ((alias, name) for alias, name in catalog.aliases.items())
    if len(incomplete) >= _ZOO_FROM:
        yield from ((name, codebase) for name, (codebase, _) in catalog.zoo.lines.items())


@_values
def operators(ctx: click.Context, _incomplete: str) -> _Told:
    """Operators of the catalogue."""
    return ((one.name, one.op) for one in _catalog(ctx, "ops").operators.values())


def cases(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Models and operators."""
    return models(ctx, param, incomplete) + operators(ctx, param, incomplete)


@_values
def stored_cases(ctx: click.Context, _incomplete: str) -> _Told:
    """Cases that have results."""
    return _untitled(_stored(ctx, "case_names"))


@_values
def stored_boards(ctx: click.Context, _incomplete: str) -> _Told:
    """Boards that have results."""
    return _untitled(_stored(ctx, "boards"))


@_values
def chips(_ctx: click.Context, _incomplete: str) -> _Told:
    """Chips that figures were published of."""
    from npubench.published.chips import chips as published

    return _untitled(published())


def boards_and_chips(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Boards of the catalogue, and chips that figures were published of."""
    return boards(ctx, param, incomplete) + chips(ctx, param, incomplete)


@_values
def _runs(_ctx: click.Context, _incomplete: str) -> _Told:
    return (("latest", "the newest run"), ("previous", "the run before it"))


def sides(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What `npubench compare` compares: runs and boards with results; folders where nothing is called so."""
    named = _runs(ctx, param, incomplete) + stored_boards(ctx, param, incomplete)
    return [CompletionItem(incomplete, type="dir"), *named]


@_values
def environments(_ctx: click.Context, _incomplete: str) -> _Told:
    """Environments of tools."""
    from npubench.tools import environments as tools

    return _untitled(tools.names())


_LISTED: dict[str, Values] = {"boards": boards, "models": models, "operators": operators, "suites": suites}


def listed(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What `npubench list` lists of the kind that is named before."""
    values: Any = _LISTED.get(ctx.params.get("what") or "")
    return values(ctx, param, incomplete) if values else []
