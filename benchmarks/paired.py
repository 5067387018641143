"""Two things in turn, A B A B, so that a noisy machine is noisy for both."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paired:
    """Seconds of each round of A and B."""

    a_s: tuple[float, ...]
    b_s: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """A/B, pair by pair."""
        return tuple(a / b for a, b in zip(self.a_s, self.b_s, strict=True))

    @property
    def ratio(self) -> float:
        """Median of A/B, pair by pair."""
        return statistics.median(self.ratios)

    @property
    def difference_s(self) -> float:
        """Median of A-B, pair by pair."""
        return statistics.median(a - b for a, b in zip(self.a_s, self.b_s, strict=True))


LEVEL = 0.95


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The narrowest symmetric pair of order statistics that holds the median with at least `LEVEL`.

    Assumes nothing of the distribution: values below the median are binomial (Conover, Practical
    Nonparametric Statistics, 3.2). Fewer than 6 values have no interval of 95 %: it has no end then.
    """
    ordered, count = sorted(values), len(values)
    below, found = 0.0, None
    for rank in range(count // 2):
        below += math.comb(count, rank) / 2**count
        if 1 - 2 * below < LEVEL:
            break
        found = ordered[rank], ordered[count - 1 - rank]
    return found or (0.0, math.inf)


def measure(a: Callable[[], object], b: Callable[[], object], rounds: int = 7) -> Paired:
    """Wall seconds of both, after one uncounted round."""
    a(), b()
    pairs = [(_seconds(a), _seconds(b)) for _ in range(rounds)]
    return Paired(*(tuple(column) for column in zip(*pairs, strict=True)))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def show(title: str, a: str, b: str, result: Paired, bound: str) -> None:
    """Print both with minimum, median and maximum, the ratio, and the project's bound."""
    print(f"{title} (bound: {bound})")
    for name, seconds in ((a, result.a_s), (b, result.b_s)):
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        print(f"  {name:<44} min {low:8.4f} s  median {middle:8.4f} s  max {high:8.4f} s")
    print(f"  difference {result.difference_s:+.4f} s, ratio {result.ratio:.3f} (medians, pair by pair)\n")
