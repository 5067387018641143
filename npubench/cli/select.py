"""`npubench select`: which chips do a job."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import catalog_option, json_option, load_catalog, out_option
from npubench.cli.page import format_option
from npubench.cli.spoken import SpokenCommand, lang_option

if TYPE_CHECKING:
    from npubench.catalog import Catalog
    from npubench.domain.records import Result
    from npubench.reporting.select.candidate import Shapes


@click.command(cls=SpokenCommand)
@click.option(
    "--requirements", "file", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="What is asked: streams, models, bounds and weights, as TOML; see generated/selection.md.",
)  # fmt: skip
@click.option(
    "--with", "others", multiple=True, type=click.Path(path_type=Path, file_okay=False),
    help="A further folder of results. Repeatable.",
)  # fmt: skip
@click.option("--published", is_flag=True, help="Weigh the published results that come with npubench, too.")
@click.option("--board", "boards", multiple=True, help="Only these boards, also without results. Repeatable.")
@json_option
@click.option("--markdown", is_flag=True, help="Markdown for a document.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Page [OUT/selection.html].")
@format_option
@lang_option
@catalog_option
@out_option
def select(
    file: Path,
    others: tuple[Path, ...],
    published: bool,
    boards: tuple[str, ...],
    as_json: bool,
    markdown: bool,
    output: Path | None,
    form: str,
    lang: str,
    catalog_folders: tuple[Path, ...],
    out: Path,
) -> int:
    """Say which chips do a job, with how much room, at what price, how sure that is, and why not others."""
    from npubench.cli.selection_page import write_page
    from npubench.reporting.data.translate import speaking
    from npubench.reporting.select.decide import decide
    from npubench.reporting.select.presentation import to_json, to_markdown, to_text
    from npubench.reporting.select.requirements import read_requirements

    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    asked = read_requirements(file)
    catalog = load_catalog(catalog_folders)
    rows = _rows(out, others, published, boards)
    named = [*boards, *(one.board for one in asked.known)]
    specs = [catalog.boards[name] for name in dict.fromkeys(named) if name in catalog.boards]
    _refuse_unknown(boards, rows, catalog)
    with speaking(lang):
        facts = [*specs, *(spec for spec in catalog.boards.values() if spec not in specs)]
        decision = decide(asked, rows, specs, facts, _shapes(catalog))
        page = write_page(decision, rows, facts, out, output, form, lang)
        if as_json:
            click.echo(json.dumps(to_json(decision), indent=1, allow_nan=False))
        else:
            click.echo(to_markdown(decision) if markdown else to_text(decision), nl=not markdown)
    click.echo(f"report: {page}", err=as_json or markdown)
    return 0


def _rows(out: Path, others: tuple[Path, ...], published: bool, boards: tuple[str, ...]) -> "list[Result]":
    from npubench import published as shipped
    from npubench.storage.store import Store

    rows: list[Result] = []
    folders = [*others] if published and not (out / "results.db").is_file() else [out, *others]
    for folder in folders:
        store = Store.read(folder / "results.db")
        rows += store.latest()
        store.close()
    rows += shipped.results() if published else []
    return [row for row in rows if not boards or row.board in boards]


def _shapes(catalog: "Catalog") -> "Shapes":
    return {model.name: [one.shape for one in model.inputs] for model in catalog.models.values()}


def _refuse_unknown(boards: tuple[str, ...], rows: "list[Result]", catalog: "Catalog") -> None:
    from npubench.domain.errors import UsageError
    from npubench.domain.nearest import did_you_mean

    known = {row.board for row in rows} | set(catalog.boards)
    for board in boards:
        if board not in known:
            hint = did_you_mean(board, known)
            raise UsageError(
                f"no board is called {board!r}{hint}, and no result is of one: see npubench list boards"
            )
