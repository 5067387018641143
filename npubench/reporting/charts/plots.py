"""Charts of rows of marks on one axis, and scatter plots on two; `plots.svg.j2` draws and escapes them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.domain.text import columns_of, shortened, visible
from npubench.reporting.charts.axis import Axis, Show, axis
from npubench.reporting.data.formatting import duration

WIDTH = 960.0
LABEL_COLUMNS, LABEL_PX = 34, 280.0
FONT_PX = 12.5
"""Size of labels in charts.css; `text_px` must know it to leave them room."""

TOP_PX, AXIS_PX = 8.0, 34.0
ROW_LIMIT = 40
SERIES_LIMIT = 8
"""As many shapes as a reader tells apart; further series have no room."""

_ROW_PX, _RIGHT_PX = 24.0, 64.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What a chart says of itself, and how its axis is drawn, at which `bars` of its figures start."""

    name: str
    title: str
    about: str
    kind: Kind | None
    show: Show = duration
    logarithmic: bool | None = None
    bars: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure in pixels: its `style` gives the colour, a pointer shows the `title`."""

    x: float
    y: float
    shape: int
    style: str
    title: str
    size: float = 4.5
    label: str = ""
    label_x: float = 0.0
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Row:
    """A name with its marks; `name` is the whole of what `label` may shorten.

    `link` joins two marks, `medians` are bars, `note` stands at the right end.
    """

    y: float
    label: str
    name: str
    marks: tuple[Mark, ...]
    medians: tuple[Mark, ...] = ()
    link: tuple[float, float] | None = None
    note: str = ""
    slower: bool = False


@dataclass(frozen=True, slots=True)
class RowChart:
    """A drawn chart; `left_out` rows and `series_left_out` series found no room.

    `keys` are shape, style and name of each series.
    """

    subject: Subject
    keys: tuple[tuple[int, str, str], ...]
    rows: tuple[Row, ...]
    axis: Axis
    label_x: float
    height: float
    left_out: int
    series_left_out: int = 0
    emulated: bool = False
    warning: str = ""
    guided: bool = True
    """Whether a dotted line leads from each name to its marks."""
    width: float = WIDTH


@dataclass(frozen=True, slots=True)
class Value:
    """One figure of one series; `text` is what a pointer shows, `label` what stands beside the mark."""

    series: str
    value: float
    text: str
    label: str = ""


def row_chart(
    subject: Subject, rows: Sequence[tuple[str, Sequence[Value]]], warning: str = ""
) -> RowChart | None:
    """The chart of the first names that have room, largest series first; None without a positive figure."""
    counts = Counter(one.series for _, values in rows for one in values)
    series = sorted(sorted(counts, key=lambda one: (-counts[one], one))[:SERIES_LIMIT])
    positive = [(name, [v for v in values if v.series in series and v.value > 0]) for name, values in rows]
    having = [(name, values) for name, values in positive if values]
    shown = having[:ROW_LIMIT]
    if not shown:
        return None
    label_x = label_width([name for name, _ in shown])
    known = [one.value for _, values in shown for one in values]
    scale = axis(known, label_x + 24, WIDTH - _RIGHT_PX, subject.show, subject.logarithmic)
    placed = []
    for at, (name, values) in enumerate(shown):
        y = round(TOP_PX + _ROW_PX * (at + 0.5), 1)
        marks = tuple(_placed(one, series.index(one.series), scale.at(one.value), y) for one in values)
        placed.append(Row(y, label_of(name), name, marks))
    keys = tuple((at, f"s{at}", name) for at, name in enumerate(series))
    return RowChart(
        *(subject, keys, tuple(placed), scale, label_x),
        height=TOP_PX + _ROW_PX * len(placed) + AXIS_PX,
        left_out=len(having) - len(shown),
        series_left_out=len(counts) - len(series),
        warning=warning,
    )


def _placed(value: Value, series: int, x: float, y: float) -> Mark:
    return Mark(x, y, series, f"s{series}", value.text, label=value.label, label_x=x + 9)


def label_of(name: str) -> str:
    """`name` cut until it has room."""
    text = visible(name).replace("\n", " ")
    limits = range(LABEL_COLUMNS, 1, -1)
    return next((cut for limit in limits if text_px(cut := shortened(text, limit)) <= LABEL_PX), "…")


def label_width(names: Sequence[str]) -> float:
    """Pixels that the widest of these labels takes."""
    return round(max(text_px(label_of(name)) for name in names) + 4)


def text_px(text: str) -> float:
    """Pixels of a label in DejaVu Sans, the widest of the common sans serifs: em by class of letter."""
    return FONT_PX * sum(
        1.0
        if c in "mwMW@%…—" or columns_of(c) == 2
        else 0.42
        if c in "ijl.,:;|!' ()[]ftr"
        else 0.79
        if c.isupper() or not c.isascii() or c in "+<=>~#&"
        else 0.645
        for c in text
    )


HEIGHT = 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 78.0, WIDTH - 24.0, 26.0, HEIGHT - 50.0
"""Edges of a scatter plot's area in pixels."""


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
    x = axis([one for one, _ in places], _LEFT, _RIGHT, show, logarithmic)
    y = axis([other for _, other in places], _BOTTOM, _TOP, show, logarithmic)
    series = tuple(dict.fromkeys(point.series for point in points))
    lines = tuple(
        Line(" ".join(f"{x.at(a)},{y.at(b)}" for a, b in corner.places), corner.text, corner.kind)
        for corner in corners
    )
    left_out = len(usable) - len(shown)
    return Scatter(subject, titles, series, tuple(kinds), tuple(shown), lines, x, y, warning, left_out)
