"""`npubench history`: figures over runs as a live page on loopback."""

from contextlib import suppress
from pathlib import Path

import click

from npubench.cli.options import FILE, shared_options
from npubench.cli.report import lang_option


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=False, help="[a free one]")
@click.option("-o", "--output", type=FILE, help="Write the page there instead of serving it.")
@lang_option
@shared_options("out")
def history(port: int, output: Path | None, lang: str, out: Path) -> int:
    """Serve each case's figure over all runs: bands, changes of the level, versions, what is new or fixed.

    The page is read-only, of this machine alone, and asks for new rows by itself until it is interrupted.
    """
    from npubench.domain.errors import UsageError
    from npubench.reporting.page.serve import PageServer
    from npubench.storage.files import write_atomically
    from npubench.storage.store import Store
    from npubench.storage.workspace import writing

    database = out / "results.db"

    def revision() -> int:
        with Store.read(database) as store:
            return store.revision()

    def row(number: int) -> str | None:
        with Store.read(database) as store:
            return store.row_text(number)

    if output is not None:
        with writing(output.absolute().parent):
            output.absolute().parent.mkdir(parents=True, exist_ok=True)
            write_atomically(output.absolute(), page_text(database, lang, None))
        click.echo(f"history: {output.absolute()}")
        return 0
    revision()
    try:
        server = PageServer(port, revision, lambda now: page_text(database, lang, now), row)
    except OSError as error:
        raise UsageError(f"cannot serve on port {port}: {error.strerror}: choose another --port") from error
    click.echo(f"serving {server.address} (read-only, this machine alone); interrupt to end")
    with server, suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)
    return 0


def page_text(database: Path, language: str, live: int | None) -> str:
    """The page of all rows there."""
    from npubench.reporting.history.page import render_history
    from npubench.reporting.history.series import history_of
    from npubench.storage.store import Store

    with Store.read(database) as store:
        points, names = store.points()
    return render_history(history_of(points, names), database.absolute().parent.name, language, live)
