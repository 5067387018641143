"""`npubench report`: the page of a result folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import out_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from npubench.exports import Export
    from npubench.store import Store
    from npubench.workspace import Workspace


@click.command()
@out_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Page [OUT/report.html]."
)
@click.option(
    "--exports",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The --out of an `npubench export`, for the coverage section. Repeatable.",
)
def report(out: Path, output: Path | None, exports: tuple[Path, ...]) -> int:
    """Write the HTML report of the results at OUT and say where it is."""
    from npubench.store import Store
    from npubench.workspace import Workspace

    workspace = Workspace(out)
    store = Store.read(workspace.database)
    click.echo(f"report: {write_report(workspace, store, output, exports)}")
    return 0


def write_report(
    workspace: "Workspace", store: "Store", output: Path | None = None, exports: "Sequence[Path]" = ()
) -> Path:
    """Render the newest row of every case; the page's path. An unchanged page is left alone."""
    from datetime import UTC, datetime

    from npubench import __version__
    from npubench.filesystem import write_atomically
    from npubench.reporting.page import PageContext, render
    from npubench.workspace import writing

    page = (output or workspace.root / "report.html").absolute()
    mark = f"<!-- npubench {__version__} revision {store.revision()} -->"
    if output is None and not exports and _ends_with(page, mark):
        return page
    context = PageContext(
        title="npubench report",
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(sys.argv[1:]),
        version=__version__,
        workspace=workspace.root.name,
        exports=_exports_of(workspace.root, exports),
    )
    text = render(store.latest(), context)
    with writing(page.parent):
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, f"{text}\n{mark}\n")
    return page


def _exports_of(root: Path, others: "Sequence[Path]") -> "dict[str, Export]":
    """Attempts noted by runs and by exports into this folder, and those of `others`. Raises UsageError."""
    from npubench.errors import UsageError
    from npubench.exports import read

    found: dict[str, Export] = {}
    for folder in others:
        attempts = read(folder / ".npubench") or read(folder)
        if not attempts:
            raise UsageError(f"{folder} has no exports: run `npubench export --out {folder} ...` first")
        found |= attempts
    return found | read(root / ".npubench") | read(root)


def _ends_with(page: Path, mark: str) -> bool:
    """Whether the page shows these very rows already; saves rendering on an unchanged run."""
    try:
        with page.open("rb") as stream:
            stream.seek(max(0, page.stat().st_size - 200))
            return mark in stream.read().decode("utf-8", "replace")
    except OSError:
        return False
