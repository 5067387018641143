"""What a figure should be about, by the others of its network and of its column: medians, robust to slips.

log(time) = column + network, fitted by median polish (Tukey, Exploratory Data Analysis, 1977, ch. 11). Each
figure is then held against medians that leave itself out, so that no figure vouches for itself. A network
with one figure only is expected by its MACs, as the column's other networks take time for theirs.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from npubench.reporting.sanity.atlas.cells import Cell

_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Expected:
    """What others say that a figure should be."""

    log_ratio: float  # natural logarithm of the figure's time over the expected one
    neighbours: int  # figures of the same network that speak; 0: MACs alone do
    in_column: int  # figures of other networks that say how fast the column is; 0: the chip's others do
    by_macs: float | None  # the same ratio by MACs alone; None where they are not known
    outside: float = 0.0  # with one neighbour: how far the logarithm lies beyond all others of its column

    @property
    def image_ratio(self) -> float:
        """Time over expected time."""
        return math.exp(self.log_ratio)


def expectations(cells: Sequence[Cell]) -> list[Expected | None]:
    """One a cell, None where too little is known to expect anything."""
    logs = [math.log(cell.image_ms) for cell in cells]
    columns, rows = _groups([cell.column for cell in cells]), _groups([cell.network for cell in cells])
    of_column, of_row = _polish(logs, columns, rows, cells)
    by_macs = _by_macs(cells, of_row)
    in_column = _without_each(
        columns, [log - of_row[cell.network] for log, cell in zip(logs, cells, strict=True)]
    )
    chips = _groups([cell.chip for cell in cells])
    on_chip = _without_each(
        chips, [log - of_row[cell.network] for log, cell in zip(logs, cells, strict=True)]
    )
    in_row = _without_each(
        rows, [log - of_column[cell.column] for log, cell in zip(logs, cells, strict=True)]
    )
    found: list[Expected | None] = []
    for at, (log, cell) in enumerate(zip(logs, cells, strict=True)):
        column = on_chip[at] if in_column[at] is None else in_column[at]
        if column is None:
            found.append(None)
            continue
        macs_row, row, others = by_macs.get(cell.network), in_row[at], len(columns[cell.column]) - 1
        macs_ratio = None if macs_row is None else log - column - macs_row
        if row is not None:
            neighbours = len(rows[cell.network]) - 1
            alike = [logs[one] for one in columns[cell.column] if one != at] if neighbours == 1 else []
            found.append(Expected(log - column - row, neighbours, others, macs_ratio, _outside(log, alike)))
        else:
            found.append(None if macs_ratio is None else Expected(macs_ratio, 0, others, macs_ratio))
    return found


def _outside(log: float, others: Sequence[float]) -> float:
    return max(log - max(others), min(others) - log, 0.0) if others else 0.0


def _without_each(groups: Mapping[Hashable, Sequence[int]], values: Sequence[float]) -> list[float | None]:
    """Median of the others of each one's group; None of one that is alone."""
    found: list[float | None] = [None] * len(values)
    for places in groups.values():
        order = sorted(places, key=values.__getitem__)
        half, odd = divmod(len(order) - 1, 2)
        for rank, at in enumerate(order if len(order) > 1 else ()):
            # What is left: its middle, or its two middle ones, each one further from where it left.
            middle = order[half + (rank <= half)]
            below = order[half - 1 + (rank <= half - 1)]
            found[at] = values[middle] if odd else (values[middle] + values[below]) / 2
    return found


def _groups(keys: Sequence[Hashable]) -> Mapping[Hashable, list[int]]:
    found: defaultdict[Hashable, list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        found[key].append(at)
    return found


def _polish(
    logs: Sequence[float],
    columns: Mapping[Hashable, Sequence[int]],
    rows: Mapping[Hashable, Sequence[int]],
    cells: Sequence[Cell],
) -> tuple[Mapping[Hashable, float], Mapping[Hashable, float]]:
    of_column: dict[Hashable, float] = dict.fromkeys(columns, 0.0)
    of_row: dict[Hashable, float] = dict.fromkeys(rows, 0.0)
    for _ in range(_ROUNDS):
        for row, places in rows.items():
            of_row[row] = statistics.median(logs[at] - of_column[cells[at].column] for at in places)
        for column, places in columns.items():
            of_column[column] = statistics.median(logs[at] - of_row[cells[at].network] for at in places)
    return of_column, of_row


def _by_macs(cells: Sequence[Cell], of_row: Mapping[Hashable, float]) -> Mapping[str, float]:
    """What a network's effect should be by its MACs: a line through the logarithms, by medians of slopes.

    Theil and Sen's estimator over networks that lie far apart, cheap as it takes pairs of half the list.
    """
    known = sorted({(math.log(cell.macs), cell.network) for cell in cells if cell.macs})
    if len(known) < 8:
        return {}
    half = len(known) // 2
    slopes = [
        (of_row[known[at + half][1]] - of_row[known[at][1]]) / (known[at + half][0] - known[at][0])
        for at in range(half)
        if known[at + half][0] - known[at][0] > 0.5
    ]
    if not slopes:
        return {}
    slope = statistics.median(slopes)
    level = statistics.median(of_row[network] - slope * log for log, network in known)
    return {network: level + slope * log for log, network in known}
