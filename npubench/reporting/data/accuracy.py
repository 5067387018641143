"""Why a row has no cosine, and which accuracy is low: words that are never one dash for several reasons."""

from collections.abc import Iterable
from dataclasses import dataclass

from npubench.domain.figures import Accuracy, Figures, Kind, NoAccuracy
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Result, Status
from npubench.domain.specs import Precision, titled
from npubench.reporting.data.formatting import closeness
from npubench.reporting.data.translate import recorded, translate

LEAST_COSINE = 0.98
"""Pulsar's documentation calls a cosine below it a loss of accuracy."""
LEAST_SLICE = 0.9
"""A slice is a part of an output, and parts differ more than the whole does."""

WORDS = {
    NoAccuracy.IS_REFERENCE: "FP32",
    NoAccuracy.NOT_COMPARED: "not compared",
    NoAccuracy.ALL_ZEROS: "all zeros",
    NoAccuracy.CONSTANT: "constant",
    NoAccuracy.NO_OUTPUTS: "no outputs",
}
WRONG = frozenset({NoAccuracy.ALL_ZEROS, NoAccuracy.CONSTANT})
"""Outputs that hold one number where FP32's differ: worse than any cosine."""


def word_of(reason: NoAccuracy) -> str:
    """The word of a table's cell."""
    return translate(WORDS[reason])


def why_none(reason: NoAccuracy, why: Note | str) -> str:
    """The word, and the sentence where there is one."""
    return f"{word_of(reason)}: {recorded(why)}" if why else word_of(reason)


def no_accuracy_of(result: Result, figures: Figures) -> tuple[NoAccuracy | None, Note | str]:
    """Why these figures of a row have no cosine, and the sentence; None where they have, or need none.

    Rows of earlier versions say nothing of it: what can be told from their figures is. Of a row that was
    not measured only what its figures say themselves counts: a simulation may have been compared.
    """
    if result.precision is Precision.NONE:
        return None, ""
    found = figures.accuracy
    known = found is not None and (found.cosine is not None or found.equal is not None)
    if figures.no_accuracy is not None and (not known or figures.no_accuracy in WRONG):
        return figures.no_accuracy, figures.no_accuracy_why
    if result.status is not Status.OK:
        return None, ""
    if found is not None:
        if known:
            return None, ""
        if found.psnr_db is not None:
            return NoAccuracy.ALL_ZEROS, Note(NoteCode.SOME_ALL_ZEROS)
        return NoAccuracy.NOT_COMPARED, Note(NoteCode.ONLY_DIFFERENCE)
    if figures.kind is Kind.PUBLISHED:
        return NoAccuracy.NOT_COMPARED, Note(NoteCode.NOT_PUBLISHED)
    if result.precision is Precision.FP32 and result.backend == "onnxruntime":
        return NoAccuracy.IS_REFERENCE, Note(NoteCode.IS_REFERENCE)
    return NoAccuracy.NOT_COMPARED, Note(NoteCode.NOT_SAID)


SHOWN = 3
"""Rows that a run's last line names."""


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest thing that is known of a row's accuracy: a cosine (0 of wrong outputs), and its words."""

    value: float
    text: str
    low: bool


def lowest_of(figures: Figures) -> Lowest | None:
    """What counts of a row: its cosine, that of its worst slice where it is low, wrong outputs as 0."""
    if figures.no_accuracy in WRONG:
        return Lowest(0.0, word_of(NoAccuracy(figures.no_accuracy)), True)
    found = figures.accuracy
    if found is None:
        return None
    if found.cosine is None:
        zeros = found.equal is None and found.psnr_db is not None
        return Lowest(0.0, word_of(NoAccuracy.ALL_ZEROS), True) if zeros else None
    worst = found.worst_slice
    if worst is not None and worst.cosine < LEAST_SLICE and worst.cosine < found.cosine:
        return Lowest(worst.cosine, translate("worst slice {cosine}", cosine=closeness(worst.cosine)), True)
    return Lowest(found.cosine, closeness(found.cosine), found.cosine < LEAST_COSINE)


def low_rows(results: Iterable[Result]) -> str:
    """The rows of low accuracy in a few words, the lowest first; empty where there are none."""
    found = sorted(
        (lowest.value, f"{titled(row.case, row.precision)} on {row.board} {_of(lowest)}")
        for row in results
        if row.status is Status.OK
        for figures in row.all_figures
        if (lowest := lowest_of(figures)) is not None and lowest.low
    )
    told = [text for _, text in found[:SHOWN]]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return f"low accuracy: {', '.join([*told, *more])}" if told else ""


def _of(lowest: Lowest) -> str:
    return lowest.text if lowest.text[:1].isalpha() else f"cosine {lowest.text}"


def slice_text(accuracy: Accuracy) -> str:
    """Which slice is the worst, in words; empty where none is known."""
    worst = accuracy.worst_slice
    if worst is None:
        return ""
    return translate(
        "{output}, entry {index} of axis {axis}: cosine {cosine}",
        output=worst.output, index=worst.index, axis=worst.axis, cosine=closeness(worst.cosine),
    )  # fmt: skip
