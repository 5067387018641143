"""`npubench select`: which chips do a job."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli import values
from npubench.cli.options import FILE, FOLDER, PATH, Number, load_catalog, shared_options
from npubench.cli.report import SpokenCommand, deliver, format_option, lang_option, page_context

if TYPE_CHECKING:
    from npubench.catalog import Catalog
    from npubench.reporting.select.requirements import Requirements
    from npubench.reporting.select.select import Selected


def _words(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Words set apart by commas, without the blanks around them."""
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


@dataclass(frozen=True, slots=True)
class Form:
    """How a decision is said."""

    as_json: bool
    markdown: bool
    output: Path | None  # of the page
    form: str
    lang: str
    why: bool  # also how each verdict came about


@click.command(cls=SpokenCommand)
@click.option(
    "--requirements", "file", type=FILE,
    help="What is asked: streams, models, bounds and weights, as TOML; see docs/selecting.md.",
)  # fmt: skip
@click.option("--example", is_flag=True, help="Print such a file to start from, and do nothing else.")
@click.option(
    "--cameras", type=int, metavar="N",
    help="Without a file: so many cameras, each frame through each of --models.",
)  # fmt: skip
@click.option(
    "--models", callback=_words, metavar="NAME,NAME", shell_complete=values.comma_separated(values.models),
    help="With --cameras: names, such as yolov8s or yolov8s@320, or .onnx files.",
)  # fmt: skip
@click.option("--budget", type=Number(), metavar="USD", help="With --cameras: the price at most.")
@click.option(
    "--price-of", type=click.Choice(["chip", "module", "board"]), help="With --cameras: what the price is of."
)
@click.option("--fps", type=Number(), metavar="N", help="With --cameras: frames a second.  [default: 25]")
@click.option("--resolution", help="With --cameras: 1920x1080, 720p, 1080p or 4K.  [default: 1080p]")
@click.option("--codec", help="With --cameras: h264, h265, av1, vp9, mjpeg or none.  [default: h264]")
@click.option("--power", type=Number(), metavar="WATTS", help="With --cameras: the power at most.")
@click.option(
    "--power-of", type=click.Choice(["chip", "module", "board"]), help="With --cameras: what the power is of."
)
@click.option(
    "--latency", type=Number(), metavar="MS", help="With --cameras: milliseconds to an answer at most."
)
@click.option(
    "--precision", type=click.Choice(["int8", "fp16", "fp32"]), help="With --cameras: figures of this alone."
)
@click.option(
    "--with", "others", multiple=True, type=FOLDER,
    help="A further folder of results. Repeatable.",
)  # fmt: skip
@click.option(
    "--published", is_flag=True, help="Weigh what others published, too: every chip of the shipped tables."
)
@click.option(
    "--board",
    "boards",
    multiple=True,
    help="Only these boards or chips, also without results. Repeatable.",
    shell_complete=values.boards_and_chips,
)
@click.option(
    "--simulate",
    is_flag=True,
    help="First run what is missing of your models by the vendors' simulators.",
)
@click.option(
    "--tables", "table_folders", type=PATH, multiple=True,
    help="Published: your own folder of tables, too (docs/atlas.md). Repeatable.",
)  # fmt: skip
@shared_options("json")
@click.option("--markdown", is_flag=True, help="Markdown for a document.")
@click.option("--why", is_flag=True, help="Also how each verdict came about, chip by chip.")
@click.option("-o", "--output", type=PATH, help="Page [OUT/selection.html].")
@format_option
@lang_option
@shared_options("catalog", "out")
def select(
    file: Path | None,
    example: bool,
    others: tuple[Path, ...],
    published: bool,
    boards: tuple[str, ...],
    simulate: bool,
    table_folders: tuple[Path, ...],
    as_json: bool,
    markdown: bool,
    why: bool,
    output: Path | None,
    form: str,
    lang: str,
    catalog_folders: tuple[Path, ...],
    out: Path,
    **words: Any,
) -> None:
    """Say which chips do a job, with how much room, at what price, how sure that is, and why not others."""
    from npubench.reporting.data.translate import use_language
    from npubench.reporting.select.select import SelectOptions, choose

    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    if example:
        click.echo(_example(), nl=False)
        return
    with use_language(lang):
        asked = _asked(file, words)
    catalog = load_catalog(catalog_folders)
    if simulate:
        _simulate(asked, catalog, boards, out)
    options = SelectOptions(
        asked, out, others, published or file is None or bool(table_folders), boards, table_folders
    )
    with use_language(lang):
        _say(choose(options, catalog), out, Form(as_json, markdown, output, form, lang, why))


