"""An axis of positive values: linear from zero or from the least, or logarithmic where they span much."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from npubench.reporting.charts.texts import SMALL_PX, Anchor, Text
from npubench.reporting.data.formatting import duration

LOG_FROM = 12.0
"""Largest over smallest value from which equal steps of a linear axis would hide the small ones."""

BETWEEN_PX = 6.0
"""What two labels of an axis leave free at least."""

_MANTISSAS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line at `x` pixels; a minor one has no label."""

    x: float
    label: str = ""
    anchor: Anchor = Anchor.MIDDLE


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

    def labels(self, below: float) -> tuple[Text, ...]:
        """The labels of a horizontal axis on a line at `below`."""
        return tuple(Text(one.x, below, one.label, one.anchor) for one in self.ticks if one.label)

    def labels_beside(self, left: float) -> tuple[Text, ...]:
        """The labels of an upright axis, which end at `left`."""
        return tuple(Text(left, one.x + 4, one.label, Anchor.END) for one in self.ticks if one.label)


Show = Callable[[float, int], str]
"""A value and its significant digits as a label."""


def axis(
    values: Sequence[float],
    start: float,
    end: float,
    show: Show = duration,
    logarithmic: bool | None = None,
    room: tuple[float, float] | None = None,
) -> Axis:
    """The axis of positive values, by default durations in us; `logarithmic` None: where they span much.

    It is upright where it ends above its start. Labels stay within `room`, the edges of the picture, and
    clear of each other: where they have no room, there are fewer. Raises ValueError when there are no values.
    """
    low, high = min(values), max(values)
    if low <= 0:
        raise ValueError("an axis needs positive values")
    if high / low >= LOG_FROM if logarithmic is None else logarithmic:
        return _logarithmic(low, high, start, end, show, room)
    return _linear(high, start, end, show, room)


def narrow_axis(
    low: float, high: float, start: float, end: float, show: Show, room: tuple[float, float] | None = None
) -> Axis:
    """A linear axis from `low` to `high` itself, with round ticks; raises ValueError unless low < high."""
    if not low < high:
        raise ValueError("an axis needs a range")
    step = next(step for step in _steps((high - low) / 8) if (high - low) / step <= 6)
    bare = Axis(low, high, start, end, False)
    first = math.ceil(low / step - 1e-9)
    values = [step * at for at in range(first, math.floor(high / step + 1e-9) + 1)]
    # As many digits as tell neighbours apart.
    digits = math.floor(math.log10(high)) - math.floor(math.log10(step) + 1e-9) + 1
    labels = [show(value, max(digits, 1)) if value else "0" for value in values]
    return _labelled(bare, values, labels, room)


def _linear(high: float, start: float, end: float, show: Show, room: tuple[float, float] | None) -> Axis:
    step = next(step for step in _steps(high / 8) if high / step <= 6)
    count = math.ceil(high / step - 1e-9)
    values = [step * i for i in range(count + 1)]
    labels = [show(value, 2) if value else "0" for value in values]
    return _labelled(Axis(0.0, step * count, start, end, False), values, labels, room)


def _logarithmic(
    low: float, high: float, start: float, end: float, show: Show, room: tuple[float, float] | None
) -> Axis:
    """Ends at the nearest 1, 2 or 5 times a power of ten."""
    values = []
    for step in _steps(10 ** math.floor(math.log10(low)), with_lower=True):
        values.append(step)
        if len(values) > 1 and step >= high * (1 - 1e-9):
            break
    while len(values) > 2 and values[1] <= low * (1 + 1e-9):
        values.pop(0)
    bare = Axis(values[0], values[-1], start, end, True)
    return _labelled(bare, values, [show(value, 1) for value in values], room)


def _labelled(
    bare: Axis, values: Sequence[float], labels: Sequence[str], room: tuple[float, float] | None
) -> Axis:
    """With the most labels that have room: all, those of decades, every second, every third of these."""
    upright = bare.end < bare.start
    ticks = [
        _clamped(Tick(bare.at(value), label), room) if not upright else Tick(bare.at(value), label)
        for value, label in zip(values, labels, strict=True)
    ]
    told = [at for at, label in enumerate(labels) if label]
    for kept in _choices(told, values, bare.logarithmic):
        if _apart([ticks[at] for at in kept], upright):
            break
    # Two lines of one value are one too many, be it only in what its label tells.
    chosen = {at for at in kept if ticks[at].label not in [ticks[i].label for i in kept if i < at]}
    return replace(
        bare, ticks=tuple(t if at in chosen else replace(t, label="") for at, t in enumerate(ticks))
    )


def _choices(told: list[int], values: Sequence[float], logarithmic: bool) -> Iterator[list[int]]:
    yield told
    decades = [at for at in told if logarithmic and _is_decade(values[at])]
    base = decades if len(decades) > 1 else told
    yield base
    for every in range(2, len(base)):
        yield base[::every]
    yield [base[0], base[-1]] if base else []
    yield base[:1]


def _clamped(tick: Tick, room: tuple[float, float] | None) -> Tick:
    """Its label begins or ends at its line where the middle of it would push it out of the picture."""
    if room is None:
        return tick
    box = Text(tick.x, 0.0, tick.label, Anchor.MIDDLE).box
    if box.left < room[0]:
        return replace(tick, anchor=Anchor.START)
    return replace(tick, anchor=Anchor.END) if box.right > room[1] else tick


def _apart(ticks: Sequence[Tick], upright: bool) -> bool:
    """Whether none of their labels comes near another."""
    if upright:
        places = sorted(one.x for one in ticks)
        return all(b - a >= 1.25 * SMALL_PX for a, b in pairwise(places))
    boxes = sorted((Text(one.x, 0.0, one.label, one.anchor).box for one in ticks), key=lambda box: box.left)
    return all(a.right + BETWEEN_PX <= b.left for a, b in pairwise(boxes))


def _steps(least: float, with_lower: bool = False) -> Iterator[float]:
    exponent = math.floor(math.log10(least) + (1e-9 if with_lower else 0.0))
    while True:
        yield from (mantissa * 10.0**exponent for mantissa in _MANTISSAS)
        exponent += 1


def _is_decade(value: float) -> bool:
    return abs(math.log10(value) - round(math.log10(value))) < 1e-9
