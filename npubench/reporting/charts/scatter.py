"""Geometry of scatter plots on two axes: roofline and cost against throughput; `plots.svg.j2` draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind
from npubench.domain.text import visible
from npubench.reporting.charts.axis import Axis, Show, axis
from npubench.reporting.charts.row_chart import WIDTH

LEFT_PX, RIGHT_PX, TOP_PX, HEIGHT, AXIS_PX = 78.0, 24.0, 26.0, 380.0, 50.0


@dataclass(frozen=True, slots=True)
class Point:
    """One dot in units of the axes; `label` stands beside it."""

    x: float
    y: float
    series: str
    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """In pixels."""

    x: float
    y: float
    series: int
    text: str
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline in pixels; `kind` gives its dashes."""

    path: str
    text: str
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Scatter:
    """A drawn plot."""

    name: str
    title: str
    about: str
    kind: Kind | None
    series: tuple[str, ...]
    kinds: tuple[Kind | None, ...]
    points: tuple[PlacedPoint, ...]
    lines: tuple[Line, ...]
    x: Axis
    y: Axis
    x_title: str
    y_title: str
    warning: str = ""
    left_out: int = 0
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def keys(self) -> tuple[tuple[int, str, str], ...]:
        """Shape, style and name of each series."""
        return tuple((at, f"s{at % 8}", name) for at, name in enumerate(self.series))


@dataclass(frozen=True, slots=True)
class Corner:
    """A line in units of the axes, through these places."""

    places: tuple[tuple[float, float], ...]
    text: str
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Titles:
    """What a plot says of itself."""

    name: str
    title: str
    about: str
    x: str
    y: str


POINT_LIMIT = 2000


def scatter(
    titles: Titles,
    kind: Kind | None,
    points: Sequence[Point],
    corners: Sequence[Corner],
    shows: tuple[Show, Show],
    kinds: Sequence[Kind | None] = (),
    warning: str = "",
    logarithmic: bool | None = None,
) -> Scatter | None:
    """The plot of all positive points; None without any. `kinds` are those of the series, in their order."""
    usable = [point for point in points if point.x > 0 and point.y > 0]
    if not usable:
        return None
    shown = usable[:POINT_LIMIT]
    ends = [place for corner in corners for place in corner.places]
    places = [(point.x, point.y) for point in shown] + ends
    x = axis([one for one, _ in places], LEFT_PX, WIDTH - RIGHT_PX, shows[0], logarithmic)
    y = axis([other for _, other in places], HEIGHT - AXIS_PX, TOP_PX, shows[1], logarithmic)
    series = tuple(dict.fromkeys(point.series for point in points))
    placed = tuple(_placed(point, series, x, y) for point in shown)
    lines = tuple(
        Line(" ".join(f"{x.at(a)},{y.at(b)}" for a, b in corner.places), visible(corner.text), corner.kind)
        for corner in corners
    )
    return Scatter(
        *(titles.name, titles.title, titles.about, kind, series, tuple(kinds), placed, lines, x, y),
        x_title=titles.x,
        y_title=titles.y,
        warning=warning,
        left_out=len(usable) - len(shown),
    )


def _placed(point: Point, series: Sequence[str], x: Axis, y: Axis) -> PlacedPoint:
    left = x.at(point.x)
    # Labels of dots on the right half stand to their left, so that none leaves the plot.
    anchor = "start" if left < WIDTH / 2 else "end"
    return PlacedPoint(
        left, y.at(point.y), series.index(point.series), visible(point.text), point.label, anchor
    )
