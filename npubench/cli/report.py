"""`npubench report`: the page of a result folder."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli.options import FOLDER, PATH, shared_options
from npubench.reporting.data.translate import LANGUAGES, translate, use_language

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.domain.specs import BoardSpec
    from npubench.engine.session import SessionStage
    from npubench.reporting.page.page import PageContext
    from npubench.storage.ledger import Export
    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace


LANGUAGE_VARIABLE = "NPUBENCH_LANG"
lang_option = click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    default="en",
    envvar=LANGUAGE_VARIABLE,
    help="Language of the page, the verdict and this help: zh or en.",
)


class SpokenCommand(click.Command):
    """Says its usage, text and options in the language that the words of its command line name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does it."""
        # The help is printed while options are parsed, whichever of --lang and --help stands first.
        with use_language(asked_language(args)):
            return super().make_context(info_name, args, parent, **extra)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The words after the command's name are few: they are translated as one."""
        pieces = " ".join(translate(piece) for piece in self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, f"{translate('Usage')}: ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The first paragraph of the docstring."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(translate(" ".join((self.help or "").split())))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Every option with its line."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        rows = [(_declared(one), translate(one.help or "")) for one in options]
        with formatter.section(translate("Options")):
            formatter.write_dl(rows)


def _declared(option: click.Option) -> str:
    names = ", ".join(option.opts)
    return names if option.is_flag else f"{names} {option.make_metavar(click.Context(click.Command('')))}"


def asked_language(args: Sequence[str]) -> str:
    """What `--lang` of a command line says, else the variable, else English."""
    found = os.environ.get(LANGUAGE_VARIABLE, "en")
    for at, word in enumerate(args):
        if word == "--lang" and at + 1 < len(args):
            found = args[at + 1]
        elif word.startswith("--lang="):
            found = word.removeprefix("--lang=")
    return found if found in LANGUAGES else "en"


FORMATS = ("html", "pdf")
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="html",
    show_default=False,
    help="pdf is printed by Chromium.  [default: html]",
)


@click.command()
@shared_options("out")
@click.option("-o", "--output", type=PATH, help="File or folder [OUT/report.html].")
@click.option(
    "--exports",
    multiple=True,
    type=FOLDER,
    help="The --out of an `npubench export`, for the coverage section. Repeatable.",
)
@format_option
@lang_option
@click.option("--serve", is_flag=True, help="Serve a live page on loopback, read-only, until interrupted.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Of --serve [a free one].")
def report(
    out: Path,
    output: Path | None,
    exports: tuple[Path, ...],
    form: str,
    lang: str,
    serve: bool,
    port: int | None,
) -> None:
    """Write the report of the results at OUT and say where it is."""
    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace

    workspace = Workspace(out)
    if serve:
        if output is not None or form != "html":
            raise click.UsageError("--serve writes nothing: leave out --output and --format")
        _serve(workspace, exports, lang, port or 0)
        return
    with Store.read(workspace.database) as store:
        click.echo(f"report: {write_report(workspace, store, output, exports, form, lang)}")


def write_report(
    workspace: "Workspace",
    store: "Store",
    output: Path | None = None,
    exports: Sequence[Path] = (),
    form: str = "html",
    language: str = "en",
) -> Path:
    """Render the newest row of every case; the page's path. An unchanged page is left alone."""
    from npubench import __version__
    from npubench.storage.files import data_root
    from npubench.storage.hashing import digest

    target = (output or workspace.root / f"report.{form}").absolute()
    # The folder's name stands on the page, and may be anything.
    folder = digest(workspace.root.name)[:16]
    made_by = f"npubench {__version__} {drawn_by(data_root() / 'reports')}"
    mark = f"<!-- {made_by} {language} revision {store.revision()} of {folder} -->"
    if output is None and form == "html" and not exports and _ends_with(target, mark):
        return target
    text = page_text(workspace, store, exports, language)
    return deliver(f"{text}\n{mark}\n", form, target)


def drawn_by(folder: Path) -> str:
    """A digest of templates, styles, scripts and words: a checkout may have others at the same version."""
    from npubench.storage.hashing import digest, sha256_of_file

    files = [one for place in (folder, folder / "styles") for one in place.iterdir() if one.is_file()]
    return digest({str(one.relative_to(folder)): sha256_of_file(one) for one in files})[:16]


