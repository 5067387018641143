"""Scatter plots: dots and lines on two axes, in both layouts, with names that do not overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from npubench.domain.figures import Kind
from npubench.reporting.charts.axis import Axis, axis
from npubench.reporting.charts.layout import NARROW, WIDE, Layout
from npubench.reporting.charts.placing import Leader, Wish, along, place_names
from npubench.reporting.charts.plots import Subject, axis_title, seen_band
from npubench.reporting.charts.texts import SMALL_PX, Anchor, Box, Text, fitted, text_px

HEIGHTS = {False: 380.0, True: 340.0}
"""By whether the layout is narrow."""

_TOP, _BOTTOM, _RIGHT = 30.0, 50.0, 16.0
POINT_LIMIT = 2000
NAMED_LIMIT = {False: 60, True: 30}
"""Dots that are given a name; with more of them nobody finds one."""

CROWD = 300
"""Dots from which a third of the names is sought: few find room, and the search takes the longer."""

_TOLD = 8
_SHAPES = 8


@dataclass(frozen=True, slots=True)
class Point:
    """One dot in units of the axes; `label` is its name in the picture, `text` what a pointer shows.

    `doubted` ones are not to be relied on; `band` is what y is known to lie within.
    """

    x: float
    y: float
    series: str
    text: str
    label: str = ""
    doubted: bool = False
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Corner:
    """A line in units of the axes, through these places; `label` is its name in the picture."""

    places: tuple[tuple[float, float], ...]
    text: str
    kind: Kind | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline through `places` in pixels; `kind` gives its dashes."""

    places: tuple[tuple[float, float], ...]
    text: str
    kind: Kind | None = None

    @property
    def path(self) -> str:
        """For SVG's `points`."""
        return " ".join(f"{x},{y}" for x, y in self.places)


@dataclass(frozen=True, slots=True)
class Dot:
    """A point in pixels, `series` its number, `band` the ends of its upright line."""

    x: float
    y: float
    series: int
    title: str
    doubted: bool = False
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ScatterDrawing:
    """The plot in one layout. `key` tells what numbers stand for names, `unnamed` dots have neither."""

    layout: Layout
    height: float
    x: Axis
    y: Axis
    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    texts: tuple[Text, ...]
    leaders: tuple[Leader, ...] = ()
    key: tuple[tuple[int, str], ...] = ()
    unnamed: int = 0


@dataclass(frozen=True, slots=True)
class Scatter:
    """A plot in both layouts; `kinds` are those of the series, `told` says in words what is drawn."""

    subject: Subject
    series: tuple[str, ...]
    kinds: tuple[Kind | None, ...]
    points: tuple[Point, ...]
    drawings: tuple[ScatterDrawing, ...]
    warning: str = ""
    left_out: int = 0
    told: str = ""

    @property
    def keys(self) -> tuple[tuple[int, str, str], ...]:
        """Shape, style and name of each series."""
        return tuple((at, f"s{at % _SHAPES}", name) for at, name in enumerate(self.series))

    @property
    def lines(self) -> tuple[Line, ...]:
        """Of the wide layout."""
        return self.drawings[0].lines

    @property
    def doubted(self) -> bool:
        """Whether any dot is one of doubt."""
        return any(one.doubted for one in self.points)

    @property
    def banded(self) -> bool:
        """Whether any dot has a band that is seen."""
        return any(dot.band for one in self.drawings for dot in one.dots)


def scatter(
    subject: Subject,
    titles: tuple[str, str],
    points: Sequence[Point],
    corners: Sequence[Corner],
    kinds: Sequence[Kind | None] = (),
    warning: str = "",
) -> Scatter | None:
    """The plot of all positive points; None without any. `titles` are of both axes, `kinds` of the series."""
    usable = [point for point in points if point.x > 0 and point.y > 0]
    if not usable:
        return None
    shown = usable[:POINT_LIMIT]
    series = tuple(dict.fromkeys(point.series for point in points))
    drawings = tuple(_drawn(layout, subject, titles, shown, corners, series) for layout in (WIDE, NARROW))
    told = "; ".join(one.text for one in shown[:_TOLD]) + ("; …" if len(shown) > _TOLD else "")
    return Scatter(
        *(subject, series, tuple(kinds), tuple(shown), drawings, warning, len(usable) - len(shown), told)
    )


