"""Charts of rows of marks on one axis, drawn in both layouts; `plots.svg.j2` writes and escapes them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Kind
from npubench.reporting.charts.axis import Axis, Show, axis
from npubench.reporting.charts.layout import NARROW, WIDE, Layout
from npubench.reporting.charts.texts import FONT_PX, SMALL_PX, Anchor, Box, Text, fitted, widest_px
from npubench.reporting.data.formatting import duration
from npubench.reporting.data.translate import translate

NAME_PX = 230.0
"""What a name beside its marks takes at most; longer ones are cut in their middle."""

TOP_PX, AXIS_PX = 8.0, 46.0
"""Above the rows; below them, for a line of the axis's labels and one of its title."""

ROW_LIMIT = 40
SERIES_LIMIT = 8
"""As many shapes as a reader tells apart; further series have no room."""

_ROW_PX, _LANE_PX, _BAR_PX, _NAME_LINE_PX = 25.0, 12.0, 14.0, 19.0
_LEAST_AXIS_PX = 90.0
_TOLD = 8
"""Rows that the words for those who do not see a chart repeat."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a chart says of itself, and how its axis is drawn, at which `bars` of its figures start.

    `unit` is the axis's title: what is told, in which unit where its labels have none. `band` says what
    the lines below marks are.
    """

    name: str
    title: str
    about: str
    kind: Kind | None
    show: Show = duration
    logarithmic: bool | None = None
    bars: bool = False
    unit: str = ""
    band: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure of a row: its `style` gives the colour, a pointer shows the `title`.

    `label` stands beside the mark, at its `side`. Entries of several `lane`s stand below each other.
    `band` is what the figure is known to lie within; `doubted` ones are not to be relied on.
    """

    value: float
    shape: int
    style: str
    title: str
    size: float = 4.5
    label: str = ""
    side: Anchor = Anchor.START
    lane: int = 0
    doubted: bool = False
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """A name with its figures; `linked` joins the first and the last, `medians` are bars.

    `note` is a remark, of which a `slower` one is a warning.
    """

    name: str
    entries: tuple[Entry, ...]
    medians: tuple[Entry, ...] = ()
    linked: bool = False
    note: str = ""
    slower: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure in pixels, with the ends of its band."""

    x: float
    y: float
    shape: int
    style: str
    title: str
    size: float = 4.5
    label: str = ""
    doubted: bool = False
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A name with its marks; `name` is the whole of what `label` may shorten.

    `link` joins two marks, `medians` are bars, `texts` are the values beside the marks and the remark.
    """

    y: float
    label: Text
    name: str
    marks: tuple[Mark, ...]
    medians: tuple[Mark, ...] = ()
    link: tuple[float, float] | None = None
    texts: tuple[Text, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class RowDrawing:
    """The rows in one layout; `labels` are texts of the axis."""

    layout: Layout
    rows: tuple[Row, ...]
    axis: Axis
    labels: tuple[Text, ...]
    height: float

    @property
    def bottom(self) -> float:
        """Where the axis lies."""
        return self.height - AXIS_PX

    @property
    def texts(self) -> tuple[Text, ...]:
        """All of the picture's."""
        return (*self.labels, *(text for row in self.rows for text in (row.label, *row.texts)))


@dataclass(frozen=True, slots=True)
class RowChart:
    """A chart in both layouts; `left_out` rows and `series_left_out` series found no room.

    `keys` are shape, style and name of each series; `absent` are cases that gave no figure, each with why;
    `told` says in words what is drawn.
    """

    subject: Subject
    keys: tuple[tuple[int, str, str], ...]
    drawings: tuple[RowDrawing, ...]
    left_out: int
    series_left_out: int = 0
    emulated: bool = False
    warning: str = ""
    keyed: bool = False
    """Whether one series alone is named by its mark, too."""
    absent: tuple[str, ...] = ()
    told: str = ""

    @property
    def rows(self) -> tuple[Row, ...]:
        """Of the wide layout."""
        return self.drawings[0].rows

    @property
    def axis(self) -> Axis:
        """Of the wide layout."""
        return self.drawings[0].axis

    @property
    def doubted(self) -> bool:
        """Whether any mark is one of doubt."""
        return any(one.doubted for row in self.rows for one in row.marks)

    @property
    def banded(self) -> bool:
        """Whether any mark has a band that is seen."""
        return any(mark.band for one in self.drawings for row in one.rows for mark in row.marks)


