"""Any graph on a chip of the atlas: by its features, and that chip's own figures of other networks."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from npubench.domain.errors import UsageError
from npubench.graph.features import GraphFeatures
from npubench.predict.answer import Answer, LackingOperator, Refusal, RefusalKind
from npubench.predict.completion import Completion
from npubench.predict.from_tables import published_boards
from npubench.predict.samples import Column, Sample, Subject, precision_of
from npubench.published.chips import chip_of
from npubench.published.networks import Confidence, Join

REACH = 4.0
"""Factor beyond the MACs of the networks measured on a chip up to which its figures say something."""

LEAST = 6
"""Figures that a chip's mode needs before a stranger's graph is answered there."""


@dataclass(frozen=True, slots=True)
class OnChip:
    """An answer for a graph in one mode and precision of a chip, as one publisher measures it."""

    sample: Sample
    answer: Answer


def ask_chip(
    known: Completion, name: str, features: GraphFeatures, precisions: Sequence[str] = ()
) -> tuple[OnChip, ...]:
    """An answer for each mode and precision of a chip that has figures, the best known ones first.

    Raises UsageError for a chip that no table names, and for one without a figure of that precision.
    """
    chip = chip_of(name).name
    wanted = {precision_of(one) for one in precisions}
    columns = Counter(one.column for one in known.samples if one.column.chip == chip)
    chosen: dict[tuple[str, str], Column] = {}
    for column, _ in columns.most_common():
        if not wanted or column.precision in wanted:
            chosen.setdefault((column.mode, column.precision), column)
    if not chosen:
        have = ", ".join(sorted({one.precision for one in columns})) or "none at all"
        boards = [board for board, one in published_boards().items() if one.source.chip == chip]
        hint = (
            f"ask its board: npubench predict --board {boards[0]}" if boards else "name another --precision"
        )
        raise UsageError(f"chip {chip} has no figure of that kind in the atlas (there are {have}): {hint}")
    well_known = {key: column for key, column in chosen.items() if columns[column] >= LEAST}
    chosen = well_known or chosen
    examples = {one.column: one for one in known.samples}
    asked = [_asked(examples[column], features) for column in chosen.values()]
    answers: list[Answer] = list(known.answers(asked))
    for place, one in enumerate(asked):
        here = [sample for sample in known.samples if sample.column == one.column]
        first = _uncounted(features) or _at_fault(answers[place])
        answers[place] = first or _too_far(features, here) or answers[place]
    return tuple(OnChip(one, answer) for one, answer in zip(asked, answers, strict=True))


def _asked(example: Sample, features: GraphFeatures) -> Sample:
    """The question that is like a row of the same column."""
    size = "x".join(map(str, features.shape))
    row = replace(example.row, model=features.name, input=size, value=None, note="", line=0)
    nothing = Join(None, Confidence.NONE, "a graph of the user's")
    height, width = features.shape[2:] if len(features.shape) == 4 else (0, 0)
    # The name of a file says nothing of what is in it: neither a network of the atlas nor a family.
    name = f"graph of {features.name}"
    subject = Subject(f"{name}|||", name, "", "", True, height, width, features)
    return Sample(row, example.column, subject, nothing, math.nan)


def _uncounted(features: GraphFeatures) -> Refusal | None:
    """That there are operators whose work nobody can tell, each of them named."""
    if not features.uncounted:
        return None
    nodes = sum(features.operators.values())
    lacking = tuple(LackingOperator(name, count / nodes) for name, count in features.uncounted.items())
    named = ", ".join(one.operator for one in lacking)
    return Refusal(RefusalKind.OPERATORS, f"what {named} costs cannot be counted in this graph", lacking)


def _at_fault(answer: Answer) -> Refusal | None:
    """A refusal for operators, which stands before one for the graph's size: it names what to replace."""
    return answer if isinstance(answer, Refusal) and answer.lacking else None


def _too_far(features: GraphFeatures, here: Sequence[Sample]) -> Refusal | None:
    """Why figures of a column say nothing of a graph: too few, or of networks of quite another size."""
    macs = [one.subject.features.macs for one in here if one.subject.features and one.subject.features.macs]
    if len(macs) < LEAST:
        words = f"only {len(macs)} figures with a graph were published there, {LEAST} are needed"
        return Refusal(RefusalKind.MODE, words)
    if not min(macs) / REACH <= features.macs <= max(macs) * REACH:
        told = (
            f"{features.macs / 1e9:.3g} GMACs; measured were {min(macs) / 1e9:.3g} to {max(macs) / 1e9:.3g}"
        )
        return Refusal(RefusalKind.SIZE, f"the graph is of another size than any that was measured: {told}")
    return None
