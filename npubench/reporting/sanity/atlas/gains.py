"""Gains of cores and batches that no hardware gives, and batches that cost time."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

from npubench.reporting.sanity.atlas.cells import Cell, ratio_text
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass, doubt_of
from npubench.reporting.sanity.doubt import Strength

OVER = 1.1
"""Gain over the number of cores, or of images a call: noise of two measurements."""

FAR_OVER = 1.25
"""The same, strong."""

SLOWER = 1.1
MUCH_SLOWER = 1.5
"""Time of an image in a batch over that of one alone."""


def batches(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Batches that take less time than one image, or more an image than one alone."""
    for one, many in pairs_by_batch(cells):
        gain = one.image_ms / many.image_ms
        most = many.batch / one.batch
        if gain > OVER * most:
            reason = (
                f"{many.batch} images at once are {ratio_text(gain)} times as many a second as {one.batch}"
            )
            strength = Strength.strong_if(gain > FAR_OVER * most)
            cells_told = (one.told, many.told)
            yield doubt_of([many], FigureDoubtClass.IMPOSSIBLE_SPEED_UP, strength, reason, *cells_told)
        elif gain * SLOWER < 1:
            reason = f"an image takes {ratio_text(1 / gain)} times as long among {many.batch} as alone"
            strength = Strength.strong_if(gain * MUCH_SLOWER < 1)
            yield doubt_of([many], FigureDoubtClass.SLOWER_BATCH, strength, reason, one.told, many.told)


def cores(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """More cores that gain more than their number, or that lose time."""
    for one, many in pairs_by_cores(cells):
        gain, most = one.image_ms / many.image_ms, (many.cores or 1) / (one.cores or 1)
        if gain <= OVER * most:
            continue
        reason = f"{many.cores} cores are {ratio_text(gain)} times as fast as {one.cores}"
        strength = Strength.strong_if(gain > FAR_OVER * most)
        yield doubt_of([many], FigureDoubtClass.IMPOSSIBLE_SPEED_UP, strength, reason, one.told, many.told)


def pairs_by_batch(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """A figure of the smallest batch beside each of a greater one, all else equal."""
    return _pairs(cells, lambda cell: cell.batch, _but_for_batch)


def pairs_by_cores(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """A figure of the fewest cores beside each of more, all else equal."""
    return _pairs(cells, lambda cell: cell.cores, _but_for_cores)


def _but_for_batch(cell: Cell) -> Hashable:
    one = cell.figure
    where = (cell.chip, cell.mode_without_batch, cell.precision, cell.publisher, one.metric, one.tool)
    return where, cell.name_without_batch, one.input


def _but_for_cores(cell: Cell) -> Hashable:
    one = cell.figure
    where = (cell.chip, cell.mode_without_cores, cell.precision, cell.publisher, one.metric, one.tool)
    return where, one.model, one.input, cell.batch


def _pairs(
    cells: Sequence[Cell], count: Callable[[Cell], int | None], key: Callable[[Cell], Hashable]
) -> Iterator[tuple[Cell, Cell]]:
    """The figure of the fewest, beside each of more; a count that several have says nothing."""
    groups: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        if count(cell):
            groups[key(cell)].append(cell)
    for group in groups.values():
        counts = sorted(group, key=lambda cell: count(cell) or 0)
        numbers = [count(cell) for cell in counts]
        if len(counts) < 2 or len(set(numbers)) < len(numbers):
            continue
        for many in counts[1:]:
            yield counts[0], many
