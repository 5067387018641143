"""Model A: figures of a network of the atlas on a chip of the atlas, completed from all the others."""

from collections.abc import Sequence

from npubench.predict.answer import Answer, Refusal, RefusalKind
from npubench.predict.asked import AskedRow
from npubench.predict.samples import problem_of
from npubench.predict.validate import Validation, judged


def complete(rows: Sequence[AskedRow]) -> Validation:
    """An answer for each row, made without the row itself and without the other rows of its cell."""
    return judged(rows, [_answer(row) for row in rows], "", "")


def _answer(row: AskedRow) -> Answer:
    return problem_of(row) or Refusal(RefusalKind.CHIP, f"no figure of chip {row.chip!r} is known")