def _axes(
    layout: Layout, subject: Subject, points: Sequence[Point], corners: Sequence[Corner]
) -> tuple[Axis, Axis]:
    places = [(one.x, one.y) for one in points] + [place for corner in corners for place in corner.places]
    across = [x for x, _ in places]
    up = [y for _, y in places] + [end for one in points for end in one.band or ()]
    height, show, logarithmic = HEIGHTS[layout.narrow], subject.show, subject.logarithmic
    y = axis(up, height - _BOTTOM, _TOP, show, logarithmic)
    left = max((text_px(tick.label, SMALL_PX) for tick in y.ticks), default=0.0) + 12
    x = axis(across, left, layout.width - _RIGHT, show, logarithmic, (2.0, layout.width - 2))
    return x, y


def _drawn(
    layout: Layout,
    subject: Subject,
    titles: tuple[str, str],
    points: Sequence[Point],
    corners: Sequence[Corner],
    series: Sequence[str],
) -> ScatterDrawing:
    x, y = _axes(layout, subject, points, corners)
    height = HEIGHTS[layout.narrow]
    number = {name: at for at, name in enumerate(series)}
    dots = [_dot(one, x, y, number[one.series]) for one in points]
    lines = tuple(
        Line(tuple((x.at(a), y.at(b)) for a, b in corner.places), corner.text, corner.kind)
        for corner in corners
    )
    named = [(dot, point) for dot, point in zip(dots, points, strict=True) if point.label]
    wishes = [
        Wish(*_middle(corner, x, y), corner.label, True)
        for corner in corners
        if corner.label and corner.places
    ]
    limit = NAMED_LIMIT[layout.narrow] // (3 if len(dots) > CROWD else 1)
    wishes += [Wish(dot.x, dot.y, point.label) for dot, point in named[:limit]]
    area = Box(x.start + 1, _TOP - 8, layout.width - 2, y.start - 1)
    names = place_names(wishes, area, [(dot.x, dot.y) for dot in dots], _lines_taken(lines, dots))
    room = layout.width - 8
    texts = (
        *(*x.labels(y.start + 20), *y.labels_beside(x.start - 6), *names.texts),
        Text(2.0, 14.0, fitted(axis_title(titles[1], y), room, SMALL_PX), style="axis"),
        Text(
            *(layout.width - 2, height - 12, fitted(axis_title(titles[0], x), room, SMALL_PX)),
            *(Anchor.END, SMALL_PX, "axis"),
        ),
    )
    unnamed = names.unnamed + max(0, len(named) - limit)
    return ScatterDrawing(
        *(layout, height, x, y, tuple(dots), lines, texts, names.leaders, names.key, unnamed)
    )


def _dot(point: Point, x: Axis, y: Axis, series: int) -> Dot:
    band = seen_band(point.band, y, 9.0)
    return Dot(x.at(point.x), y.at(point.y), series, point.text, point.doubted, band)


def _lines_taken(lines: Sequence[Line], dots: Sequence[Dot]) -> Iterator[Box]:
    """Where no name may stand: on the lines, and on the bands."""
    for line in lines:
        for one, other in pairwise(line.places):
            yield from along(*one, *other)
    for dot in dots:
        if dot.band:
            yield Box(dot.x - 1, min(dot.band), dot.x + 1, max(dot.band))


def _middle(corner: Corner, x: Axis, y: Axis) -> tuple[float, float]:
    """The middle of a line's longest stretch, in pixels."""
    places = [(x.at(a), y.at(b)) for a, b in corner.places]
    if len(places) < 2:
        return places[0]
    stretches = pairwise(places)
    (ax, ay), (bx, by) = max(stretches, key=lambda pair: abs(pair[0][0] - pair[1][0]))
    return (ax + bx) / 2, (ay + by) / 2
