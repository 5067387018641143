"""An axis of positive values: linear from zero, or logarithmic where the values span much."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.reporting.data.formatting import duration

LOG_FROM = 12.0
"""Largest over smallest value from which equal steps of a linear axis would hide the small ones."""

_MANTISSAS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line at `x` pixels; a minor one has no label."""

    x: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """Values to pixels between `start` and `end`; `low` and `high` are the axis's own ends."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool
    ticks: tuple[Tick, ...] = ()

    def at(self, value: float) -> float:
        """Where a value stands, in pixels."""
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


Show = Callable[[float, int], str]
"""A value and its significant digits as a label."""


def axis(
    values: Sequence[float],
    start: float,
    end: float,
    show: Show = duration,
    logarithmic: bool | None = None,
) -> Axis:
    """The axis of positive values, by default durations in us; `logarithmic` None: where they span much.

    Raises ValueError when there are none.
    """
    low, high = min(values), max(values)
    if low <= 0:
        raise ValueError("an axis needs positive values")
    if high / low >= LOG_FROM if logarithmic is None else logarithmic:
        return _logarithmic(low, high, start, end, show)
    return _linear(high, start, end, show)


def _linear(high: float, start: float, end: float, show: Show) -> Axis:
    step = next(step for step in _steps(high / 8) if high / step <= 6)
    count = math.ceil(high / step - 1e-9)
    bare = Axis(0.0, step * count, start, end, False)
    values = [step * i for i in range(count + 1)]
    ticks = tuple(Tick(bare.at(value), show(value, 2) if value else "0") for value in values)
    return replace(bare, ticks=ticks)


def _logarithmic(low: float, high: float, start: float, end: float, show: Show) -> Axis:
    """Ends at the nearest 1, 2 or 5 times a power of ten; labels thin out over many decades."""
    values = []
    for step in _steps(10 ** math.floor(math.log10(low)), with_lower=True):
        values.append(step)
        if len(values) > 1 and step >= high * (1 - 1e-9):
            break
    while len(values) > 2 and values[1] <= low * (1 + 1e-9):
        values.pop(0)
    bare = Axis(values[0], values[-1], start, end, True)
    every = 1 if values[-1] / values[0] <= 1000.5 else 3
    ticks = tuple(
        Tick(bare.at(value), show(value, 1) if every == 1 or _is_decade(value) else "") for value in values
    )
    return replace(bare, ticks=ticks)


def _steps(least: float, with_lower: bool = False) -> Iterator[float]:
    exponent = math.floor(math.log10(least) + (1e-9 if with_lower else 0.0))
    while True:
        yield from (mantissa * 10.0**exponent for mantissa in _MANTISSAS)
        exponent += 1


def _is_decade(value: float) -> bool:
    return abs(math.log10(value) - round(math.log10(value))) < 1e-9