def _example() -> str:
    from npubench.storage.files import data_root

    return (data_root() / "reports" / "job.toml").read_text(encoding="utf-8")


def _asked(file: Path | None, words: dict[str, Any]) -> "Requirements":
    """Of a file, or of the words that stand for one."""
    from npubench.reporting.select.cameras import Cameras, asked_by
    from npubench.reporting.select.requirements import read_requirements

    given = {name: value for name, value in words.items() if value is not None}
    if file is not None and given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"--requirements and {options} exclude each other: the file says it")
    if file is not None:
        return read_requirements(file)
    if "cameras" not in given:
        said = f"--{next(iter(given)).replace('_', '-')} goes with --cameras: " if given else ""
        raise click.UsageError(
            f"{said}say what is asked: --requirements FILE (--example prints one), or "
            "--cameras 4 --models yolov8s,resnet18"
        )
    return asked_by(
        Cameras(
            given["cameras"],
            given.get("models", ()),
            *(given.get("budget"), given.get("price_of"), given.get("power"), given.get("latency")),
            *(given.get("fps"), given.get("resolution", "1080p"), given.get("codec", "h264")),
            given.get("precision", ""),
            given.get("power_of"),
        )
    )


def _simulate(asked: "Requirements", catalog: "Catalog", boards: tuple[str, ...], out: Path) -> None:
    """Run what is missing of models that can be run, on every board whose simulator is here."""
    from npubench.engine import plugins
    from npubench.engine.plan import CaseOptions, RunOptions
    from npubench.engine.run import run_plan

    named = [need.file or name for _, need in asked.models for name in need.names]
    cases = [name for name in dict.fromkeys(named) if Path(name).is_file() or catalog.case(name)]
    usable = {name for name in plugins.names(plugins.BACKENDS) if plugins.backend(name).probe().usable}
    asked_for = [catalog.boards[name] for name in boards if name in catalog.boards]
    candidates = asked_for or catalog.boards.values()
    chosen = [one for one in candidates if one.backend in usable and one.transport == "ssh"]
    if not cases:
        models = "a file, or one of `npubench list models`"
        raise click.UsageError(f"--simulate needs a model that can be run: {models}")
    if not chosen:
        raise click.UsageError("--simulate finds no simulator here: see `npubench doctor`")
    click.echo(f"simulating {', '.join(cases)} for {', '.join(board.name for board in chosen)}", err=True)
    run_plan(RunOptions(CaseOptions(tuple(cases)), out, tuple(board.name for board in chosen), simulate=True))


def _say(found: "Selected", out: Path, how: Form) -> None:
    from npubench.reporting.page.page import render
    from npubench.reporting.select.presentation import to_json, to_markdown
    from npubench.reporting.select.terminal import to_text

    target = (how.output or out / f"selection.{how.form}").absolute()
    # The verdict first, then the report of the rows that it was made of.
    context = page_context(found.decision.asked.title, out, found.rows, found.boards)
    context = replace(context, language=how.lang, decision=found.decision)
    page = deliver(render(found.rows, context), how.form, target)
    if how.as_json:
        click.echo(json.dumps(to_json(found.decision), indent=1, allow_nan=False))
    else:
        text = (to_markdown if how.markdown else to_text)(found.decision, how.why)
        click.echo(text, nl=not how.markdown)
    click.echo(f"report: {page}", err=how.as_json or how.markdown)
