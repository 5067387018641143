"""`npubench list`: what there is to name on a command line."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import catalog_option, json_option, load_catalog
from npubench.cli.terminal import columns

if TYPE_CHECKING:
    from npubench.catalog import Catalog

Rows = list[dict[str, str]]


@click.command("list")
@click.argument("what", type=click.Choice(["boards", "models", "operators", "backends", "suites"]))
@catalog_option
@click.option(
    "--status", type=click.Path(path_type=Path, file_okay=False), metavar="OUT",
    help="With models: what came of exporting each, from an `npubench export --out OUT`.",
)  # fmt: skip
@json_option
def list_(what: str, catalog_folders: tuple[Path, ...], status: Path | None, as_json: bool) -> int:
    """List boards, models, operators, backends or suites."""
    if status is not None and what != "models":
        raise click.UsageError("--status goes with models")
    catalog = load_catalog(catalog_folders)
    rows = _ROWS[what](catalog)
    if status is not None:
        rows = _with_status(rows, status)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif rows:
        click.echo(columns(list(rows[0]), [list(row.values()) for row in rows]))
    return 2 if catalog.problems else 0


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
    """What came of each export, and further models that were exported by their names or configs."""
    from npubench import exports
    from npubench.reporting.coverage import status

    found = exports.read(folder / ".npubench")
    known = {row["model"] for row in rows}
    others = [
        {**dict.fromkeys(rows[0], ""), "model": name, "codebase": export.codebase}
        for name, export in found.items()
        if name not in known
    ]
    return [
        {**row, "export": status(export), "why": export.message if export else ""}
        for row in (*rows, *others)
        for export in (found.get(row["model"]),)
    ]


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
    from npubench import plugins

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


_ROWS = {
    "boards": _boards,
    "models": _models,
    "operators": _operators,
    "backends": _backends,
    "suites": _suites,
}
