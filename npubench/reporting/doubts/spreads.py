"""Rows whose rounds lie further apart than a figure can be relied on."""

from collections.abc import Iterator, Sequence

from npubench.records import Kind, Result
from npubench.reporting.doubts.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.notation import significant
from npubench.reporting.pairs import latency_of
from npubench.reporting.words import say
from npubench.verdict import STABLE_SPREAD

WIDE_SPREAD = 0.1
WIDE_DEVIATION = 0.5
"""Standard deviation over mean that is wide, where no rounds tell whether it matters."""


def wide_spreads(results: Sequence[Result]) -> Iterator[Doubt]:
    """Measured rows; strong when the rounds lie 10 % apart and more."""
    for row in results:
        latency = latency_of(row, Kind.MEASURED)
        if latency is None:
            continue
        wide = latency.spread is not None and latency.spread > STABLE_SPREAD
        alone = latency.spread is None and latency.std is not None and latency.mean > 0
        deviation = latency.std / latency.mean if alone and latency.std is not None else 0.0
        if not wide and deviation <= WIDE_DEVIATION:
            continue
        evidence = []
        if latency.spread is not None:
            medians = ", ".join(significant(value, separator="") for value in latency.rounds_p50)
            evidence.append(
                say(
                    "rounds lie {spread:.1%} apart, stable is {stable:.0%}: {medians} us",
                    spread=latency.spread,
                    stable=STABLE_SPREAD,
                    medians=medians,
                )
                if medians
                else say(
                    "calls lie {spread:.1%} apart, stable is {stable:.0%}",
                    spread=latency.spread,
                    stable=STABLE_SPREAD,
                )
            )
        if deviation > WIDE_DEVIATION:
            evidence.append(
                say(
                    "standard deviation is {share:.0%} of the mean over {count} runs",
                    share=deviation,
                    count=latency.n,
                )
            )
        if row.verdict is not None:
            evidence.append(say("verdict {verdict}", verdict=say(row.verdict.value)))
        strong = deviation > WIDE_DEVIATION or (latency.spread or 0.0) > WIDE_SPREAD
        yield Doubt(
            DoubtClass.WIDE_SPREAD,
            Strength.STRONG if strong else Strength.WEAK,
            row.board,
            row.backend,
            row.precision.value,
            (row.case,),
            say("its runs lie far apart: a repeat may give another figure"),
            tuple(evidence),
        )
