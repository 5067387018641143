"""Bins of a histogram of times: what is drawn on its axis, and what lies too far out for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.reporting.charts.axis import LOG_FROM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Times = NDArray[np.float64]

MOST = 60
"""Bins at most: more are narrower than an eye tells apart in a chart of this width."""

FAR_OUT = 3.0
"""Times the distance of the quartiles, beyond a quartile, where Tukey calls a value far out
(Exploratory Data Analysis, 1977, 2D)."""

OVERFLOW_SHARE, OVERFLOW_LEAST = 0.05, 2
"""Of the times, or so many, may lie in the bin of an end: more are no outliers, but a shape of their own."""

WORTH_IT = 1.5
"""Times the range that is kept from which leaving out the rest is worth a bin that has no scale."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """Times beyond an end of the axis; `farthest` is the one that lies farthest out, in us."""

    count: int
    farthest: float


@dataclass(frozen=True, slots=True)
class Bins:
    """`counts` between `edges` in us, one more; equally wide, by their logarithms where `logarithmic`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    logarithmic: bool = False
    below: Overflow | None = None
    above: Overflow | None = None


def bins_of(times: Sequence[float], most: int = MOST) -> Bins:
    """The bins of positive times in us; raises ValueError without any.

    The narrower of Sturges' and of Freedman and Diaconis' bins, which is numpy's rule "auto", at most `most`.
    Times that take few values, a clock's ticks, have a bin a value. What lies far out, beyond FAR_OUT times
    the quartiles' distance, is counted in a bin of its own at its end, as long as it is little.
    """
    import numpy as np

    ordered = np.sort(np.asarray(times, dtype=np.float64))
    if not len(ordered):
        raise ValueError("no times, no bins")
    first, last = _kept(ordered)
    kept = ordered[first : last + 1]
    logarithmic = bool(kept[-1] >= LOG_FROM * kept[0])
    edges = _edges(np.log10(kept) if logarithmic else kept, most, logarithmic)
    if logarithmic:
        edges = 10.0**edges
        # The powers of logarithms may lie a last digit inside of what they are of.
        edges[0], edges[-1] = min(edges[0], kept[0]), max(edges[-1], kept[-1])
    counts, _ = np.histogram(kept, edges)
    above = len(ordered) - 1 - last
    return Bins(
        *(tuple(edges.tolist()), tuple(counts.tolist()), logarithmic),
        below=Overflow(first, float(ordered[0])) if first else None,
        above=Overflow(above, float(ordered[-1])) if above else None,
    )


def _kept(ordered: "Times") -> tuple[int, int]:
    """Places of the first and the last time that the axis holds."""
    import numpy as np

    least, low, middle, high, most = np.quantile(ordered, (0.05, 0.25, 0.5, 0.75, 0.95))
    # Of times that are all but equal the hundredth part is no distance worth a look.
    width = (high - low) or (most - least) or 0.01 * middle
    allowed = max(OVERFLOW_LEAST, int(OVERFLOW_SHARE * len(ordered)))
    reach = FAR_OUT * width
    while (first := int(np.searchsorted(ordered, low - reach))) > allowed:
        reach *= 2
    reach = FAR_OUT * width
    while (beyond := len(ordered) - int(np.searchsorted(ordered, high + reach, side="right"))) > allowed:
        reach *= 2
    last = len(ordered) - 1 - beyond
    bottom, top = ordered[first], ordered[last]
    if ordered[-1] - bottom <= WORTH_IT * (top - bottom):
        last = len(ordered) - 1
    if top - ordered[0] <= WORTH_IT * (top - bottom):
        first = 0
    return first, last


def _edges(values: "Times", most: int, logarithmic: bool) -> "Times":
    import numpy as np

    low, high = float(values[0]), float(values[-1])
    if not high - low > 1e-9 * abs(high):
        half = 0.005 * abs(high)
        return np.array([low - half, high + half])
    if not logarithmic and (ticks := _ticks(values, most)):
        step, count = ticks
        return np.asarray(low + step * (np.arange(count + 1) - 0.5), np.float64)
    quarter, three_quarters = np.quantile(values, (0.25, 0.75))
    widths = [
        (high - low) / (np.log2(len(values)) + 1),
        2 * (three_quarters - quarter) * len(values) ** (-1 / 3),
    ]
    width = min(width for width in widths if width > 0)
    count = max(1, min(most, int(np.ceil((high - low) / width - 1e-9))))
    return np.asarray(np.linspace(low, high, count + 1), np.float64)


def _ticks(values: "Times", most: int) -> tuple[float, int] | None:
    """The step of the clock and how many of it these times span, where they take few values, each often."""
    import numpy as np

    taken = np.unique(values)
    if len(taken) * 4 > len(values) or len(taken) > most:
        return None
    step = float(np.min(np.diff(taken)))
    count = round((taken[-1] - taken[0]) / step) + 1
    return (step, count) if count <= most else None
