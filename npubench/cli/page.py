"""A result folder's page: its text, and how it is delivered."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.domain.specs import BoardSpec
    from npubench.reporting.charts.distribution import Samples
    from npubench.reporting.page.page import PageContext
    from npubench.storage.ledger import Export
    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace

FORMATS = ("html", "pdf")
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="html",
    help="pdf is printed by Chromium.  [default: html]",
)


def page_text(
    workspace: "Workspace",
    store: "Store",
    exports: Sequence[Path] = (),
    language: str = "en",
    live: int | None = None,
) -> str:
    """The page of the newest row of every case."""
    from dataclasses import replace

    from npubench.reporting.data.provenance import BRIEF_FROM
    from npubench.reporting.page.page import render
    from npubench.storage.store import without_collection

    with without_collection():
        rows = store.latest(brief=store.size() >= BRIEF_FROM)
        context = page_context("npubench report", workspace.root, rows, known_boards())
        earlier = store.earlier()
        attempts = _exports_of(workspace.root, exports)
        context = replace(context, exports=attempts, language=language, live=live, earlier=earlier)
        return render(rows, context)


def page_context(
    title: str, root: Path, rows: "Sequence[Result]", boards: "Sequence[BoardSpec]"
) -> "PageContext":
    """What every page says of itself, with the runs' times of the case that it shows a distribution of."""
    from datetime import UTC, datetime

    from npubench import __version__
    from npubench.reporting.page.page import PageContext

    return PageContext(
        title=title,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(sys.argv[1:]),
        version=__version__,
        workspace=root.absolute().name,
        boards=boards,
        samples=_samples(root, rows),
    )


def known_boards() -> "list[BoardSpec]":
    """Shipped boards and the user's; a broken file is told by the commands that run."""
    from npubench.catalog import load_boards, user_folders

    return list(load_boards(user_folders(())).values())


def _samples(root: Path, rows: "Sequence[Result]") -> "Samples":
    from npubench.reporting.charts.distribution import samples_of, widest

    shown = widest(rows)
    times = samples_of(root, shown) if shown else None
    return {shown.key: times} if shown and times else {}


def _exports_of(root: Path, others: Sequence[Path]) -> "dict[str, Export]":
    """Attempts noted by runs and by exports into this folder, and those of `others`. Raises UsageError."""
    from npubench.domain.errors import UsageError
    from npubench.domain.nearest import path_meant
    from npubench.storage.ledger import read_exports

    found: dict[str, Export] = {}
    for folder in others:
        attempts = read_exports(folder / ".npubench") or read_exports(folder)
        if not attempts:
            hint = "" if folder.exists() else path_meant(folder)
            raise UsageError(f"{folder} has no exports{hint}: run `npubench export --out {folder} ...` first")
        found |= attempts
    return found | read_exports(root / ".npubench") | read_exports(root)


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
