"""`npubench layers`: what each layer of a model takes, and what would make it faster."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli import values
from npubench.cli.options import load_catalog, say_problem, shared_options
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.text import did_you_mean

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.reporting.layers.view import LayerView, Order

SHOWN = 20
"""Layers that a terminal shows unless it is told a number."""


@click.command()
@click.argument("model", shell_complete=values.with_files(values.stored_cases))
@click.option("--board", help="Only this board's row.", shell_complete=values.stored_boards)
@click.option("--precision", type=click.Choice(["fp32", "int8"]), help="Only this precision's.")
@click.option(
    "--sort", "order", type=click.Choice(["time", "macs", "bytes", "order"]), default="time",
    help="The largest first; order: as the tool lists them.",
)  # fmt: skip
@click.option(
    "--top", type=click.IntRange(0), metavar="N", show_default=False,
    help=f"Only so many layers; 0: all. [{SHOWN} in a terminal, all in JSON and CSV]",
)  # fmt: skip
@shared_options("json")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, a line a layer.")
@shared_options("out")
def layers(
    model: str,
    board: str | None,
    precision: str | None,
    order: str,
    top: int | None,
    as_json: bool,
    as_csv: bool,
    out: Path,
) -> int:
    """Show what each layer of MODEL takes by the newest rows at OUT, and what would make it faster.

    MODEL is a case by its name, a glob, or the path of its .onnx file. Of several boards and precisions all
    are shown. Times are of the tool that is named, and of the kind that stands beside it.

    Exit codes: 0 shown, 2 no such case or board, 3 no row of it has layers (each says why, and the command
    that gives them).
    """
    from npubench.reporting.layers.view import Order, has_layers, views_of

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    rows = _rows(model, board, precision, out)
    without = [row for row in rows if not has_layers(row)]
    boards = tuple(load_catalog((), ("boards",)).boards.values()) if len(without) < len(rows) else ()
    views = [view for row in rows for view in views_of(row, boards)]
    for line in _lacking(without, out):
        say_problem(line)
    _print(views, Order(order), top, as_json, as_csv)
    return ExitCode.OK if views else ExitCode.NOTHING_MEASURED


def _print(
    views: "Sequence[LayerView]", order: "Order", top: int | None, as_json: bool, as_csv: bool
) -> None:
    from npubench.reporting.layers.export import to_csv, to_record
    from npubench.reporting.layers.text import to_text

    every = top or None
    if as_csv:
        click.echo(to_csv(views, order, every), nl=False)
    elif as_json:
        click.echo(json.dumps([to_record(view, order, every) for view in views], indent=1, allow_nan=False))
    else:
        width = shutil.get_terminal_size((80, 24)).columns
        most = SHOWN if top is None else every
        click.echo("\n\n".join(to_text(view, order, most, width) for view in views), nl=bool(views))


def _rows(model: str, board: str | None, precision: str | None, out: Path) -> "list[Result]":
    """The newest rows that are meant. Raises UsageError of a name that none has, with what is near."""
    from npubench.reporting.layers.find import matching, nearest
    from npubench.storage.store import Store

    with Store.read(out / "results.db") as store:
        stored, boards = store.latest(), store.boards()
    if board is not None and board not in boards:
        there = ", ".join(boards[:8]) or "none"
        raise UsageError(f"no results of board {board!r}{did_you_mean(board, boards)}: there are {there}")
    found = matching(stored, model, _sha256(model))
    if not found:
        # Aliases stand in the catalogue, which takes longer to read than the store.
        aliases = load_catalog((), ("models",)).aliases
        found = matching(stored, aliases[model]) if model in aliases else []
        if not found:
            near = nearest(model, stored)
            raise UsageError(f"no results of {model!r} at {out}{near}: see `npubench results --out {out}`")
    fitting = [row for row in found if board in (None, row.board) and precision in (None, row.precision)]
    if not fitting:
        there = ", ".join(sorted({f"--board {row.board} --precision {row.precision}" for row in found})[:8])
        raise UsageError(f"no results of {model!r} there: there are those of {there}")
    return fitting


def _sha256(model: str) -> str | None:
    path = Path(model)
    if not model.endswith(".onnx") or not path.is_file():
        return None
    from npubench.storage.hashing import sha256_of_file

    return sha256_of_file(path)


def _lacking(rows: "Sequence[Result]", out: Path) -> list[str]:
    """Why each has no layers; of many rows the first ones."""
    from npubench.domain.specs import titled
    from npubench.reporting.layers.find import why_without

    lines = [
        f"{titled(row.case, row.precision)} on {row.board} has no layers: {why_without(row, out)}"
        for row in rows[:5]
    ]
    return [*lines, *([f"and {len(rows) - 5} more rows without layers"] if len(rows) > 5 else [])]
