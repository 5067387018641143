"""Figures that are off by a unit: thousandfold, a rate for a time, a rate that its own time contradicts."""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from npubench.reporting.sanity.atlas.cells import Cell, half_unit, ratio_text
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass, doubt_of
from npubench.reporting.sanity.atlas.expected import Expected
from npubench.reporting.sanity.doubt import Strength

SLIP = 60.0
"""Times from what is expected from which only a slip explains a figure: true ones lie within 41."""

FAR = 8.0
"""The same for a doubt about the figure; 99 % of the published ones lie within 4."""

VERY_FAR = 20.0
"""The same, strong."""

SWAPPED = 4.0
"""Times from what is expected from which a rate that was written for a time, or the reverse, can be told."""

FITS = 1.6
"""How near the corrected figure must come."""

THOUSAND = (250.0, 4000.0)
"""What is told as a factor of a thousand."""

DISAGREE = 0.05
"""Of 1, above rounding: by which images a second and 1000 / ms of one cell may differ."""


LEAST_IN_COLUMN = 3
"""Figures that it takes to tell how fast a column is; of fewer only a slip is told."""


def unit_slips(cells: Sequence[Cell], expected: Sequence[Expected | None]) -> Iterator[FigureDoubt]:
    """Figures far from their neighbours of network and chip."""
    far: defaultdict[Hashable, list[tuple[Cell, Expected]]] = defaultdict(list)
    for cell, due in zip(cells, expected, strict=True):
        if due is None:
            continue
        off = abs(due.log_ratio)
        if off > math.log(SLIP):
            if not _is_neighbours_slip(due):
                yield _slip(cell, due)
        elif off > math.log(SWAPPED) and due.in_column >= LEAST_IN_COLUMN:
            far[cell.publisher, cell.network, due.log_ratio > 0].append((cell, due))
    for group in far.values():
        # Several figures of one network that are as far off together are no slip of one of them.
        together = len({cell.column for cell, _ in group}) > 1
        for cell, due in () if together else group:
            if _is_swapped(cell, due):
                taken = "a time stands for a rate" if cell.is_rate else "a rate stands for a time"
                reason = f"{taken}: the other way round it is what other figures of network and chip say"
                kind, strength = FigureDoubtClass.UNIT_SLIP, Strength.STRONG
            elif abs(due.log_ratio) > math.log(FAR):
                reason = _how_far([due])
                kind = FigureDoubtClass.FAR_FROM_NEIGHBOURS
                strength = Strength.strong_if(abs(due.log_ratio) > math.log(VERY_FAR))
            else:
                continue
            yield doubt_of([cell], kind, strength, reason, *_told(cell, due))
        if together:
            yield from _far_together(group)


def _slip(cell: Cell, due: Expected) -> FigureDoubt:
    if _is_swapped(cell, due):
        taken = "a time stands for a rate" if cell.is_rate else "a rate stands for a time"
        reason = f"{taken}: the other way round it is what other figures of network and chip say"
    else:
        factor = max(due.image_ratio, 1 / due.image_ratio)
        by = "about 1000" if THOUSAND[0] <= factor <= THOUSAND[1] else ratio_text(factor)
        way = "too great" if (due.log_ratio > 0) is not cell.is_rate else "too small"
        reason = f"it is {way} by a factor of {by}: a unit was taken for another"
    # Of two figures that nothing else speaks of either may be the one, unless its column has no like of it.
    alone = due.neighbours == 1 and due.by_macs is None and due.outside < math.log(SWAPPED)
    reason += ", or its one neighbour was" if alone else ""
    strength = Strength.strong_if(not alone)
    return doubt_of([cell], FigureDoubtClass.UNIT_SLIP, strength, reason, *_told(cell, due))


def _is_neighbours_slip(due: Expected) -> bool:
    """Whether a figure with one neighbour is what the network's MACs let expect, and the neighbour is not."""
    return due.neighbours == 1 and due.by_macs is not None and abs(due.by_macs) < math.log(SLIP) / 2


def _is_swapped(cell: Cell, due: Expected) -> bool:
    """Whether the figure fits as a rate where it is a time, or the other way round."""
    if cell.figure.metric not in ("latency", "throughput"):
        return False
    swapped = abs(due.log_ratio + math.log(1000.0) - 2 * math.log(cell.image_ms))
    return swapped < min(math.log(FITS), abs(due.log_ratio) / 3)


def _far_together(group: Sequence[tuple[Cell, Expected]]) -> Iterator[FigureDoubt]:
    far = [(cell, due) for cell, due in group if abs(due.log_ratio) > math.log(FAR)]
    if far:
        reason = f"{_how_far([due for _, due in far])}, {len(group)} figures of it alike: no slip of one row"
        told = [line for cell, due in far for line in _told(cell, due)]
        yield doubt_of(
            [cell for cell, _ in far], FigureDoubtClass.FAR_FROM_NEIGHBOURS, Strength.WEAK, reason, *told
        )


def _how_far(dues: Sequence[Expected]) -> str:
    way = "slower" if dues[0].log_ratio > 0 else "faster"
    factors = sorted(math.exp(abs(due.log_ratio)) for due in dues)
    times = " to ".join(dict.fromkeys(map(ratio_text, (factors[0], factors[-1]))))
    return f"it is {times} times {way} than its neighbours say"


def _told(cell: Cell, due: Expected) -> tuple[str, str]:
    value, ratio = cell.figure.standard_value or 0.0, due.image_ratio
    metric = cell.figure.known_metric
    expected = value * ratio if cell.is_rate else value / ratio
    by = f"{due.neighbours} figures of the network" if due.neighbours else "its MACs and the chip's others"
    return cell.told, f"expected about {expected:.3g} {metric.unit if metric else ''}, by {by}"


def rates_and_times(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Images a second that are not 1000 over the milliseconds of the same cell; with several cores or calls
    at once they may be more."""
    pairs: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        one = cell.figure
        key = (one.chip, one.mode, one.precision, cell.publisher, one.model, one.input, one.tool)
        pairs[key].append(cell)
    for group in pairs.values():
        times = [cell for cell in group if cell.figure.metric == "latency"]
        rates = [cell for cell in group if cell.is_rate]
        if len(times) != 1 or len(rates) != 1:
            continue
        (time,), (rate,) = times, rates
        product = time.image_ms / rate.image_ms
        rounding = sum(half_unit(one.figure.text) / (one.figure.value or 1.0) for one in (time, rate))
        if abs(product - 1) <= DISAGREE + rounding:
            continue
        many = product > 1 and ((rate.cores or 1) > 1 or rate.batch > 1) and product < 2
        reason = f"{rate.printed} is {ratio_text(product)} times what {time.printed} an inference give"
        alone = f"1000 / {time.image_ms:.4g} ms is {1000 / time.image_ms:.4g} images a second"
        strength = Strength.strong_if(not many)
        yield doubt_of(
            [time, rate], FigureDoubtClass.RATE_AND_TIME, strength, reason, time.told, rate.told, alone
        )
