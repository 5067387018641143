"""Sanity checks: rows that may not be what they say, each with the reason and the evidence."""

from collections.abc import Sequence
from dataclasses import replace

from npubench.domain.records import Result
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.consistency import above_peak, disagreeing, simulation_as_time
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.sanity.duplicates import equal_chips, equal_times, identical
from npubench.reporting.sanity.expected_times import far_from_published, unusual_ratios
from npubench.reporting.sanity.speed_ups import odd_speed_ups
from npubench.reporting.sanity.stability import state_drift, unlikely_spread, unusual_clocks, wide_spreads
from npubench.reporting.sanity.validity import (
    earlier_definitions,
    float_macs,
    kernels_differ,
    low_accuracy,
    missing_board_times,
    wrong_macs,
    wrong_operator_macs,
)

__all__ = ["Doubt", "DoubtClass", "Strength", "doubts"]

_OF_ROWS = (
    low_accuracy,
    state_drift,
    wrong_operator_macs,
    simulation_as_time,
    above_peak,
    far_from_published,
    unlikely_spread,
    float_macs,
    kernels_differ,
)
"""Checks that need no other row."""

_OF_TABLES = (
    identical,
    wrong_macs,
    missing_board_times,
    disagreeing,
    unusual_ratios,
    equal_times,
    equal_chips,
    odd_speed_ups,
    earlier_definitions,
)
"""Checks that hold the rows of a result set against each other."""

_OF_HISTORY = (wide_spreads, unusual_clocks)
"""Checks that ask older rows of the same boards what is usual there."""


def doubts(results: Sequence[Result], history: Sequence[Result] = ()) -> list[Doubt]:
    """Every doubt about these rows: the strong before the weak, then in the order of `DoubtClass`.

    `history` are older rows of the same boards; they are not judged, they tell what is usual there.
    """
    found = [doubt for check in _OF_ROWS for row in results for doubt in check(row)]
    found += [doubt for check_table in _OF_TABLES for doubt in check_table(results)]
    found += [doubt for check_beside in _OF_HISTORY for doubt in check_beside(results, history)]
    strengths, classes = list(Strength), list(DoubtClass)
    return sorted(
        (replace(one, next_step=translate(one.doubt_class.next_step)) for one in _once(found)),
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
    known = [one.place for one in found if one.doubt_class in same]

    def is_known(one: Doubt) -> bool:
        return any(one.place[:2] == place[:2] and {*place[2]}.issuperset(one.cases) for place in known)

    return [one for one in found if one.doubt_class is not DoubtClass.EQUAL_TIMES or not is_known(one)]
