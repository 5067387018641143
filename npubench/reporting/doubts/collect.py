"""All doubts of a result set, the strong ones first."""

from collections.abc import Sequence

from npubench.records import Result
from npubench.reporting.doubts.board_times import missing_board_times
from npubench.reporting.doubts.computed import float_macs, kernels_differ
from npubench.reporting.doubts.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.doubts.earlier import earlier_definitions
from npubench.reporting.doubts.identical import identical
from npubench.reporting.doubts.low_accuracy import low_accuracy
from npubench.reporting.doubts.macs import wrong_macs
from npubench.reporting.doubts.moved import moved
from npubench.reporting.doubts.spreads import wide_spreads


def doubts(results: Sequence[Result]) -> list[Doubt]:
    """Every doubt about these rows: the strong before the weak, then in the order of `DoubtClass`."""
    checks = (
        *(identical, low_accuracy, wrong_macs, moved, wide_spreads, missing_board_times),
        *(float_macs, kernels_differ, earlier_definitions),
    )
    found = [doubt for check in checks for doubt in check(results)]
    strengths, classes = list(Strength), list(DoubtClass)
    return sorted(
        found,
        key=lambda one: (
            strengths.index(one.strength),
            classes.index(one.doubt_class),
            one.board,
            one.cases,
            one.precision,
        ),
    )