def page_stage() -> "SessionStage":
    """The last stage of a command that writes rows: where the page of them is."""
    from npubench.engine.session import SessionStage

    return SessionStage(lambda session: write_report(session.workspace, session.store), gives=Path)


def _ends_with(page: Path, mark: str) -> bool:
    """Whether the page shows these very rows already; saves rendering on an unchanged run."""
    try:
        with page.open("rb") as stream:
            stream.seek(max(0, page.stat().st_size - 200))
            return mark in stream.read().decode("utf-8", "replace")
    except OSError:
        return False


def _serve(workspace: "Workspace", exports: Sequence[Path], language: str, port: int) -> None:
    from npubench.domain.errors import UsageError
    from npubench.reporting.page.serve import PageServer
    from npubench.storage.store import Store

    def revision() -> int:
        with Store.read(workspace.database) as store:
            return store.revision()

    def render(now: int) -> str:
        with Store.read(workspace.database) as store:
            return page_text(workspace, store, exports, language, live=now)

    revision()
    try:
        server = PageServer(port, revision, render)
    except OSError as error:
        raise UsageError(f"cannot serve on port {port}: {error.strerror}: choose another --port") from error
    click.echo(f"serving {server.address} (read-only, this machine alone); interrupt to end")
    with server, suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)


def page_text(
    workspace: "Workspace",
    store: "Store",
    exports: Sequence[Path] = (),
    language: str = "en",
    live: int | None = None,
) -> str:
    """The page of the newest row of every case."""
    from dataclasses import replace

    from npubench.cli.atlas import read_atlas
    from npubench.reporting.data.provenance import BRIEF_FROM
    from npubench.reporting.page.page import render
    from npubench.storage.store import without_collection

    with without_collection():
        rows = store.latest(brief=store.size() >= BRIEF_FROM)
        context = page_context("npubench report", workspace.root, rows, known_boards())
        attempts, earlier = _exports_of(workspace.root, exports), store.earlier()
        told = replace(context, exports=attempts, language=language, live=live, earlier=earlier)
        told = replace(told, figures=lambda: read_atlas(()).figures)
        return render(rows, told)


def page_context(
    title: str, root: Path, rows: "Sequence[Result]", boards: "Sequence[BoardSpec]"
) -> "PageContext":
    """What every page says of itself, with the runs' times of the case that it shows a distribution of."""
    from datetime import UTC, datetime

    from npubench import __version__
    from npubench.reporting.charts.distribution import samples_of, widest
    from npubench.reporting.page.failures import log_tails
    from npubench.reporting.page.page import PageContext

    shown = widest(rows)
    times = samples_of(root, shown) if shown else None
    return PageContext(
        title=title,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(sys.argv[1:]),
        version=__version__,
        workspace=root.absolute().name,
        boards=boards,
        samples={shown.key: times} if shown and times else {},
        log_tails=log_tails(root, rows),
        out=_named(root),
    )


def _named(root: Path) -> str:
    """The folder of results as a command names it from here; empty: the one that commands take."""
    from npubench.engine.plan import DEFAULT_OUT

    place = root.absolute()
    shown = place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place
    return "" if shown == DEFAULT_OUT else str(shown)


def known_boards() -> "list[BoardSpec]":
    """Shipped boards and the user's; a broken file is told by the commands that run."""
    from npubench.catalog import load, user_folders

    return list(load(user_folders(()), ("boards",)).boards.values())


def _exports_of(root: Path, others: Sequence[Path]) -> "dict[str, Export]":
    """Attempts noted by runs and by exports into this folder, and those of `others`. Raises UsageError."""
    from npubench.domain.errors import UsageError
    from npubench.domain.text import path_meant
    from npubench.storage.ledger import read_exports

    found: dict[str, Export] = {}
    for folder in others:
        attempts = read_exports(folder / ".npubench") or read_exports(folder)
        if not attempts:
            hint = "" if folder.exists() else path_meant(folder)
            raise UsageError(f"{folder} has no exports{hint}: run `npubench export --out {folder} ...` first")
        found |= attempts
    return found | read_exports(root)


def deliver(html: str, form: str, target: Path) -> Path:
    """Write the page in that form; where it is. Raises ToolchainError, WorkspaceError."""
    from npubench.reporting.page.pdf import to_pdf
    from npubench.storage.files import write_atomically
    from npubench.storage.workspace import writing

    with writing(target.parent):
        if form == "pdf":
            to_pdf(html, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, html)
    return target
