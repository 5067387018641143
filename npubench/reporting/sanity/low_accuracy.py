"""Rows whose outputs lie too far from FP32's: as a whole, in one slice, or as one number throughout."""

from collections.abc import Iterator, Sequence

from npubench.domain.records import Figures, Result, Status
from npubench.reporting.data.formatting import closeness
from npubench.reporting.data.lacking import (
    LEAST_COSINE,
    LEAST_SLICE,
    WRONG,
    lacking,
    lowest_of,
    slice_text,
)
from npubench.reporting.data.recorded import recorded
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength


def low_accuracy(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a row, of each kind of figures that shows it."""
    for row in results:
        if row.status is not Status.OK:
            continue
        for figures in (row.figures, row.estimate):
            if figures is None:
                continue
            found = lowest_of(figures)
            if found is not None and found.low:
                yield _doubt(row, figures)


def _doubt(row: Result, figures: Figures) -> Doubt:
    reason, why = lacking(row, figures)
    wrong = reason in WRONG
    return Doubt(
        DoubtClass.LOW_ACCURACY,
        Strength.STRONG,
        row.board,
        row.backend,
        row.precision.value,
        (row.case,),
        say("outputs hold one number where FP32's differ: the results are wrong, whatever the time is")
        if wrong
        else say("outputs are far from FP32's: fast, and perhaps of no use"),
        (*((recorded(why),) if wrong and why else ()), *_evidence(figures)),
    )


def _evidence(figures: Figures) -> Iterator[str]:
    accuracy = figures.accuracy
    if accuracy is None:
        return
    kind = say(figures.kind.value)
    if accuracy.cosine is not None:
        yield say(
            "cosine {cosine} ({kind}, {count} inputs); below {limit} is a loss",
            cosine=closeness(accuracy.cosine), kind=kind, count=accuracy.samples, limit=LEAST_COSINE,
        )  # fmt: skip
    if text := slice_text(accuracy):
        yield say("worst slice: {slice}; below {limit} is a loss", slice=text, limit=LEAST_SLICE)
    if accuracy.dead_slices:
        yield say("{count} slices vary in FP32 and are constant here", count=accuracy.dead_slices)
