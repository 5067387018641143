"""`npubench results --cpu`: rows of processors as a table, CSV or JSON."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from npubench.domain.text import text_table

if TYPE_CHECKING:
    from npubench.domain.records import Result


def print_rows(results: "Sequence[Result]", as_json: bool, as_csv: bool) -> None:
    """Print every processor row of these results."""
    from npubench.reporting.data.formatting import significant
    from npubench.reporting.data.processor import COLUMNS, SHOWN, processor_rows, rate_of
    from npubench.reporting.data.table import csv_of

    rows = processor_rows(results)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif as_csv:
        click.echo(csv_of(COLUMNS, [[row[name] for name in COLUMNS] for row in rows]), nl=False)
    elif not rows:
        click.echo("no processor was measured there: npubench run --stages cpu")
    else:
        lines = []
        for row in rows:
            rate, unit = rate_of(row)
            shown = [_text(row[name]) for name in SHOWN]
            lines.append([*shown, f"{significant(rate, separator='')} {unit}" if rate is not None else "-"])
        click.echo(text_table([*(name.replace("_", " ") for name in SHOWN), "rate"], lines))


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
