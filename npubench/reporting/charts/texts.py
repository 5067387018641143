"""Texts of a picture: how wide they are, where they stand, and which of them meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache

from npubench.domain.text import columns_of, shortened, visible

FONT_PX, SMALL_PX = 12.5, 12.0
"""Sizes of names and of everything else in styles/charts.css, which a text's width is reckoned from."""

_ASCENT, _DESCENT = 0.93, 0.25
"""Of the em, above and below the line that letters stand on: DejaVu Sans has 0.928 and 0.236."""


class Anchor(StrEnum):
    """Which end of a text its place is: SVG's `text-anchor`."""

    START = auto()
    MIDDLE = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box", gap: float = 0.0) -> bool:
        """Whether both share more than an edge, or come nearer than `gap`."""
        return (
            self.left < other.right + gap
            and other.left < self.right + gap
            and self.top < other.bottom + gap
            and other.top < self.bottom + gap
        )

    def holds(self, other: "Box") -> bool:
        """Whether `other` lies within, edges included."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True, slots=True)
class Text:
    """A text at `x` on a line at `y`, `style` its class."""

    x: float
    y: float
    text: str
    anchor: Anchor = Anchor.START
    px: float = SMALL_PX
    style: str = ""

    @property
    def box(self) -> Box:
        """What it covers, by the metrics of a font."""
        width = text_px(self.text, self.px)
        share = {Anchor.START: 0.0, Anchor.MIDDLE: 0.5, Anchor.END: 1.0}[self.anchor]
        left = self.x - share * width
        return Box(left, self.y - _ASCENT * self.px, left + width, self.y + _DESCENT * self.px)


_EM = dict.fromkeys("mwMW@%…—Œœ‱™", 1.0)
_EM |= dict.fromkeys("ijl.,:;|!' ()[]ftr/\\I\u00a0\u202f", 0.42)
_EM |= dict.fromkeys("^+<=>~#&OQGDHNU−×≥≤µ·–°", 0.84)
_OTHER_EM, _CAPITAL_EM, _FOREIGN_EM, _WIDE_EM = 0.645, 0.75, 1.0, 1.0


def text_px(text: str, px: float = FONT_PX) -> float:
    """Pixels of a text: of each letter at least what DejaVu Sans takes, the widest of the common sans serifs.

    Of East Asian letters an em each, as Noto Sans CJK and every font of theirs draws them.
    """
    return px * _ems(text)


@lru_cache(maxsize=4096)
def _ems(text: str) -> float:
    """Asked for the same name again and again, while it looks for a place."""
    return sum(map(_em, text))


def _em(letter: str) -> float:
    known = _EM.get(letter)
    if known is not None:
        return known
    columns = columns_of(letter)
    if columns != 1:
        return _WIDE_EM if columns else 0.0
    if not letter.isascii():
        return _FOREIGN_EM
    return _CAPITAL_EM if letter.isupper() else _OTHER_EM


def fitted(name: str, room_px: float, px: float = FONT_PX) -> str:
    """`name` on one line, cut in its middle until it has room."""
    text = " ".join(visible(name).split())
    if text_px(text, px) <= room_px:
        return text
    # A letter is never narrower than a third of its size, so no longer one can fit.
    limits = range(min(columns_of(text), int(3 * room_px / px) + 1), 1, -1)
    return next((cut for limit in limits if text_px(cut := shortened(text, limit), px) <= room_px), "…")


def widest_px(texts: Sequence[str], px: float = FONT_PX) -> float:
    """Pixels of the widest; 0 of none."""
    return max((text_px(one, px) for one in texts), default=0.0)


def meeting(texts: Sequence[Text]) -> list[tuple[Text, Text]]:
    """Pairs whose boxes meet."""
    boxes = [(one, one.box) for one in texts if one.text]
    return [
        (one, other)
        for at, (one, box) in enumerate(boxes)
        for other, beside in boxes[at + 1 :]
        if box.meets(beside)
    ]
