"""Why an own time and a published one of the same network differ: what both rows tell of how they were made.

In this order: where the graph was cut off, images a call, cores, clock, tool version, and what the
publisher's figures usually are beside others'. What works the other way is left out; what one side does
not tell comes last.
"""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from npubench.domain.figures import Figures
from npubench.domain.records import Result
from npubench.domain.specs import TensorSpec
from npubench.domain.text import counted
from npubench.published.atlas import publisher_of
from npubench.published.chips import find_chip
from npubench.published.networks import Head, join
from npubench.reporting.sanity.atlas.cells import Cell, ratio_text
from npubench.reporting.sanity.atlas.versions import versions_of
from npubench.reporting.sanity.doubt import samples_per_call
from npubench.reporting.sanity.speed_ups import cores_of
from npubench.reporting.sanity.stability import npu_mhz
from npubench.reporting.select.chip_facts import clock_told, sheet_of

AGREES = 1.1
"""Factor between own and published up to which nothing is to be explained."""

LEAST_USUAL = 3
"""Other networks that it takes to say what is usual between two sides."""

CLOCK_SLACK = 0.03
"""Of a clock: closer ones are one clock."""


PUBLISHED = "published"
"""What the other side is called."""


class CauseKind(StrEnum):
    """What may make two times of one network differ, in the order in which it is looked at."""

    HEAD = "head"
    BATCH = "batch"
    CORES = "cores"
    CLOCK = "clock"
    VERSION = "version"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Cause:
    """One likely cause of a difference."""

    kind: CauseKind
    told: str  # what both rows say, in a sentence
    up_to: float | None = None  # own over published that it alone can give; None: only the direction, if that


@dataclass(frozen=True, slots=True)
class Side:
    """How a time was made, as far as its row tells."""

    head: Head | None = None  # where the network ends; None of one without a head to cut
    batch: int | None = None  # images a call
    cores: int | None = None  # that ran it
    of_cores: int | None = None  # that the NPU has
    clock_mhz: float | None = None  # of the NPU
    clock_told: str = ""  # where the row speaks of clocks or power in words
    versions: Mapping[str, str] | None = None  # by tool
    tool: str = ""  # as the row names it
    name: str = "own"  # whose side it is


@dataclass(frozen=True, slots=True)
class Usual:
    """What own times, or other publishers', usually are over this publisher's."""

    ratio: float
    networks: int
    of: str  # whose times over the publisher's


_WITH_HEADS = ("detection", "pose", "face", "segmentation", "instance")
_WORK = {
    **{Head.RAW: 0, Head.DECODED: 1, Head.DECODED_TRANSPOSED: 1, Head.TOPK: 2, Head.NMS: 3},
    **{Head.NMS_CORE: 3, Head.FUSED: 4, Head.HOST: 5},
}
_ENDS = {
    Head.RAW: "at raw maps, decoding elsewhere",
    Head.DECODED: "with boxes decoded",
    Head.DECODED_TRANSPOSED: "with boxes decoded and transposed",
    Head.TOPK: "with the best boxes chosen",
    Head.NMS: "with non-maximum suppression",
    Head.NMS_CORE: "with non-maximum suppression on the accelerator",
    Head.FUSED: "with pre- and post-processing in the model",
    Head.HOST: "with post-processing on the host timed, too",
}
_SPEAKS_OF_CLOCK = re.compile(r"freq|clock|\b\d+ ?W\b|\bSuper\b", re.IGNORECASE)
_AT_MOST = re.compile(r"max\w*[^;]*NPU[^;]*freq|max\w* NPU freq|all clocks fixed", re.IGNORECASE)


def side_of_row(row: Result, figures: Figures) -> Side:
    """Of an own row."""
    clocks = [mhz for state in (row.board_before, row.board_after) if (mhz := npu_mhz(state))]
    outputs = figures.told_outputs or row.outputs
    versions = {tool.casefold(): version for tool, version in row.tools.items()}
    for version in row.tools.values():
        versions |= versions_of(version)
    chip = find_chip(row.chip)
    mode = str(row.protocol.get("mode", ""))
    return Side(
        head_of_outputs(outputs) if _has_head(row.task) or not outputs else None,
        samples_per_call(figures),
        cores_of(row, figures),
        chip.cores if chip else None,
        statistics.fmean(clocks) if clocks else None,
        mode if _SPEAKS_OF_CLOCK.search(mode) else "",
        versions,
        ", ".join(f"{tool} {version}" for tool, version in row.tools.items()),
    )


