"""All doubts of a result set, the strong ones first."""

from collections.abc import Sequence
from dataclasses import replace

from npubench.domain.records import Result
from npubench.reporting.sanity.board_times import missing_board_times
from npubench.reporting.sanity.clocks import unusual_clocks
from npubench.reporting.sanity.computed import float_macs, kernels_differ
from npubench.reporting.sanity.disagree import disagreeing
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.sanity.earlier import earlier_definitions
from npubench.reporting.sanity.equal_times import equal_chips, equal_times
from npubench.reporting.sanity.identical import identical
from npubench.reporting.sanity.low_accuracy import low_accuracy
from npubench.reporting.sanity.macs import wrong_macs
from npubench.reporting.sanity.next_steps import next_step
from npubench.reporting.sanity.operator_macs import wrong_operator_macs
from npubench.reporting.sanity.others import far_from_published
from npubench.reporting.sanity.parallel import odd_speed_ups
from npubench.reporting.sanity.rates import above_peak, simulations_as_times
from npubench.reporting.sanity.ratios import unusual_ratios
from npubench.reporting.sanity.spreads import wide_spreads
from npubench.reporting.sanity.state_drift import moved
from npubench.reporting.sanity.steady import unlikely_spreads

_CHECKS = (
    identical,
    low_accuracy,
    wrong_macs,
    moved,
    missing_board_times,
    wrong_operator_macs,
    disagreeing,
    simulations_as_times,
    unusual_ratios,
    above_peak,
    far_from_published,
    equal_times,
    equal_chips,
    odd_speed_ups,
    unlikely_spreads,
    float_macs,
    kernels_differ,
    earlier_definitions,
)
_CHECKS_OF_HISTORY = (wide_spreads, unusual_clocks)


def doubts(results: Sequence[Result], history: Sequence[Result] = ()) -> list[Doubt]:
    """Every doubt about these rows: the strong before the weak, then in the order of `DoubtClass`.

    `history` are older rows of the same boards; they are not judged, they tell what is usual there.
    """
    found = [doubt for check in _CHECKS for doubt in check(results)]
    found += [doubt for check_beside in _CHECKS_OF_HISTORY for doubt in check_beside(results, history)]
    strengths, classes = list(Strength), list(DoubtClass)
    return sorted(
        (
            doubt if doubt.next_step else replace(doubt, next_step=next_step(doubt.doubt_class))
            for doubt in _once(found)
        ),
        key=lambda one: (
            strengths.index(one.strength),
            classes.index(one.doubt_class),
            one.board,
            one.cases,
            one.precision,
        ),
    )


def _once(found: Sequence[Doubt]) -> list[Doubt]:
    """Without equal times of rows that are doubted already for more than their times."""
    same = (DoubtClass.IDENTICAL_FIGURES, DoubtClass.IDENTICAL_ARTIFACT)
    told = [(one.board, one.precision, {*one.cases}) for one in found if one.doubt_class in same]
    return [
        one
        for one in found
        if one.doubt_class is not DoubtClass.EQUAL_TIMES
        or not any(
            (one.board, one.precision) == (board, precision) and cases.issuperset(one.cases)
            for board, precision, cases in told
        )
    ]
