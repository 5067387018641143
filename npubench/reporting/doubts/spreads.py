"""Rows whose rounds lie further apart than a figure can be relied on."""

from collections.abc import Iterator, Sequence

from npubench.records import Kind, Result
from npubench.reporting.doubts.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.notation import significant
from npubench.reporting.pairs import latency_of
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
            of = f": {medians} us" if medians else ""
            evidence.append(f"rounds lie {latency.spread:.1%} apart, stable is {STABLE_SPREAD:.0%}{of}")
        if deviation > WIDE_DEVIATION:
            evidence.append(f"standard deviation is {deviation:.0%} of the mean over {latency.n} runs")
        if row.verdict is not None:
            evidence.append(f"verdict {row.verdict}")
        strong = deviation > WIDE_DEVIATION or (latency.spread or 0.0) > WIDE_SPREAD
        yield Doubt(
            DoubtClass.WIDE_SPREAD,
            Strength.STRONG if strong else Strength.WEAK,
            row.board,
            row.backend,
            row.precision.value,
            (row.case,),
            "its runs lie far apart: a repeat may give another figure",
            tuple(evidence),
        )
