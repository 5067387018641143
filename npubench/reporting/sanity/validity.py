"""Rows that are not what they are filed under.

Their outputs are far from FP32's, their figures of another precision, of kernels that compute wrong or of an
earlier definition; or they worked and have no time of a board.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from npubench.domain.definitions import Definition, earlier
from npubench.domain.records import Figures, Kind, Result, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.data.accuracy import (
    LEAST_COSINE,
    LEAST_SLICE,
    WRONG,
    lowest_of,
    no_accuracy_of,
    slice_text,
)
from npubench.reporting.data.formatting import closeness
from npubench.reporting.data.translate import recorded, say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of

MOST_IN_FLOAT = 0.5
"""Share of the MACs above which a row is more of FP32 than of its precision."""

FARTHEST_APART = 0.005
"""Cosines of one file by fused kernels and without optimisation; correct ones differ by rounding alone."""


def low_accuracy(row: Result) -> Iterator[Doubt]:
    """One doubt of each kind of figures that shows it."""
    for figures in row.all_figures if row.status is Status.OK else ():
        found = lowest_of(figures)
        if found is None or not found.low:
            continue
        reason, why = no_accuracy_of(row, figures)
        wrong = reason in WRONG
        yield doubt_of(
            row,
            DoubtClass.LOW_ACCURACY,
            Strength.STRONG,
            say("outputs hold one number where FP32's differ: the results are wrong, whatever the time is")
            if wrong
            else say("outputs are far from FP32's: fast, and perhaps of no use"),
            *((recorded(why),) if wrong and why else ()),
            *_accuracy_evidence(figures),
        )


def _accuracy_evidence(figures: Figures) -> Iterator[str]:
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


def float_macs(row: Result) -> Iterator[Doubt]:
    """A row of another precision than FP32 that was mostly computed in float."""
    for figures in row.all_figures if row.precision not in (Precision.FP32, Precision.NONE) else ():
        macs = figures.computed.macs if figures.computed else None
        if macs is not None and macs.floating > MOST_IN_FLOAT:
            yield doubt_of(
                row,
                DoubtClass.FLOAT_MACS,
                Strength.STRONG,
                say("computed in float for the most part: neither time nor accuracy are of this precision"),
                say("{share:.1%} of the MACs were computed in float", share=macs.floating),
            )
            return


def kernels_differ(row: Result) -> Iterator[Doubt]:
    """A row whose fused kernels give something else than the file without optimisation."""
    for figures in row.all_figures:
        kernels = figures.accuracy.kernels if figures.accuracy else None
        if kernels is None or kernels.fused_cosine is None or kernels.unoptimised_cosine is None:
            continue
        fused, plain = kernels.fused_cosine, kernels.unoptimised_cosine
        if abs(fused - plain) > FARTHEST_APART:
            yield doubt_of(
                row,
                DoubtClass.KERNELS_DIFFER,
                Strength.STRONG,
                say(
                    "fused kernels compute something else here than the file says: most likely they saturate"
                ),
                say(
                    "cosine {fused} by fused kernels, {plain} without optimisation",
                    fused=closeness(fused),
                    plain=closeness(plain),
                ),
            )


def earlier_definitions(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a board, backend, precision and what changed, with all cases that it is of."""
    groups: defaultdict[tuple[str, str, str, tuple[Definition, ...]], list[str]] = defaultdict(list)
    for row in results:
        if changed := earlier(row):
            groups[row.board, row.backend, row.precision.value, changed].append(row.case)
    for (board, backend, precision, changed), cases in groups.items():
        yield Doubt(
            DoubtClass.EARLIER_DEFINITION,
            Strength.WEAK,
            *(board, backend, precision, tuple(dict.fromkeys(cases))),
            say("old: of an earlier definition, to be measured again before it stands beside new rows"),
            tuple(_what_changed(one) for one in changed),
        )


def _what_changed(definition: Definition) -> str:
    if definition is Definition.THROUGHPUT:
        return say("fps counts samples by the earlier rule; latencies are as they were")
    return say("quantised alike for every processor: times and accuracy of INT8 are others today")


def missing_board_times(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a board, backend and kind of case, with all cases that lack what others there have."""
    groups: defaultdict[tuple[str, str, CaseKind], list[Result]] = defaultdict(list)
    for row in results:
        if row.status is Status.OK and row.case_kind in (CaseKind.MODEL, CaseKind.OPERATOR):
            groups[row.board, row.backend, row.case_kind].append(row)
    for (board, backend, case_kind), rows in groups.items():
        untimed = [row for row in rows if not _has_board_time(row)]
        if not untimed:
            continue
        some = len(untimed) < len(rows)
        yield Doubt(
            DoubtClass.NO_BOARD_TIME,
            Strength.strong_if(some),
            board,
            backend,
            ", ".join(sorted({row.precision.value for row in untimed})),
            tuple(dict.fromkeys(row.case for row in untimed)),
            say("built, but no time of a board: what runs in a simulation may not run, or not as fast")
            if some
            else say("nothing was timed on this board: there is a simulation only"),
            (
                say(
                    "{count} of {all} rows that worked have no board time ({kind})",
                    count=len(untimed),
                    all=len(rows),
                    kind=say(case_kind.value),
                ),
                say("of these {count} with a simulation", count=sum(map(_has_simulation, untimed))),
            ),
        )


def _has_board_time(row: Result) -> bool:
    figures = row.figures
    if figures is None or (figures.latency_us is None and figures.throughput_fps is None):
        return False
    return Kind.MEASURED in (figures.kind, figures.origin)


def _has_simulation(row: Result) -> bool:
    return any(Kind.SIMULATED in (figures.kind, figures.origin) for figures in row.all_figures)