@dataclass(frozen=True, slots=True)
class Value:
    """One figure of one series; `text` is what a pointer shows, `label` what stands beside the mark."""

    series: str
    value: float
    text: str
    label: str = ""
    doubted: bool = False
    band: tuple[float, float] | None = None


def row_chart(
    subject: Subject,
    rows: Sequence[tuple[str, Sequence[Value]]],
    warning: str = "",
    absent: Sequence[str] = (),
) -> RowChart | None:
    """The chart of the first names that have room, largest series first; None without a positive figure."""
    counts = Counter(one.series for _, values in rows for one in values)
    series = sorted(sorted(counts, key=lambda one: (-counts[one], one))[:SERIES_LIMIT])
    positive = [(name, [v for v in values if v.series in series and v.value > 0]) for name, values in rows]
    having = [(name, values) for name, values in positive if values]
    shown = having[:ROW_LIMIT]
    if not shown:
        return None
    bands = [
        Band(name, tuple(_entry(one, series.index(one.series), subject.bars) for one in values))
        for name, values in shown
    ]
    if subject.bars:
        bands = [_in_lanes(band) for band in bands]
    keys = tuple((at, f"s{at}", name) for at, name in enumerate(series))
    return RowChart(
        *(subject, keys, draw_rows(subject, bands), len(having) - len(shown)),
        series_left_out=len(counts) - len(series),
        warning=warning,
        absent=tuple(absent),
        told=told_of(bands),
    )


def _entry(value: Value, series: int, bars: bool) -> Entry:
    return Entry(
        *(value.value, series, f"s{series}", value.text),
        label=value.label,
        size=3.5 if bars else 4.5,
        doubted=value.doubted,
        band=value.band,
    )


def _in_lanes(band: Band) -> Band:
    """Bars of several series stand below each other, where dots may stand side by side."""
    return replace(band, entries=tuple(replace(one, lane=at) for at, one in enumerate(band.entries)))


def told_of(bands: Sequence[Band]) -> str:
    """The first rows in words."""
    lines = [f"{band.name}: {', '.join(one.title for one in band.entries[:4])}" for band in bands[:_TOLD]]
    return "; ".join(lines) + ("; …" if len(bands) > _TOLD else "")


def draw_rows(subject: Subject, bands: Sequence[Band]) -> tuple[RowDrawing, ...]:
    """In both layouts. Raises ValueError without a band."""
    return tuple(_drawn(layout, subject, bands) for layout in (WIDE, NARROW))


