"""Geometry of scatter plots on two axes: roofline and cost against throughput; `plots.svg.j2` draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.reporting.charts.axis import Axis, axis
from npubench.reporting.charts.row_chart import WIDTH, Subject

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
class Line:
    """A polyline in pixels; `kind` gives its dashes."""

    path: str
    text: str
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Scatter:
    """A drawn plot; `kinds` are those of the series."""

    subject: Subject
    titles: tuple[str, str]
    series: tuple[str, ...]
    kinds: tuple[Kind | None, ...]
    points: tuple[Point, ...]
    lines: tuple[Line, ...]
    x: Axis
    y: Axis
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


POINT_LIMIT = 2000


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
    ends = [place for corner in corners for place in corner.places]
    places = [(point.x, point.y) for point in shown] + ends
    show, logarithmic = subject.show, subject.logarithmic
    x = axis([one for one, _ in places], LEFT_PX, WIDTH - RIGHT_PX, show, logarithmic)
    y = axis([other for _, other in places], HEIGHT - AXIS_PX, TOP_PX, show, logarithmic)
    series = tuple(dict.fromkeys(point.series for point in points))
    lines = tuple(
        Line(" ".join(f"{x.at(a)},{y.at(b)}" for a, b in corner.places), corner.text, corner.kind)
        for corner in corners
    )
    left_out = len(usable) - len(shown)
    return Scatter(subject, titles, series, tuple(kinds), tuple(shown), lines, x, y, warning, left_out)
