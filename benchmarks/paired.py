"""Two things in turn, A B A B, so that a noisy machine is noisy for both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paired:
    """Seconds of each round of A and B."""

    a_s: tuple[float, ...]
    b_s: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of A/B, pair by pair."""
        return statistics.median(a / b for a, b in zip(self.a_s, self.b_s, strict=True))

    @property
    def difference_s(self) -> float:
        """Median of A-B, pair by pair."""
        return statistics.median(a - b for a, b in zip(self.a_s, self.b_s, strict=True))


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
