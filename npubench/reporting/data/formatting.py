"""Numbers for people: significant digits, and one unit for a whole column."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

THIN_SPACE = "\u202f"


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit and what to divide by to get it."""

    unit: str
    divisor: float = 1.0


MICROSECONDS, MILLISECONDS, SECONDS = Scale("µs"), Scale("ms", 1e3), Scale("s", 1e6)
COUNTS = (Scale(""), Scale("k", 1e3), Scale("M", 1e6), Scale("G", 1e9))
BYTES = (Scale("B"), Scale("KiB", 2.0**10), Scale("MiB", 2.0**20), Scale("GiB", 2.0**30))
TIMES = (MICROSECONDS, MILLISECONDS, SECONDS)


@lru_cache(maxsize=1 << 16)
def significant(value: float, digits: int = 3, separator: str = THIN_SPACE) -> str:
    """At least `digits` significant digits; whole numbers are never cut, thousands are set apart."""
    if value == 0:
        return "0"
    scientific = f"{value:.{digits - 1}e}"
    decimals = digits - 1 - int(scientific[scientific.index("e") + 1 :])
    if decimals > 6:
        return scientific
    if decimals > 0:
        return (
            f"{value:.{decimals}f}"
            if -1e3 < value < 1e3
            else f"{value:,.{decimals}f}".replace(",", separator)
        )
    return f"{value:,.0f}".replace(",", separator)


def closeness(value: float, digits: int = 5) -> str:
    """A cosine or a share: fixed digits, and never 1 unless it is 1."""
    text = f"{value:.{digits}f}"
    if value < 1 and float(text) == 1:
        return f">{1 - 10**-digits:.{digits}f}"
    return text


def common_scale(values: Sequence[float], scales: Sequence[Scale]) -> Scale:
    """The largest of `scales` (ascending) in which the median of `values` is at least 1."""
    return _scale_of(statistics.median(map(abs, values)) if values else 0.0, scales)


def _scale_of(value: float, scales: Sequence[Scale]) -> Scale:
    for scale in reversed(scales):
        if value >= scale.divisor:
            return scale
    return scales[0]


def duration(value_us: float, digits: int = 3) -> str:
    """Microseconds with the unit that reads best: `850 µs`, `12.3 ms`."""
    scale = _scale_of(abs(value_us), TIMES)
    return f"{significant(value_us / scale.divisor, digits)} {scale.unit}"


def size(value_bytes: float) -> str:
    """Bytes with the binary unit that reads best: `12.3 MiB`."""
    scale = _scale_of(abs(value_bytes), BYTES)
    return f"{significant(value_bytes / scale.divisor)} {scale.unit}"