def side_of_published_row(row: Result, figures: Figures) -> Side:
    """Of a published row: its publisher's head by the network that its name was joined to."""
    publisher = publisher_of(str(row.protocol.get("source", "")))
    joined = join(publisher, row.case, str(row.protocol.get("input", "")))
    side = side_of_row(row, figures)
    head = joined.network.head if joined.network and _has_head(joined.task) else None
    return Side(
        *(head, 1, side.cores, side.of_cores, None, side.clock_told, side.versions, side.tool, PUBLISHED)
    )


def side_of_cell(cell: Cell) -> Side:
    """Of a figure of the atlas."""
    one, chip = cell.figure, find_chip(cell.figure.chip)
    told = "; ".join(filter(_SPEAKS_OF_CLOCK.search, (one.mode, one.note)))
    return Side(
        Head(cell.head) if _has_head(cell.task) else None,
        *(cell.batch, cell.cores, chip.cores if chip else None),
        _greatest_mhz(cell.figure.chip) if _AT_MOST.search(told) else None,
        told,
        versions_of(one.tool),
        one.tool,
        PUBLISHED,
    )


def _has_head(task: str) -> bool:
    return any(word in task.casefold() for word in _WITH_HEADS)


@cache
def _greatest_mhz(chip: str) -> float | None:
    found = find_chip(chip)
    names = found.speaks_for if found else ()
    told = [value.value for name in names for value in clock_told(sheet_of("", name, ())).values]
    return max(told, default=None)


def head_of_outputs(outputs: Sequence[TensorSpec]) -> Head:
    """Where a detector ends by its outputs: raw maps, all boxes decoded, or few boxes; untold otherwise."""
    shapes = [tuple(tensor.shape) for tensor in outputs]
    names = " ".join(tensor.name.casefold() for tensor in outputs)
    if re.search(r"nms|num_det|num_dets|keep", names):
        return Head.NMS
    if any(2 <= len(shape) <= 3 and shape[-1] in (5, 6, 7) and shape[-2] <= 1000 for shape in shapes):
        return Head.NMS
    maps = [shape for shape in shapes if len(shape) == 4 and sorted(shape)[-2] > 4]
    if len(maps) >= 2 and 2 * len(maps) >= len(shapes):
        return Head.RAW
    if any(len(shape) == 3 and max(shape) >= 1000 for shape in shapes):
        return Head.DECODED
    return Head.UNTOLD


def causes(own: Side, theirs: Side, ratio: float, usual: Sequence[Usual] = ()) -> tuple[Cause, ...]:
    """Likely causes of own / published = `ratio`, the likeliest first; none where the two agree."""
    if 1 / AGREES <= ratio <= AGREES:
        return ()
    slower = ratio > 1
    sure: list[Cause] = []
    perhaps: list[Cause] = []
    for look in (_head, _batch, _cores, _clock, _version):
        found = look(own, theirs, slower)
        if found is not None:
            cause, certain = found
            (sure if certain else perhaps).append(cause)
    sure += _source(ratio, usual)
    return (*sure, *perhaps)


Found = tuple[Cause, bool] | None
"""A cause, and whether both sides tell of it."""


def _head(own: Side, theirs: Side, slower: bool) -> Found:
    mine, other = own.head, theirs.head
    if mine is None or other is None or (mine is Head.UNTOLD and other is Head.UNTOLD) or mine is other:
        return None
    if Head.UNTOLD in (mine, other):
        known, whose, untold = (
            (other, theirs.name, own.name) if mine is Head.UNTOLD else (mine, own.name, theirs.name)
        )
        told = f"the network ends {_ENDS[known]} ({whose}); where it ends is not told ({untold})"
        return Cause(CauseKind.HEAD, told), False
    if (_WORK[mine] > _WORK[other]) is not slower:
        return None
    told = f"the network ends {_ENDS[mine]} here, {_ENDS[other]} there"
    return Cause(CauseKind.HEAD, told), True


