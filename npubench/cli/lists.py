"""`npubench list`: what there is to name on a command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.catalog.find import GLOB
from npubench.cli import values
from npubench.cli.options import FOLDER, load_catalog, print_records, shared_options
from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean

if TYPE_CHECKING:
    from npubench.catalog import Catalog
    from npubench.domain.records import Result

Rows = list[dict[str, str]]


@click.command("list")
@click.argument("what", type=click.Choice(["boards", "models", "operators", "backends", "suites"]))
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...", shell_complete=values.listed)
@shared_options("catalog")
@click.option(
    "--status", type=FOLDER, metavar="[OUT]",
    is_flag=False, flag_value="npubench-out",
    help="With models: what came of exporting and converting each, from the --out of a run or an export"
    " [npubench-out].",
)  # fmt: skip
@shared_options("json")
def list_(
    what: str,
    patterns: tuple[str, ...],
    catalog_folders: tuple[Path, ...],
    status: Path | None,
    as_json: bool,
) -> int:
    """List boards, models, operators, backends or suites, or those that a PATTERN names.

    A PATTERN is a part of a name, alias, title, chip, codebase or task, or a glob of all of it; case does not
    count. With one, models also are those that OpenMMLab names and the catalogue does not.
    """
    if status is not None and what != "models":
        raise click.UsageError("--status goes with models")
    shown = _LISTS[what]
    catalog = load_catalog(catalog_folders, shown.kinds)
    rows = shown.rows_of(catalog)
    if patterns:
        rows = _meant(what, [*rows, *(_zoo(catalog) if what == "models" else ())], patterns)
    rows = rows if status is None else _with_status(rows, status)
    print_records(rows, as_json, shown.dispensable)
    return 2 if catalog.problems else 0


def _meant(what: str, rows: Rows, patterns: Sequence[str]) -> Rows:
    """The rows that any pattern names, in their order. Raises UsageError for one that names none."""
    texts = [[row[name] for name in _LISTS[what].named_by] for row in rows]
    found: set[int] = set()
    for pattern in patterns:
        hits = {at for at, parts in enumerate(texts) if any(_is_named(text, pattern) for text in parts)}
        if not hits:
            # A name comes last: where a chip is spelt as its board is, the board is meant.
            names = [*(parts[1] for parts in texts if parts[1:]), *(parts[0] for parts in texts)]
            near = did_you_mean(pattern.strip("*?"), filter(None, names))
            raise UsageError(f"no {what[:-1]} matches {pattern!r:.200}{near}: see `npubench list {what}`")
        found |= hits
    return [rows[at] for at in sorted(found)]


def _is_named(text: str, pattern: str) -> bool:
    if GLOB.search(pattern):
        return fnmatchcase(text.casefold(), pattern.casefold())
    return bool(pattern) and pattern.casefold() in text.casefold()


def _zoo(catalog: "Catalog") -> Rows:
    """Models that OpenMMLab names and no manifest of the catalogue has: `run` takes them, too."""
    return [
        {"model": name, "alias": "", "codebase": codebase, "task": "", "input": "", "opset": ""}
        for name, (codebase, _) in catalog.zoo.lines.items()
        if name not in catalog.models
    ]


def _boards(catalog: "Catalog") -> Rows:
    return [
        {
            "board": board.name,
            "title": board.title,
            "chip": board.chip,
            "transport": board.transport,
            "backend": board.backend,
            "precisions": " ".join(board.precisions),
        }
        for board in catalog.boards.values()
    ]


def _models(catalog: "Catalog") -> Rows:
    names = {target: alias for alias, target in catalog.aliases.items()}
    return [
        {
            "model": model.name,
            "alias": names.get(model.name, ""),
            "codebase": model.codebase,
            "task": model.task,
            "input": " ".join("x".join(map(str, tensor.shape)) for tensor in model.inputs),
            "opset": str(model.opset),
        }
        for model in catalog.models.values()
    ]


def _with_status(rows: Rows, folder: Path) -> Rows:
    """What came of each export and conversion, and further models that were exported by name or config."""
    from npubench.reporting.data.coverage import status
    from npubench.storage import ledger

    found = ledger.read_exports(folder)
    results = _newest(folder)
    if not found and not results:
        raise UsageError(f"{folder} has no exports: run `npubench export ... --out {folder}` first")
    known = {row["model"] for row in rows}
    others = [
        {**dict.fromkeys(rows[0], ""), "model": name, "codebase": export.codebase}
        for name, export in found.items()
        if name not in known
    ]
    backends = sorted({column for _, column in results})
    return [
        {
            **row,
            "export": status(export),
            **{column: _conversion(results.get((row["model"], column))) for column in backends},
            "why": export.message if export else "",
        }
        for row in (*rows, *others)
        for export in (found.get(row["model"]),)
    ]


def _newest(folder: Path) -> "dict[tuple[str, str], Result]":
    """Case and `backend precision` -> the newest row there, of a folder that has results."""
    from npubench.storage.store import Store

    if not (folder / "results.db").is_file():
        return {}
    with Store.read(folder / "results.db") as store:
        return {(row.case, f"{row.backend} {row.precision}"): row for row in store.latest()}


def _conversion(result: "Result | None") -> str:
    """What a row says of its conversion: a board that was away says nothing of it."""
    from npubench.domain.records import Stage

    if result is not None and result.failure and result.failure.stage is Stage.COMPILE:
        return str(result.failure.failure_class)
    return "converted" if result is not None and result.artifact_sha256 else "-"


def _operators(catalog: "Catalog") -> Rows:
    return [
        {
            "operator": spec.name,
            "op": spec.op,
            "inputs": " ".join("x".join(map(str, tensor.shape)) for tensor in spec.inputs),
            "opset": str(spec.opset),
        }
        for spec in catalog.operators.values()
    ]


def _backends(_catalog: "Catalog") -> Rows:
    from npubench.engine import plugins

    tools = [plugins.backend(name).probe() for name in plugins.names(plugins.BACKENDS)]
    return [
        {
            "backend": tool.name,
            "usable": "yes" if tool.usable else "no",
            "versions": " ".join(f"{name} {version}" for name, version in tool.versions.items()),
            "how to get it": tool.fix,
        }
        for tool in tools
    ]


def _suites(catalog: "Catalog") -> Rows:
    from npubench.catalog import NODE_TESTS
    from npubench.cli.node_tests import TITLE

    rows = [
        {"suite": suite.name, "cases": str(len(suite.cases)), "title": suite.title}
        for suite in catalog.suites.values()
    ]
    return [*rows, {"suite": NODE_TESTS, "cases": "all", "title": TITLE}]


@dataclass(frozen=True, slots=True)
class _List:
    """What a list shows: what of the catalogue it needs, as reading all of it takes most of the time."""

    kinds: tuple[str, ...]
    rows_of: Callable[["Catalog"], Rows]
    named_by: tuple[str, ...]  # keys of a row whose texts a pattern names it by; the first is its name
    dispensable: tuple[str, ...] = ()  # columns that go where the table is too wide


_LISTS = {
    "boards": _List(("boards",), _boards, ("board", "chip", "title", "backend"), ("transport",)),
    "models": _List(("models",), _models, ("model", "alias", "codebase", "task"), ("opset", "codebase")),
    "operators": _List(("ops",), _operators, ("operator", "op"), ("opset",)),
    "backends": _List((), _backends, ("backend",)),
    "suites": _List(("ops", "models", "suites"), _suites, ("suite", "title")),
}
