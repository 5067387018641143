"""All sanity checks, and what they find in a result set."""

from collections.abc import Sequence
from dataclasses import replace

from npubench.domain.records import Result
from npubench.reporting.data.words import say
from npubench.reporting.sanity.board_state import moved, unusual_clocks
from npubench.reporting.sanity.consistency import disagreeing
from npubench.reporting.sanity.duplicates import equal_chips, equal_times, identical
from npubench.reporting.sanity.finding import Doubt, DoubtClass, Strength
from npubench.reporting.sanity.macs import wrong_macs, wrong_operator_macs
from npubench.reporting.sanity.peaks import above_peak, simulations_as_times
from npubench.reporting.sanity.published_times import far_from_published
from npubench.reporting.sanity.ratios import unusual_ratios
from npubench.reporting.sanity.speed_ups import odd_speed_ups
from npubench.reporting.sanity.spreads import unlikely_spreads, wide_spreads
from npubench.reporting.sanity.validity import (
    earlier_definitions,
    float_macs,
    kernels_differ,
    low_accuracy,
    missing_board_times,
)

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


def next_step(doubt_class: DoubtClass) -> str:
    """One sentence; empty for a class whose checks say it themselves."""
    return _steps().get(doubt_class, "")


def _steps() -> dict[DoubtClass, str]:
    return {
        DoubtClass.IDENTICAL_FIGURES: say(
            "measure all but one of them again, and compare the artifacts' hashes"
        ),
        DoubtClass.IDENTICAL_ARTIFACT: say(
            "convert each model again in a folder of its own, then measure again"
        ),
        DoubtClass.LOW_ACCURACY: say("look up the named output, and calibrate with data of your own"),
        DoubtClass.WRONG_MACS: say(
            "compare the file and its input size with what was built, then build again"
        ),
        DoubtClass.BOARD_MOVED: say("fix clock and governor, let the board cool, then measure again"),
        DoubtClass.WIDE_SPREAD: say(
            "close other programs, fix the clock, then measure again with more rounds"
        ),
        DoubtClass.NO_BOARD_TIME: say("measure these cases on the board before their simulation is used"),
        DoubtClass.FLOAT_MACS: say("look up which operators stay in float, and quantise or replace them"),
        DoubtClass.KERNELS_DIFFER: say(
            "take the accuracy of the fused kernels, or measure on another processor"
        ),
        DoubtClass.EARLIER_DEFINITION: say("measure it again with this version before it is compared"),
        DoubtClass.FIGURES_DISAGREE: say(
            "look up each of these figures in the tool's own log, then measure or import again"
        ),
        DoubtClass.SIMULATION_AS_TIME: say("take the time from the board's own log, else leave it empty"),
        DoubtClass.UNUSUAL_RATIO: say(
            "measure it again beside a row that fits, with the board's clock noted"
        ),
        DoubtClass.ABOVE_PEAK: say(
            "check the unit of the time and the file that was run, then measure again"
        ),
        DoubtClass.FAR_FROM_PUBLISHED: say(
            "compare input size, cut of the graph, clocks, cores and what the time includes"
        ),
        DoubtClass.EQUAL_TIMES: say("measure one of them again: by chance it will not come out the same"),
        DoubtClass.EQUAL_CHIPS: say("ask the board for its chip, and measure one of the rows again"),
        DoubtClass.UNUSUAL_CLOCK: say("fix clock and governor, let the board cool, then measure again"),
        DoubtClass.IMPOSSIBLE_SPEED_UP: say(
            "measure both rows again, one after the other, and check their cores"
        ),
        DoubtClass.SLOWER_BATCH: say(
            "measure both again, and check what a sample is and the memory that is free"
        ),
        DoubtClass.UNLIKELY_SPREAD: say(
            "look at the kept single times, then measure again in fresh processes"
        ),
        DoubtClass.NOISY_BOARD: say(
            "close other programs, fix the clock, then measure again with more rounds"
        ),
    }
