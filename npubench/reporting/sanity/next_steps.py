"""What to do about a doubt, by its class."""

from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import DoubtClass


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
