"""`npubench select`: which chips do a job."""

import json
from dataclasses import replace
from pathlib import Path

import click

from npubench.cli.options import FILE, FOLDER, PATH, load_catalog, shared_options
from npubench.cli.report import SpokenCommand, deliver, format_option, lang_option, page_context


@click.command(cls=SpokenCommand)
@click.option(
    "--requirements", "file", required=True, type=FILE,
    help="What is asked: streams, models, bounds and weights, as TOML; see generated/selection.md.",
)  # fmt: skip
@click.option(
    "--with", "others", multiple=True, type=FOLDER,
    help="A further folder of results. Repeatable.",
)  # fmt: skip
@click.option(
    "--published", is_flag=True, help="Weigh what others published, too: every chip of the shipped tables."
)
@click.option(
    "--board", "boards", multiple=True, help="Only these boards or chips, also without results. Repeatable."
)
@shared_options("json")
@click.option("--markdown", is_flag=True, help="Markdown for a document.")
@click.option("-o", "--output", type=PATH, help="Page [OUT/selection.html].")
@format_option
@lang_option
@shared_options("catalog", "out")
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
) -> None:
    """Say which chips do a job, with how much room, at what price, how sure that is, and why not others."""
    from npubench.reporting.data.translate import use_language
    from npubench.reporting.page.page import render
    from npubench.reporting.select.presentation import to_json, to_markdown, to_text
    from npubench.reporting.select.select import SelectOptions, choose

    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    catalog = load_catalog(catalog_folders)
    with use_language(lang):
        found = choose(SelectOptions(file, out, others, published, boards), catalog)
        target = (output or out / f"selection.{form}").absolute()
        # The verdict first, then the report of the rows that it was made of.
        context = page_context(found.decision.asked.title, out, found.rows, found.boards)
        context = replace(context, language=lang, decision=found.decision)
        page = deliver(render(found.rows, context), form, target)
        if as_json:
            click.echo(json.dumps(to_json(found.decision), indent=1, allow_nan=False))
        else:
            text = to_markdown(found.decision) if markdown else to_text(found.decision)
            click.echo(text, nl=not markdown)
    click.echo(f"report: {page}", err=as_json or markdown)
