"""`npubench predict`: figures of networks on chips that nobody has measured there, with bands."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import FILE, shared_options
from npubench.domain.errors import ExitCode

if TYPE_CHECKING:
    from npubench.predict.validate import Validation


@click.command()
@click.option(
    "--validate", "file", type=FILE,
    help="A table with the columns of the published one: what is predicted for each row without it.",
)  # fmt: skip
@shared_options("json")
@click.option("--csv", "as_csv", is_flag=True, help="CSV for spreadsheets.")
def predict(file: Path | None, as_json: bool, as_csv: bool) -> int:
    """Predict figures with 90 % bands, or say why there is none.

    Exit codes: 0 something was answered, 2 usage, 3 nothing could be answered.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if file is None:
        raise click.UsageError("say what to predict: --validate FILE.csv")
    from npubench.predict.asked import read_rows
    from npubench.predict.completion import complete

    return _say(complete(read_rows(file)), as_json, as_csv)


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
