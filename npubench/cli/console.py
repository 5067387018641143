"""What commands print alike."""

import json
from collections.abc import Mapping, Sequence

import click

from npubench.domain.text import printable, text_table


def say(text: str) -> None:
    """A line beside the results."""
    click.echo(printable(text), err=True)


def say_problem(text: str) -> None:
    """A line on what cannot be used or did not work, which says who says so."""
    say(f"npubench: {text}")


def print_records(rows: Sequence[Mapping[str, str]], as_json: bool = False, width: int = 72) -> None:
    """As JSON, or as a table whose heads are the keys; nothing for an empty table."""
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif rows:
        click.echo(text_table(list(rows[0]), [list(row.values()) for row in rows], width))
