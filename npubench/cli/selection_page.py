"""The page of a selection: the verdict first, then the report of the rows that it was made of."""

import sys
from collections.abc import Sequence
from pathlib import Path

from npubench.records import Result
from npubench.reporting.selection.decide import Decision


def write_page(
    decision: Decision, rows: Sequence[Result], out: Path, output: Path | None, language: str
) -> Path:
    """Render and write; the page's path. Raises WorkspaceError."""
    from datetime import UTC, datetime

    from npubench import __version__
    from npubench.filesystem import write_atomically
    from npubench.reporting.page import PageContext, render
    from npubench.workspace import writing

    page = (output or out / "selection.html").absolute()
    context = PageContext(
        title=decision.asked.title,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join(sys.argv[1:]),
        version=__version__,
        workspace=out.absolute().name,
        language=language,
        decision=decision,
    )
    with writing(page.parent):
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, render(rows, context))
    return page
