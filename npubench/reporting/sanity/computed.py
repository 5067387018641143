"""Rows whose figures are not those of the precision that they name, or of kernels that compute wrong."""

from collections.abc import Iterator, Sequence

from npubench.domain.records import Figures, Result
from npubench.domain.specs import Precision
from npubench.reporting.data.formatting import closeness
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength

MOST_IN_FLOAT = 0.5
"""Share of the MACs above which a row is more of FP32 than of its precision."""

FARTHEST_APART = 0.005
"""Cosines of one file by fused kernels and without optimisation; correct ones differ by rounding alone."""


def float_macs(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a row of another precision than FP32 that was mostly computed in float."""
    for row in results:
        for figures in _figures(row) if row.precision not in (Precision.FP32, Precision.NONE) else ():
            computed = figures.computed
            if computed is None or computed.macs is None or computed.macs.floating <= MOST_IN_FLOAT:
                continue
            yield _doubt(
                row,
                DoubtClass.FLOAT_MACS,
                say("computed in float for the most part: neither time nor accuracy are of this precision"),
                say("{share:.1%} of the MACs were computed in float", share=computed.macs.floating),
            )
            break


def kernels_differ(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a row whose fused kernels give something else than the file without optimisation."""
    for row in results:
        for figures in _figures(row):
            kernels = figures.accuracy.kernels if figures.accuracy else None
            if kernels is None or kernels.fused_cosine is None or kernels.unoptimised_cosine is None:
                continue
            fused, plain = kernels.fused_cosine, kernels.unoptimised_cosine
            if abs(fused - plain) <= FARTHEST_APART:
                continue
            yield _doubt(
                row,
                DoubtClass.KERNELS_DIFFER,
                say(
                    "fused kernels compute something else here than the file says: most likely they saturate"
                ),
                say(
                    "cosine {fused} by fused kernels, {plain} without optimisation",
                    fused=closeness(fused),
                    plain=closeness(plain),
                ),
            )


def _figures(row: Result) -> tuple[Figures, ...]:
    return tuple(figures for figures in (row.figures, row.estimate) if figures is not None)


def _doubt(row: Result, doubt_class: DoubtClass, reason: str, evidence: str) -> Doubt:
    return Doubt(
        *(doubt_class, Strength.STRONG, row.board, row.backend, row.precision.value),
        *((row.case,), reason, (evidence,)),
    )
