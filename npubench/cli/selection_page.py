"""The page of a selection: the verdict first, then the report of the rows that it was made of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from npubench.cli.page import deliver, page_context
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec
from npubench.reporting.select.decide import Decision


def write_page(
    decision: Decision,
    rows: Sequence[Result],
    boards: Sequence[BoardSpec],
    out: Path,
    output: Path | None,
    form: str,
    language: str,
) -> Path:
    """Render and write; where it is. Raises WorkspaceError, ToolchainError."""
    from npubench.reporting.page.page import render

    context = page_context(decision.asked.title, out, rows, boards)
    target = (output or out / f"selection.{form}").absolute()
    return deliver(render(rows, replace(context, language=language, decision=decision)), form, target)
