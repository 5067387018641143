"""The latency distribution of a case, from every call's time that a workspace keeps."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.reporting.charts.axis import Axis, Tick, axis, narrow_axis
from npubench.reporting.charts.bins import MOST, Bins, Overflow, bins_of
from npubench.reporting.charts.layout import NARROW, WIDE, Layout
from npubench.reporting.charts.plots import axis_title
from npubench.reporting.charts.texts import SMALL_PX, Anchor, Text, meeting, widest_px
from npubench.reporting.data.figures import latency_of
from npubench.reporting.data.formatting import duration, significant
from npubench.reporting.data.translate import translate, translate_count
from npubench.storage.hashing import sha256_of_file

HEIGHT, TOP_PX, LINE_PX = 250.0, 74.0, 16.0
BOTTOM_PX = 60.0
"""Below the bars: a line of the axis's labels, one of what lies beyond it, one of its title."""

OVERFLOW_PX, GAP_PX = 26.0, 14.0
"""The bin of what lies beyond the axis, and what sets it apart."""

LEAST_SAMPLES = 16
"""Below these a histogram shows calls, not a shape, and says so."""

MARKED = (("p50", "median"), ("p90", "p90"), ("p99", "p99"))

Samples = Mapping[str, Sequence[Sequence[float]]]
"""Key of a row to its calls' times in microseconds, by round."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin in pixels, with what a pointer shows; `beyond` is one of what the axis does not hold."""

    x: float
    width: float
    y: float
    height: float
    text: str
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A statistic: its line from `top` down at `x`."""

    x: float
    top: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """A drawing in one layout; `texts` are all of its texts."""

    layout: Layout
    bars: tuple[Bar, ...]
    x: Axis
    y: Axis
    levels: tuple[Level, ...]
    texts: tuple[Text, ...]
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class Distribution:
    """The histogram of a case; `told` says in words what it shows, for those who do not see it."""

    case: str
    board: str
    precision: str
    calls: int
    few: bool
    logarithmic: bool
    told: str
    drawings: tuple[Histogram, ...]


def widest(results: Sequence[Result]) -> Result | None:
    """The measured model (else operator) whose calls spread most: p99, else the largest, over the median."""
    timed = [row for row in results if not row.emulated and row.samples_path and _spread(row)]
    models = [row for row in timed if row.case_kind is CaseKind.MODEL]
    return max(models or timed, key=_spread, default=None)


def _spread(row: Result) -> float:
    latency = latency_of(row, Kind.MEASURED)
    if latency is None or not latency.p50 or latency.max is None:
        return 0.0
    return (latency.p99 or latency.max) / latency.p50


def samples_of(root: Path, row: Result) -> Sequence[Sequence[float]] | None:
    """A row's calls' times in us, by round; None where the file is gone or is not what was written."""
    file = root / row.samples_path if row.samples_path else None
    if file is None or not file.is_file() or sha256_of_file(file) != row.samples_sha256:
        return None
    rounds: Sequence[Sequence[float]] = json.loads(file.read_text(encoding="utf-8"))["rounds"]
    return rounds


def distribution(row: Result, rounds: Sequence[Sequence[float]]) -> Distribution | None:
    """The histogram of all rounds; None without a time. Bins are those of `bins_of`."""
    times = [time for one in rounds for time in one if 0 < time < math.inf]
    if not times:
        return None
    marks = _marks(row)
    found = {layout: bins_of(times, MOST if not layout.narrow else MOST // 2) for layout in (WIDE, NARROW)}
    texts = [f"{name} {duration(value)}" for name, value in marks]
    beyond = [_beyond(one, above) for one, above in _overflows(found[WIDE])]
    return Distribution(
        *(row.case, row.board, row.precision.value, len(times)),
        few=len(times) < LEAST_SAMPLES,
        logarithmic=found[WIDE].logarithmic,
        told="; ".join((f"{duration(min(times))} – {duration(max(times))}", *texts, *beyond)),
        drawings=tuple(_drawn(layout, bins, marks) for layout, bins in found.items()),
    )


def _marks(row: Result) -> list[tuple[str, float]]:
    """Median, p90 and p99, as far as the samples tell them."""
    latency = latency_of(row, Kind.MEASURED)
    values = [(translate(word), getattr(latency, name)) for name, word in MARKED] if latency else []
    return [(word, value) for word, value in values if value is not None]


def _overflows(bins: Bins) -> list[tuple[Overflow, bool]]:
    """What lies beyond each end, and whether that is the upper one."""
    return [(one, one is bins.above) for one in (bins.below, bins.above) if one]


def _beyond(one: Overflow, above: bool) -> str:
    calls = translate_count(one.count, "{count} call", "{count} calls")
    time = duration(one.farthest)
    if above:
        return translate("+{calls} up to {time}", calls=calls, time=time)
    return translate("+{calls} down to {time}", calls=calls, time=time)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things stand in a layout: bars between `left` and `right`, bins of the rest beside them."""

    layout: Layout
    bins: Bins
    left: float
    right: float
    bottom: float
    x: Axis
    y: Axis

    def place(self, value: float) -> float:
        """Where a time stands, in the bin of its end where the axis does not hold it."""
        if value > self.bins.edges[-1]:
            return self.right + GAP_PX + OVERFLOW_PX / 2 if self.bins.above else self.right
        if value < self.bins.edges[0]:
            return self.left - GAP_PX - OVERFLOW_PX / 2 if self.bins.below else self.left
        return self.x.at(value)


