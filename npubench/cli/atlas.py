"""`npubench results --published`: what others published, queried; the options of that and its output."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli import values
from npubench.cli.options import PATH, say_problem
from npubench.domain.errors import UsageError
from npubench.domain.layout import terminal_columns, wrapped
from npubench.domain.text import counted, printable
from npubench.engine.plan import DEFAULT_OUT

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.published.atlas import Atlas, PublishedFigure
    from npubench.published.query import Query
    from npubench.reporting.sanity.atlas import FigureDoubt

_FILTERS = ("chip", "model", "mode", "precision", "source", "family")
_OPTIONS = (
    click.option(
        "--chip", multiple=True, metavar="CHIP", shell_complete=values.chips,
        help="Published: of this chip. Repeatable.",
    ),
    click.option(
        "--model", multiple=True, metavar="NAME",
        help="Published: of this model, a name, a network's name or a glob. Repeatable.",
    ),
    click.option(
        "--mode", multiple=True, metavar="MODE",
        help="Published: in this mode or with this part of it, such as `batch 8`. Repeatable.",
    ),
    click.option(
        "--precision", multiple=True, metavar="NAME", help="Published: in this precision. Repeatable."
    ),
    click.option(
        "--source", multiple=True, metavar="NAME",
        help="Published: of this address, publisher or table. Repeatable.",
    ),
    click.option(
        "--family", multiple=True, type=click.Choice(["vision", "language", "other"]),
        help="Published: figures of these networks. Repeatable.",
    ),
    click.option(
        "--tables", "table_folders", type=PATH, multiple=True,
        help="Published: your own folder of tables, too (docs/atlas.md). Repeatable.",
    ),
)  # fmt: skip


def atlas_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--chip, --model, --mode, --precision, --source, --family and --tables, for what was published.

    The function gets the query as `query`, its words by their names, and `table_folders`.
    """

    @wraps(function)
    def gathered(**words: Any) -> Any:
        return function(filters={name: words.pop(name) for name in _FILTERS}, **words)

    command: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def refuse_filters(
    filters: dict[str, tuple[str, ...]], folders: Sequence[Path], networks: bool = False
) -> None:
    """Raises a usage error when something is asked that only published figures have."""
    given = [f"--{name}" for name, words in filters.items() if words] + ["--tables"] * bool(folders)
    given += ["--networks"] * networks
    if given:
        raise click.UsageError(f"{given[0]} goes with --published")


def read_atlas(folders: Sequence[Path]) -> "Atlas":
    """The shipped tables, those of `published/` beside the user's catalogue, and those of `folders`.

    What is wrong is told line by line, and such a table left out; in `folders` it is an error.
    """
    from npubench.catalog import user_folders
    from npubench.published.atlas import load

    beside = [one / "published" for one in user_folders(()) if (one / "published").is_dir()]
    atlas = load((*beside, *folders))
    named = {one.absolute() for one in folders}
    wrong = [one for one in atlas.problems if {one.file.absolute(), one.file.absolute().parent} & named]
    if wrong and len(atlas.problems) == 1:
        raise UsageError(str(wrong[0]))
    for problem in atlas.problems:
        say_problem(str(problem))
    if wrong:
        raise UsageError(f"{counted(len(wrong), 'mistake')} in the folders of --tables: correct them")
    return atlas


def published_rows(
    cases: Sequence[str], board: str | None, query: "Query", folders: Sequence[Path]
) -> "tuple[list[Result], list[PublishedFigure]]":
    """Rows of the tables that are rows, and figures of the atlas, that are meant; a board has rows alone.

    Raises UsageError for a word that nothing is called.
    """
    from dataclasses import replace

    from npubench.published import results
    from npubench.published.query import matching, names_of, names_of_row

    rows = [row for row in results() if board in (None, row.board)]
    figures = [] if board else list(read_atlas(folders).figures)
    asked = replace(query, case=tuple(cases))
    if not asked.asks:
        return rows, figures
    joined = bool(asked.model or asked.family)
    named = [*map(names_of_row, rows), *(names_of(figure, joined) for figure in figures)]
    found = matching(asked, named)
    count = len(rows)
    return [rows[at] for at in found if at < count], [figures[at - count] for at in found if at >= count]


def figure_doubts_seen(
    figures: "Sequence[PublishedFigure]", folders: Sequence[Path]
) -> "tuple[Sequence[FigureDoubt], list[str]]":
    """Doubts about these figures, which all figures of the atlas speak of; records, and lines for people."""
    from npubench.reporting.sanity import Strength
    from npubench.reporting.sanity.atlas import figure_doubts

    places = {figure.place for figure in figures}
    found = [one for one in figure_doubts(read_atlas(folders).figures) if places & {*one.places}]
    width = terminal_columns()
    lines: list[str] = []
    for one in found:
        named = printable(", ".join(one.cases), _SHOWN)
        below = (f"figures: {named} by {one.publisher}", *one.evidence, f"next: {one.next_step}")
        lines += wrapped(f"{one.strength} {one.doubt_class} on {one.chip}: {one.reason}", width, "", "  ")
        lines += [line for text in below for line in wrapped(text, width, "    ", "      ")]
    strong = sum(one.strength is Strength.STRONG for one in found)
    counts = f"{counted(len(figures), 'figure')}: {counted(len(found), 'doubt')}, {strong} of them strong"
    return found, [*lines, counts]


_SHOWN = 160
"""Characters of a list of models; JSON has all."""


def print_published(
    rows: "Sequence[Result]", figures: "Sequence[PublishedFigure]", as_json: bool, as_csv: bool
) -> None:
    """Rows as `results` prints them, then the figures."""
    from npubench.reporting.data import atlas
    from npubench.reporting.data.rows import row_of
    from npubench.reporting.data.table import json_lines, json_of
    from npubench.reporting.terminal.advice import advice_of
    from npubench.reporting.terminal.results import to_text

    plain = [row_of(row) for row in rows]
    if as_json:
        click.echo(json_of([*json_lines(plain), *atlas.json_lines(figures)]))
    elif as_csv:
        click.echo(atlas.to_csv(plain, figures), nl=False)
    else:
        width = terminal_columns()
        parts = [to_text(plain, width, advice_of(rows, (), DEFAULT_OUT))] if plain else []
        parts += [atlas.to_text(figures, width)] if figures else []
        click.echo("\n\n".join(parts))