def _batch(own: Side, theirs: Side, slower: bool) -> Found:
    if not own.batch or not theirs.batch or own.batch == theirs.batch:
        return None
    up_to = theirs.batch / own.batch
    if (up_to > 1) is not slower:
        return None
    told = f"{own.batch} at once here, {theirs.batch} there: up to {_factor(up_to)} times by itself"
    return Cause(CauseKind.BATCH, told, up_to), True


def _cores(own: Side, theirs: Side, slower: bool) -> Found:
    if own.cores and theirs.cores:
        up_to = theirs.cores / own.cores
        if up_to == 1 or (up_to > 1) is not slower:
            return None
        told = (
            f"{counted(own.cores, 'core')} here, {theirs.cores} there: up to {_factor(up_to)} times by itself"
        )
        return Cause(CauseKind.CORES, told, up_to), True
    most = theirs.of_cores or own.of_cores
    if not most or most == 1 or (own.cores is None and theirs.cores is None):
        return None
    known, other = (own, theirs) if own.cores else (theirs, own)
    # One core here is slower than any number there; all of them here are faster.
    fits = slower if (known is own) is (known.cores == 1) else not slower
    if known.cores in (1, most) and not fits:
        return None
    told = f"{known.cores} of {most} ({known.name}), not told ({other.name})"
    return Cause(CauseKind.CORES, told), False


def _clock(own: Side, theirs: Side, slower: bool) -> Found:
    if own.clock_mhz and theirs.clock_mhz:
        up_to = theirs.clock_mhz / own.clock_mhz
        if abs(up_to - 1) <= CLOCK_SLACK or (up_to > 1) is not slower:
            return None
        told = f"{own.clock_mhz:.0f} MHz here, {theirs.clock_mhz:.0f} MHz there ({theirs.clock_told})"
        return Cause(CauseKind.CLOCK, told, up_to), True
    if own.clock_mhz:
        told = f"{own.clock_mhz:.0f} MHz here, {theirs.clock_told or 'not told'} there"
        return Cause(CauseKind.CLOCK, told), False
    if theirs.clock_told:
        return Cause(CauseKind.CLOCK, f"not read here, {theirs.clock_told} there"), False
    return None


def _version(own: Side, theirs: Side, slower: bool) -> Found:
    del slower  # a newer version may be either
    apart = []
    for tool, version in (theirs.versions or {}).items():
        mine = {name: one for name, one in (own.versions or {}).items() if name[:4] == tool[:4]}
        if any(_is_same_version(one, version) for one in mine.values()):
            return None
        apart += [f"{name} {one} here, {tool} {version} there" for name, one in mine.items()]
    if apart:
        return Cause(CauseKind.VERSION, f"{'; '.join(apart)}"), True
    if not own.versions and not theirs.versions:
        return None
    told = f"{own.tool or 'not told'} here; {theirs.tool or 'not told'} there"
    without = "" if theirs.versions else ", without a version"
    return Cause(CauseKind.VERSION, f"{told}{without if theirs.tool else ''}"), False


def _is_same_version(one: str, other: str) -> bool:
    """`2.3.2 (429f97ae6b@2025)` and `2.3.2` are one."""
    heads = [re.match(r"[0-9A-Za-z.-]+", text.removeprefix("v")) for text in (one, other)]
    return all(heads) and len({head[0].rstrip(".") for head in heads if head}) == 1


def _source(ratio: float, usual: Sequence[Usual]) -> list[Cause]:
    found = []
    for one in usual:
        same_way = (one.ratio > 1) is (ratio > 1) and not 1 / AGREES <= one.ratio <= AGREES
        if one.networks >= LEAST_USUAL and same_way:
            rest = "" if _explains(one.ratio, ratio) else f", which leaves {ratio_text(ratio / one.ratio)}"
            told = f"{one.of} usually {ratio_text(one.ratio)} of its times ({one.networks} networks){rest}"
            found.append(Cause(CauseKind.SOURCE, told, one.ratio))
    return found


def _explains(factor: float, ratio: float) -> bool:
    return abs(math.log(ratio / factor)) <= math.log(AGREES)


def _factor(up_to: float) -> str:
    return ratio_text(max(up_to, 1 / up_to))
