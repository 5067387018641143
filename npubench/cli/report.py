"""`npubench report`: the page of a result folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import out_option
from npubench.cli.page import deliver, format_option, page_text
from npubench.cli.spoken import lang_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace


@click.command()
@out_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File or folder [OUT/report.html].")
@click.option(
    "--exports",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The --out of an `npubench export`, for the coverage section. Repeatable.",
)
@format_option
@lang_option
@click.option("--serve", is_flag=True, help="Serve a live page on loopback, read-only, until interrupted.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of --serve.  [default: a free one]")
def report(
    out: Path, output: Path | None, exports: tuple[Path, ...], form: str, lang: str, serve: bool, port: int
) -> int:
    """Write the report of the results at OUT and say where it is."""
    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace

    workspace = Workspace(out)
    if serve:
        if output is not None or form != "html":
            raise click.UsageError("--serve writes nothing: leave out --output and --format")
        return _serve(workspace, exports, lang, port)
    store = Store.read(workspace.database)
    click.echo(f"report: {write_report(workspace, store, output, exports, form, lang)}")
    return 0


def write_report(
    workspace: "Workspace",
    store: "Store",
    output: Path | None = None,
    exports: "Sequence[Path]" = (),
    form: str = "html",
    language: str = "en",
) -> Path:
    """Render the newest row of every case; the page's path. An unchanged page is left alone."""
    from npubench import __version__

    target = (output or workspace.root / f"report.{form}").absolute()
    mark = f"<!-- npubench {__version__} {language} revision {store.revision()} -->"
    if output is None and form == "html" and not exports and _ends_with(target, mark):
        return target
    text = page_text(workspace, store, exports, language)
    return deliver(f"{text}\n{mark}\n", form, target)


def _ends_with(page: Path, mark: str) -> bool:
    """Whether the page shows these very rows already; saves rendering on an unchanged run."""
    try:
        with page.open("rb") as stream:
            stream.seek(max(0, page.stat().st_size - 200))
            return mark in stream.read().decode("utf-8", "replace")
    except OSError:
        return False


def _serve(workspace: "Workspace", exports: "Sequence[Path]", language: str, port: int) -> int:
    from npubench.domain.errors import UsageError
    from npubench.reporting.page.serve import PageServer
    from npubench.storage.store import Store

    def revision() -> int:
        store = Store.read(workspace.database)
        try:
            return store.revision()
        finally:
            store.close()

    def render(now: int) -> str:
        store = Store.read(workspace.database)
        try:
            return page_text(workspace, store, exports, language, live=now)
        finally:
            store.close()

    revision()
    try:
        server = PageServer(port, revision, render)
    except OSError as error:
        raise UsageError(f"cannot serve on port {port}: {error.strerror}: choose another --port") from error
    click.echo(f"serving {server.address} (read-only, this machine alone); interrupt to end")
    with server:
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return 0
    return 0
