"""The two layouts of every chart; styles/charts.css shows the one that its place has room for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture's width in its own pixels; a narrow one has names above marks and fewer labels."""

    name: str
    width: float
    narrow: bool


WIDE = Layout("wide", 820.0, False)
"""Shown from 750 px on, where its smallest letters of 12 px still have 11."""

NARROW = Layout("narrow", 330.0, True)
"""A phone's: of 390 px of a screen, 358 are between the margins of the page."""