def _drawn(layout: Layout, bins: Bins, marks: Sequence[tuple[str, float]]) -> Histogram:
    frame = _frame(layout, bins)
    levels, named = _levels(frame, marks)
    bottom = frame.bottom
    texts = [*frame.x.labels(bottom + 20), *frame.y.labels_beside(_margin(frame.y) - 6), *named]
    texts += _beyond_texts(frame)
    texts.append(Text(2.0, TOP_PX - 12, _upright_title(), style="axis"))
    title = axis_title(translate("latency"), frame.x)
    texts.append(Text(layout.width - 2, HEIGHT - 6, title, Anchor.END, style="axis"))
    return Histogram(layout, _bars(frame), frame.x, frame.y, levels, tuple(texts))


def _upright_title() -> str:
    return translate("calls")


def _margin(y: Axis) -> float:
    """What the upright axis's labels take, and its title, through which no line of a statistic runs."""
    return widest_px([_upright_title(), *(tick.label for tick in y.ticks)], SMALL_PX) + 12


def _frame(layout: Layout, bins: Bins) -> _Frame:
    bottom = HEIGHT - BOTTOM_PX
    most = max([*bins.counts, *(one.count for one, _ in _overflows(bins))])
    y = axis([most], bottom, TOP_PX, _whole, logarithmic=False)
    left = _margin(y) + (OVERFLOW_PX + GAP_PX if bins.below else 0.0)
    right = layout.width - 12 - (OVERFLOW_PX + GAP_PX if bins.above else 0.0)
    room = (2.0, layout.width - 2)
    low, high = bins.edges[0], bins.edges[-1]
    if len(bins.counts) == 1:
        # One value alone: its bar in the middle, with its value below it.
        bare = Axis(low - 4 * (high - low), high + 4 * (high - low), left, right, False)
        middle = (low + high) / 2
        x = Axis(bare.low, bare.high, left, right, False, (Tick(bare.at(middle), duration(middle, 4)),))
    elif bins.logarithmic:
        x = axis([low, high], left, right, logarithmic=True, room=room)
    else:
        x = narrow_axis(low, high, left, right, duration, room)
    return _Frame(layout, bins, left, right, bottom, x, y)


def _whole(value: float, digits: int) -> str:  # noqa: ARG001
    """No half calls."""
    return significant(round(value), 1) if abs(value - round(value)) < 1e-9 else ""


def _bars(frame: _Frame) -> tuple[Bar, ...]:
    bins, bars = frame.bins, []
    for left, right, count in zip(bins.edges, bins.edges[1:], bins.counts, strict=False):
        if count:
            x, end = frame.x.at(left), frame.x.at(right)
            text = f"{duration(left, 4)} – {duration(right, 4)}: {count}"
            bars.append(_bar(frame, x, max(end - x - 1, 1), count, text))
    for one, above in _overflows(bins):
        x = frame.right + GAP_PX if above else frame.left - GAP_PX - OVERFLOW_PX
        bars.append(_bar(frame, x, OVERFLOW_PX, one.count, _beyond(one, above), beyond=True))
    return tuple(bars)


def _bar(frame: _Frame, x: float, width: float, count: int, text: str, beyond: bool = False) -> Bar:
    # One call among a hundred thousand still shows.
    height = max(frame.bottom - frame.y.at(count), 1.5)
    return Bar(round(x, 1), round(width, 1), round(frame.bottom - height, 1), round(height, 1), text, beyond)


def _beyond_texts(frame: _Frame) -> list[Text]:
    """On a line below the axis; of both ends, where these have no room on one, the lower beside the title."""
    line = frame.bottom + 38
    found = []
    for one, above in _overflows(frame.bins):
        x, anchor = (frame.layout.width - 2, Anchor.END) if above else (2.0, Anchor.START)
        text = Text(x, line, _beyond(one, above), anchor, style="beyond")
        found.append(text)
    if meeting(found):
        found[0] = Text(found[0].x, HEIGHT - 6, found[0].text, found[0].anchor, style="beyond")
    return found


def _levels(frame: _Frame, marks: Sequence[tuple[str, float]]) -> tuple[tuple[Level, ...], list[Text]]:
    """Lines of the statistics, and their names on lines of their own that no line crosses.

    Of three names there are 48 ways to stand left or right of their line on one of three heights; the first
    in which no name leaves the picture and no line goes through a name is taken.
    """
    told = [(frame.place(value), f"{word} {duration(value)}") for word, value in marks]
    heights = [TOP_PX - 28 - LINE_PX * at for at in range(len(told))][::-1]
    best: tuple[int, tuple[Level, ...], list[Text]] | None = None
    for order in permutations(heights):
        for anchors in product((Anchor.START, Anchor.END), repeat=len(told)):
            texts = [
                Text(x + (4 if anchor is Anchor.START else -4), y, text, anchor, style="value")
                for (x, text), y, anchor in zip(told, order, anchors, strict=True)
            ]
            levels = tuple(Level(x, y - 9) for (x, _), y in zip(told, order, strict=True))
            faults = _faults(frame, levels, texts)
            if best is None or faults < best[0]:
                best = faults, levels, texts
            if not faults:
                return levels, texts
    return (best[1], best[2]) if best else ((), [])


def _faults(frame: _Frame, levels: Sequence[Level], texts: Sequence[Text]) -> int:
    boxes = [text.box for text in texts]
    outside = sum(box.left < 0 or box.right > frame.layout.width for box in boxes)
    crossed = sum(
        box.left < level.x < box.right and level.top < box.bottom for box in boxes for level in levels
    )
    return 10 * outside + crossed
