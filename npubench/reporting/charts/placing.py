"""Names of dots where nothing else stands: beside the dot, else led to it by a line, else by a number."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from npubench.reporting.charts.texts import SMALL_PX, Anchor, Box, Text, text_px

MARK_PX = 6.0
"""Half of what a dot takes of the picture, with a little air."""

NEAR_PX = 9.0
FAR_PX = (20.0, 32.0, 46.0, 62.0, 80.0)
"""Distances of a name from its dot: beside it, and with a line that leads to it."""

DIRECTIONS = 12
GAP_PX = 1.5
_CELL_PX = 32.0
_LEADER_STEP_PX = 4.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A name for the dot at `x`, `y`; one that is also told elsewhere is no number's, but may be left out."""

    x: float
    y: float
    name: str
    told_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Leader:
    """A line from a dot to its name."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Names:
    """What found room: names or numbers, the lines that lead to them, the `key` of the numbers.

    `unnamed` dots have neither.
    """

    texts: tuple[Text, ...] = ()
    leaders: tuple[Leader, ...] = ()
    key: tuple[tuple[int, str], ...] = ()
    unnamed: int = 0


@dataclass(slots=True)
class _Taken:
    """Boxes by the squares of a grid, so that a new one is held against its neighbours alone."""

    cells: dict[tuple[int, int], list[Box]] = field(default_factory=dict)

    def add(self, box: Box) -> None:
        for cell in _cells(box):
            self.cells.setdefault(cell, []).append(box)

    def is_free(self, box: Box, gap: float = GAP_PX) -> bool:
        return not any(
            box.meets(other, gap) for cell in _cells(box, gap) for other in self.cells.get(cell, ())
        )


def _cells(box: Box, gap: float = 0.0) -> Iterator[tuple[int, int]]:
    across = range(int((box.left - gap) // _CELL_PX), int((box.right + gap) // _CELL_PX) + 1)
    down = range(int((box.top - gap) // _CELL_PX), int((box.bottom + gap) // _CELL_PX) + 1)
    return ((x, y) for x in across for y in down)


def place_names(
    wishes: Sequence[Wish], area: Box, marks: Iterable[tuple[float, float]], taken: Iterable[Box] = ()
) -> Names:
    """Names within `area`, the first first; none meets another, one of `taken`, a mark or a leader.

    Each takes the first place that is free of those beside its dot, then of those farther out. One that has
    none gets a number in the same way, and stands in the key.
    """
    dots, names = _Taken(), _Taken()
    for x, y in marks:
        dots.add(Box(x - MARK_PX, y - MARK_PX, x + MARK_PX, y + MARK_PX))
    for box in taken:
        names.add(box)
    texts: list[Text] = []
    leaders: list[Leader] = []
    key: list[tuple[int, str]] = []
    unnamed = 0
    for wish in wishes:
        found = _first_free(wish, wish.name, area, dots, names)
        if found is None and wish.told_elsewhere:
            continue
        if found is None:
            number = len(key) + 1
            found = _first_free(wish, str(number), area, dots, names)
            if found is None:
                unnamed += 1
                continue
            key.append((number, wish.name))
        text, leader = found
        names.add(text.box)
        texts.append(text)
        if leader:
            leaders.append(leader)
            for box in _under(leader):
                names.add(box)
    return Names(tuple(texts), tuple(leaders), tuple(key), unnamed)


def _first_free(
    wish: Wish, name: str, area: Box, dots: _Taken, names: _Taken
) -> tuple[Text, Leader | None] | None:
    width = text_px(name, SMALL_PX)
    if width > area.right - area.left:
        return None
    for text in _beside(wish, name):
        box = text.box
        if area.holds(box) and names.is_free(box) and dots.is_free(box, 0.0):
            return text, None
    for text, leader in _farther(wish, name):
        box = text.box
        if not (area.holds(box) and names.is_free(box) and dots.is_free(box, 0.0)):
            continue
        if all(names.is_free(one, 0.0) for one in _under(leader)):
            return text, leader
    return None


def _beside(wish: Wish, name: str) -> Iterator[Text]:
    """Right, left, above, below, and between these."""
    x, y = wish.x, wish.y
    up, down = y - NEAR_PX - 2, y + NEAR_PX + 9
    yield Text(x + NEAR_PX, y + 4, name, Anchor.START, style="value")
    yield Text(x - NEAR_PX, y + 4, name, Anchor.END, style="value")
    yield Text(x, up, name, Anchor.MIDDLE, style="value")
    yield Text(x, down, name, Anchor.MIDDLE, style="value")
    for anchor, side in ((Anchor.START, 5), (Anchor.END, -5)):
        yield Text(x + side, up, name, anchor, style="value")
        yield Text(x + side, down, name, anchor, style="value")


def _farther(wish: Wish, name: str) -> Iterator[tuple[Text, Leader]]:
    for distance in FAR_PX:
        for at in range(DIRECTIONS):
            angle = 2 * math.pi * at / DIRECTIONS
            across, down = math.cos(angle), math.sin(angle)
            x, y = wish.x + distance * across, wish.y + distance * down
            anchor = Anchor.START if across > 0.3 else Anchor.END if across < -0.3 else Anchor.MIDDLE
            text = Text(round(x, 1), round(y + 4, 1), name, anchor, style="value")
            # The line ends where the name begins, above or below where that stands in the middle.
            end = y - math.copysign(8.0, down) if anchor is Anchor.MIDDLE else y
            near = (round(wish.x + MARK_PX * across, 1), round(wish.y + MARK_PX * down, 1))
            yield text, Leader(*near, round(x - 2 * across, 1), round(end, 1))


def _under(leader: Leader) -> Iterator[Box]:
    # Its end touches its own name, which is no crossing.
    yield from list(along(leader.x1, leader.y1, leader.x2, leader.y2))[:-1]


def along(x1: float, y1: float, x2: float, y2: float) -> Iterator[Box]:
    """Small boxes under a line, from its one end to the other."""
    steps = max(1, math.ceil(math.hypot(x2 - x1, y2 - y1) / _LEADER_STEP_PX))
    for at in range(steps + 1):
        x, y = x1 + (x2 - x1) * at / steps, y1 + (y2 - y1) * at / steps
        yield Box(x - 0.5, y - 0.5, x + 0.5, y + 0.5)
