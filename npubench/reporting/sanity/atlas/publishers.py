"""One publisher beside another on the same chip: usual ratios, figures far from them, two campaigns."""

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from npubench.reporting.sanity.atlas.cells import Cell, ratio_text
from npubench.reporting.sanity.atlas.copies import columns_of
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass, doubt_of
from npubench.reporting.sanity.doubt import Strength

LEAST_COMMON = 4
"""Networks that two publishers must have in common before a ratio is usual."""

FAR = 1.6
"""Factor from the usual ratio for a doubt, where the ratios do not scatter more."""

VERY_FAR = 2.5
"""The same, strong."""

SCATTER = 4.0
"""The same in robust deviations (1.4826 of the median deviation): true ratios scatter by kind of network."""

MOST_OF = 0.6
"""Share of the rows of two columns that must lie one overhead apart before it is one."""

BAND = 0.15
"""Of the overhead: how far its rows may lie from it."""

BAND_MS = 0.06
"""The same at least, in milliseconds."""

OUTSIDE = 4.0
"""Times the band from which a row is of another campaign."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two publishers' figures of one network on one chip."""

    one: Cell
    other: Cell

    @property
    def log_ratio(self) -> float:
        """Natural logarithm of the first one's time over the other's."""
        return math.log(self.one.image_ms / self.other.image_ms)


def pairs_of_publishers(cells: Sequence[Cell]) -> list[list[Pair]]:
    """Networks that two columns of different publishers on one chip and precision have in common."""
    columns = columns_of([cell for cell in cells if cell.known])
    by_chip: defaultdict[Hashable, list[Hashable]] = defaultdict(list)
    for key, column in columns.items():
        first = next(iter(column.values()))
        by_chip[first.chip, first.precision].append(key)
    found = []
    for keys in by_chip.values():
        for one_key, other_key in combinations(keys, 2):
            one, other = (_by_network(columns[key].values()) for key in (one_key, other_key))
            common = [Pair(one[name], other[name]) for name in one if name in other]
            if len(common) >= LEAST_COMMON and common[0].one.publisher != common[0].other.publisher:
                found.append(common)
    return found


def _by_network(column: Iterable[Cell]) -> dict[tuple[str, int], Cell]:
    """Figures by network and batch; heads differ between publishers, which is what a ratio shows."""
    found: dict[tuple[str, int], Cell] = {}
    for cell in column:
        found.setdefault((cell.network, cell.batch), cell)
    return found


def far_from_publishers(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Networks whose ratio between two publishers is far from what it usually is between them."""
    for pairs in pairs_of_publishers(cells):
        logs = [pair.log_ratio for pair in pairs]
        usual = statistics.median(logs)
        deviation = 1.4826 * statistics.median(abs(log - usual) for log in logs)
        for pair in pairs:
            off = abs(pair.log_ratio - usual)
            if off <= max(math.log(FAR), SCATTER * deviation):
                continue
            reason = (
                f"{pair.one.publisher} takes {ratio_text(math.exp(pair.log_ratio))} of the time of "
                f"{pair.other.publisher}, usually {ratio_text(math.exp(usual))} of it ({len(pairs)} networks)"
            )
            both = [pair.one, pair.other]
            strength = Strength.strong_if(off > math.log(VERY_FAR))
            kind = FigureDoubtClass.FAR_FROM_PUBLISHERS
            yield doubt_of(both, kind, strength, reason, pair.one.told, pair.other.told)


def two_campaigns(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """A table of which most rows are another publisher's and a constant overhead, and some are not."""
    for pairs in pairs_of_publishers(cells):
        differences = [pair.one.image_ms - pair.other.image_ms for pair in pairs]
        overhead = statistics.median(differences)
        band = max(BAND_MS, BAND * abs(overhead))
        inside = [abs(one - overhead) <= band for one in differences]
        outside = [
            pair for pair, one in zip(pairs, differences, strict=True) if abs(one - overhead) > OUTSIDE * band
        ]
        scale = statistics.median(pair.one.image_ms for pair in pairs)
        if (
            sum(inside) < max(LEAST_COMMON, MOST_OF * len(pairs))
            or not outside
            or abs(overhead) < 0.01 * scale
        ):
            continue
        slow, fast = ("one", "other") if overhead > 0 else ("other", "one")
        late = [getattr(pair, slow) for pair in outside]
        first = pairs[0]
        reason = (
            f"{sum(inside)} of {len(pairs)} rows of {getattr(first, slow).publisher} are those of "
            f"{getattr(first, fast).publisher} and {abs(overhead):.2g} ms; {len(outside)} are not: two "
            "campaigns in one table"
        )
        lines = [
            f"{cell.figure.model}: {sign * difference:+.2g} ms ({cell.place})"
            for cell, difference in zip(
                late, [pair.one.image_ms - pair.other.image_ms for pair in outside], strict=True
            )
            for sign in [1 if overhead > 0 else -1]
        ]
        yield doubt_of(late, FigureDoubtClass.TWO_CAMPAIGNS, Strength.WEAK, reason, *lines)