def axis_title(unit: str, scale: Axis) -> str:
    """`unit`, and that equal steps of it are equal factors where they are."""
    return translate("{what}, logarithmic", what=unit) if unit and scale.logarithmic else unit


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where things stand in a layout: names up to `room` pixels wide that end at `names`, then the axis."""

    room: float
    names: float
    start: float
    end: float


def _columns(layout: Layout, bands: Sequence[Band]) -> _Columns:
    entries = [one for band in bands for one in band.entries if one.label]
    before = widest_px([one.label for one in entries if one.side is Anchor.END], SMALL_PX)
    after = widest_px([one.label for one in entries if one.side is Anchor.START], SMALL_PX)
    notes = widest_px([band.note for band in bands], SMALL_PX)
    left, right = (side + 14 if side else 12.0 for side in (before, after))
    if layout.narrow:
        names = layout.width - 4 - (notes + 12 if notes else 0.0)
        return _Columns(names, 2.0, min(left, 110.0), layout.width - min(right, 110.0))
    end = layout.width - 4 - right - (notes + 12 if notes else 0.0)
    room = min(NAME_PX, max(end - left - _LEAST_AXIS_PX, 40.0))
    names = widest_px([fitted(band.name, room) for band in bands])
    return _Columns(room, names + 2, names + 2 + left, end)


def _drawn(layout: Layout, subject: Subject, bands: Sequence[Band]) -> RowDrawing:
    columns = _columns(layout, bands)
    entries = [one for band in bands for one in (*band.entries, *band.medians)]
    values = [value for one in entries for value in (one.value, *(one.band or ()))]
    room = (2.0, layout.width - 2)
    scale = axis(values, columns.start, columns.end, subject.show, subject.logarithmic, room)
    rows, top = [], TOP_PX
    for band in bands:
        row, height = _row(layout, subject.bars, columns, scale, band, top)
        rows.append(row)
        top += height
    labels = [*scale.labels(top + 18)]
    if unit := axis_title(subject.unit, scale):
        unit = fitted(unit, layout.width - 4, SMALL_PX)
        labels.append(Text(layout.width - 2, top + 36, unit, Anchor.END, style="axis"))
    return RowDrawing(layout, tuple(rows), scale, tuple(labels), round(top + AXIS_PX, 1))


def _row(
    layout: Layout, bars: bool, columns: _Columns, scale: Axis, band: Band, top: float
) -> tuple[Row, float]:
    """A row that begins at `top`, and its height."""
    lanes = 1 + max((one.lane for one in (*band.entries, *band.medians)), default=0)
    lane_px = _BAR_PX if bars else _LANE_PX
    named = _NAME_LINE_PX if layout.narrow else 0.0
    height = named + max(_ROW_PX, lane_px * lanes + 11)
    middle = round(top + named + (height - named) / 2, 1)
    first = middle - lane_px * (lanes - 1) / 2
    marks = _dodged(
        [_mark(one, scale, round(first + lane_px * one.lane, 1)) for one in band.entries],
        lanes == 1 and not band.linked,
    )
    medians = tuple(_mark(one, scale, round(first + lane_px * one.lane, 1)) for one in band.medians)
    line = top + 14 if layout.narrow else middle + 4
    style = "note slower" if band.slower else "note"
    note = Text(layout.width - 4, round(line, 1), band.note, Anchor.END, style=style)
    texts = [note] if band.note else []
    name = _name(layout, columns, band.name, round(line, 1))
    values = _values(layout, band.entries, marks, [one.box for one in (name, *texts)])
    places = [one.x for one in marks]
    row = Row(
        *(middle, name, band.name, tuple(marks), medians),
        link=(min(places), max(places)) if band.linked and len(places) > 1 else None,
        texts=(*values, *texts),
        note=band.note,
    )
    return row, height


def _name(layout: Layout, columns: _Columns, name: str, line: float) -> Text:
    anchor = Anchor.START if layout.narrow else Anchor.END
    return Text(columns.names, line, fitted(name, columns.room), anchor, FONT_PX, "label")


def _mark(entry: Entry, scale: Axis, y: float) -> Mark:
    band = seen_band(entry.band, scale, 2 * entry.size)
    shown = (entry.shape, entry.style, entry.title, entry.size, entry.label, entry.doubted)
    return Mark(scale.at(entry.value), y, *shown, band)


def seen_band(band: tuple[float, float] | None, scale: Axis, mark_px: float) -> tuple[float, float] | None:
    """A band in pixels; None where its mark, of `mark_px`, hides it."""
    ends = (scale.at(band[0]), scale.at(band[1])) if band else None
    return ends if ends and abs(ends[1] - ends[0]) > mark_px + 2 else None


def _dodged(marks: Sequence[Mark], alone: bool) -> list[Mark]:
    """Marks that would hide each other stand a little above and below their line."""
    if not alone or len(marks) < 2:
        return list(marks)
    ends = {0.0: -9.0, -6.5: -9.0, 6.5: -9.0}
    moved: dict[int, Mark] = {}
    for at, one in sorted(enumerate(marks), key=lambda item: item[1].x):
        free = [shift for shift, end in ends.items() if one.x - end >= 2 * one.size]
        shift = free[0] if free else min(ends, key=lambda shift: ends[shift])
        ends[shift] = one.x
        moved[at] = replace(one, y=round(one.y + shift, 1))
    return [moved[at] for at in range(len(marks))]


def _values(
    layout: Layout, entries: Sequence[Entry], marks: Sequence[Mark], taken: Sequence[Box]
) -> list[Text]:
    """Values at the sides that they ask for, else at the other one, else not: the table has them."""
    texts: list[Text] = []
    blocked = [Box(one.x - 6, one.y - 6, one.x + 6, one.y + 6) for one in marks]
    for at, (entry, mark) in enumerate(zip(entries, marks, strict=True)):
        if not mark.label:
            continue
        others = blocked[:at] + blocked[at + 1 :] + [text.box for text in texts] + [*taken]
        other_side = Anchor.END if entry.side is Anchor.START else Anchor.START
        for side in (entry.side, other_side):
            x = mark.x + (10.0 if side is Anchor.START else -10.0)
            text = Text(round(x, 1), round(mark.y + 4, 1), mark.label, side, style="value")
            inside = text.box.left >= 0 and text.box.right <= layout.width
            if inside and not any(text.box.meets(box) for box in others):
                texts.append(text)
                break
    return texts
