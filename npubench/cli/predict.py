"""`npubench predict`: figures of networks on chips that nobody has measured there, with bands."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from npubench.cli import values
from npubench.cli.options import FILE, Number, shared_options
from npubench.domain.errors import ExitCode

if TYPE_CHECKING:
    from npubench.predict.validate import Validation


class BoardOptions(TypedDict):
    """What `--board` is asked with."""

    simulate: bool
    published: bool
    precisions: tuple[str, ...]
    shapes: tuple[str, ...]
    simulated_qps: float | None
    calibration: Path | None
    catalog_folders: tuple[Path, ...]
    out: Path


@click.command()
@click.argument(
    "models", nargs=-1, type=click.Path(path_type=Path), shell_complete=values.with_files(values.models)
)
@click.option("--board", help="Ask this board's calibration of MODELS.", shell_complete=values.boards)
@click.option("--chip", help="Ask what was published of this chip.", shell_complete=values.chips)
@click.option(
    "--fit", is_flag=True, help="Calibrate the board: a sweep of operators, and MODELS or two networks."
)
@click.option(
    "--simulate", is_flag=True, help="With --fit: no board needed, its toolchain's simulation is fitted."
)
@click.option(
    "--published", is_flag=True, help="With --fit: no sweep, the published tables of the board's chip."
)
@shared_options("precision")
@click.option(
    "--shape", "shapes", multiple=True, metavar="NAME=1x3x224x224",
    help="With --board: fix a dynamic input. Repeatable.",
)  # fmt: skip
@click.option(
    "--simulated-qps", type=Number(0, min_open=True),
    help="Inferences a second that the simulator of the board's compiler tells of the one model.",
)  # fmt: skip
@click.option(
    "--calibration", type=FILE, help="The board's calibration; else your own, else the shipped one."
)
@shared_options("catalog", "out")
@click.option(
    "--validate", "file", type=FILE,
    help="A table with the columns of the published one: what is predicted for each row without it.",
)  # fmt: skip
@shared_options("json")
@click.option("--csv", "as_csv", is_flag=True, help="CSV for spreadsheets.")
def predict(
    models: tuple[Path, ...],
    board: str | None,
    chip: str | None,
    fit: bool,
    file: Path | None,
    as_json: bool,
    as_csv: bool,
    **asked: Unpack["BoardOptions"],
) -> int:
    """Predict figures with 90 % bands, or say why there is none: of MODELS (.onnx) on a board, or of a table.

    Exit codes: 0 answered, 2 usage, 3 refused: any model of a board or chip, every row of a table.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if board is not None and chip is not None:
        raise click.UsageError("--board and --chip exclude each other")
    if chip is not None:
        from npubench.cli.predict_chip import ask

        return ask(chip, models, asked["precisions"], as_json)
    if board is not None:
        return _of_board(board, models, fit, as_json, asked)
    if fit or models:
        raise click.UsageError("say where: --board B" + ("" if fit else " or --chip C"))
    if file is None:
        raise click.UsageError(
            "say what to predict: --board B or --chip C with MODEL.onnx, or --validate FILE"
        )
    from npubench.predict.asked import read_rows
    from npubench.predict.completion import complete

    return _say(complete(read_rows(file)), as_json, as_csv)


def _of_board(board: str, models: tuple[Path, ...], fit: bool, as_json: bool, asked: "BoardOptions") -> int:
    from npubench.cli.predict_board import BoardQuestion, ask_board
    from npubench.cli.predict_board import fit as fit_board

    question = BoardQuestion(
        board,
        models,
        asked["precisions"],
        asked["simulated_qps"],
        asked["calibration"],
        asked["out"],
        asked["catalog_folders"],
        asked["shapes"],
    )
    if fit:
        networks = [str(model) for model in models]
        return fit_board(question, networks, published=asked["published"], simulate=asked["simulate"])
    if asked["published"] or asked["simulate"]:
        raise click.UsageError("--published and --simulate go with --fit")
    return ask_board(question, as_json)


def _say(found: "Validation", as_json: bool, as_csv: bool) -> int:
    from npubench.predict.presentation import to_csv, to_json, to_text, totals_text

    if as_json:
        click.echo(json.dumps(to_json(found), indent=1, allow_nan=False))
    elif as_csv:
        click.echo(to_csv(found), nl=False)
        click.echo(totals_text(found), err=True)
    else:
        click.echo(to_text(found))
    return ExitCode.OK if found.totals else ExitCode.NOTHING_MEASURED
