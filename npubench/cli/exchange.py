"""`npubench push`, `pull`, `merge`, `digest` and `bundle`: rows of a workspace and those of a team."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli import values
from npubench.cli.options import PATH, shared_options
from npubench.domain.errors import ExitCode
from npubench.domain.text import counted, printable

if TYPE_CHECKING:
    from npubench.storage.team.bundle import Bundled
    from npubench.storage.team.exchange import Exchanged
    from npubench.storage.team.question import Question

_STORE = click.argument("store", envvar="NPUBENCH_STORE")


def _which_rows(function: Callable[..., int]) -> Callable[..., int]:
    """Options that say which rows; gathered by `_asked`."""
    for option in (
        click.option("--limit", type=click.IntRange(1), help="The newest so many."),
        click.option("--newest", is_flag=True, help="The newest of a case, board and precision alone."),
        click.option(
            "--since", metavar="TIME", help="Started then or later: 2026-11-30, or with a time, UTC."
        ),
        click.option("--run", "run_id", help="Only this run's rows."),
        click.option("--board", help="Only this board's rows.", shell_complete=values.boards),
        click.option("--case", help="Only this case's rows."),
    ):
        function = option(function)
    return function


def _asked(words: dict[str, Any]) -> "Question":
    from npubench.storage.team.question import Question

    return Question(**{one.name: words[one.name] for one in fields(Question) if one.name in words})


@click.command()
@_STORE
@_which_rows
@shared_options("out")
def push(store: str, out: Path, **words: Any) -> int:
    """Add the rows at OUT to STORE: postgresql://USER@HOST/DATABASE, or a folder of results.

    What is there is left as it is, so a push that was cut off is done again. Passwords come from ~/.pgpass
    or PGPASSWORD, never from the address. STORE may stand in NPUBENCH_STORE.
    """
    return _exchange(str(out), store, words)


@click.command()
@_STORE
@_which_rows
@shared_options("out")
def pull(store: str, out: Path, **words: Any) -> int:
    """Add rows of STORE to those at OUT, in the order in which they were started.

    Logs and samples stay where they were made: `npubench bundle` carries them.
    """
    return _exchange(store, str(out), words)


@click.command()
@click.argument("source")
@click.argument("target")
@_which_rows
def merge(source: str, target: str, **words: Any) -> int:
    """Add the rows of SOURCE to TARGET, each a folder of results or postgresql://USER@HOST/DATABASE.

    Stores that took each other's rows, in any order, have the same digest.
    """
    return _exchange(source, target, words)


def _exchange(source: str, target: str, words: dict[str, Any]) -> int:
    from npubench.storage.team.exchange import exchange

    done = exchange(source, target, _asked(words))
    _say(done)
    return ExitCode.OK if done.found else ExitCode.NOTHING_MEASURED


def _say(done: "Exchanged") -> None:
    there = done.found - done.added
    click.echo(f"{counted(done.found, 'row')}: {done.added} added, {there} there already")
    click.echo(f"digest {done.digest}")


@click.command()
@click.argument("store")
def digest(store: str) -> int:
    """Print the SHA-256 of all rows of STORE, which does not depend on their order."""
    from npubench.storage.team.exchange import opened

    with opened(store, write=False) as read:
        click.echo(read.digest())
    return ExitCode.OK


@click.group(no_args_is_help=False)
def bundle() -> None:
    """Carry rows with their logs and samples in one file that shows any change to it."""


@bundle.command("make")
@click.argument("file", type=PATH)
@_which_rows
@shared_options("out")
def bundle_make(file: Path, out: Path, **words: Any) -> int:
    """Write rows at OUT, with their logs and samples, to FILE, and print its digest to pass on."""
    from npubench import __version__
    from npubench.storage.team.bundle import make
    from npubench.storage.workspace import Workspace

    _tell(make(Workspace(out), file, _asked(words), __version__))
    return ExitCode.OK


@bundle.command("check")
@click.argument("file", type=PATH)
@click.option("--digest", "digest_", default="", help="What its maker said of it, or the first characters.")
def bundle_check(file: Path, digest_: str) -> int:
    """Read all of FILE; exit 2 where a byte of it is not as it was made."""
    from npubench.storage.team.bundle import check

    _tell(check(file, digest_))
    return ExitCode.OK


@bundle.command("take")
@click.argument("file", type=PATH)
@shared_options("out")
def bundle_take(file: Path, out: Path) -> int:
    """Check FILE, then add its rows, logs and samples to those at OUT."""
    from npubench.storage.team.bundle import take
    from npubench.storage.workspace import Workspace

    click.echo(f"{counted(take(file, Workspace(out)), 'row')} added")
    return ExitCode.OK


def _tell(one: "Bundled") -> None:
    click.echo(f"{counted(one.rows, 'row')}, {counted(one.files, 'file')} of logs and samples")
    for name in one.missing:
        click.echo(f"not in it, since the folder had it no more or changed: {printable(name)}")
    click.echo(f"digest {one.digest}")
