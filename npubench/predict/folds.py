"""Errors on figures that are kept back: cells, whole networks, chips of which six networks are left."""

import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from npubench.predict.completion import Completion, Left
from npubench.predict.knowledge import Ground
from npubench.predict.learning import Bands, width_needed
from npubench.predict.parameters import Parameters
from npubench.predict.samples import Sample

if TYPE_CHECKING:
    from npubench.predict.design import Index, Matrix

SEED = 5
NETWORKS_LEFT = 6
LEAST_NETWORKS = 12
"""Of a chip that is cut down to six."""


class Kept(StrEnum):
    """What is kept back."""

    CELLS = "cells"  # a name of one publisher on one chip, in all its modes
    NETWORKS = "networks"  # all rows of a network, of every publisher
    CHIPS = "chips"  # all rows of a chip but those of six networks


NETWORK_FOLDS = 3
CHIP_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A kept-back figure and its prediction; logarithms of milliseconds a sample."""

    kept: Kept
    publisher: str
    chip: str
    kind: str  # of the band's width
    basis: str  # empty: refused
    value: float
    low: float  # ends before they are widened
    middle: float
    high: float


def left_of_networks(samples: Sequence[Sample], fold: int) -> list[Sample]:
    """What is learned from when cells or networks of a fold are judged: rows of the other folds' networks."""
    return [one for one in samples if _fold(one, NETWORK_FOLDS) != fold]


def of_networks(samples: Sequence[Sample], parameters: Parameters, fold: int) -> list[Outcome]:
    """Cells, and whole networks, of the fold, each left out of all figures in turn.

    `parameters`: learned from `left_of_networks`, so from nothing of the networks judged.
    """
    made = Completion(samples, parameters, "")
    asked = [one for one in samples if _fold(one, NETWORK_FOLDS) == fold]
    cells = _judged(made, Kept.CELLS, asked, [Left.CELL] * len(asked))
    return cells + _judged(made, Kept.NETWORKS, asked, [Left.NETWORK] * len(asked))


def left_of_chips(samples: Sequence[Sample], fold: int) -> list[Sample]:
    """What is learned from when chips of a fold are judged: they have six networks each."""
    cut = {id(one) for chip in chips_of(samples, fold) for one in _cut(samples, chip)}
    return [one for one in samples if id(one) not in cut]


def of_chips(samples: Sequence[Sample], parameters: Parameters, fold: int) -> list[Outcome]:
    """The chips of the fold, one after the other cut down to six networks, with all other chips whole.

    `parameters`: learned from `left_of_chips`.
    """
    found: list[Outcome] = []
    for chip in chips_of(samples, fold):
        asked = _cut(samples, chip)
        gone = {id(one) for one in asked}
        made = Completion([one for one in samples if id(one) not in gone], parameters, "")
        found += _judged(made, Kept.CHIPS, asked, [Left.NOTHING] * len(asked))
    return found


def chips_of(samples: Sequence[Sample], fold: int) -> list[str]:
    """Chips of a fold that have networks enough to be cut down."""
    networks: dict[str, set[str]] = {}
    for one in samples:
        networks.setdefault(one.column.chip, set()).add(one.subject.network)
    large = sorted(chip for chip, names in networks.items() if len(names) >= LEAST_NETWORKS)
    return large[fold::CHIP_FOLDS]


def _cut(samples: Sequence[Sample], chip: str) -> list[Sample]:
    """The chip's rows but those of six networks, which are drawn by chance, the same in every run."""
    import numpy as np

    names = sorted({one.subject.network for one in samples if one.column.chip == chip})
    left = set(np.random.default_rng(SEED).permutation(names)[:NETWORKS_LEFT])
    return [one for one in samples if one.column.chip == chip and one.subject.network not in left]


def _fold(sample: Sample, count: int) -> int:
    return zlib.crc32(f"fold {sample.subject.network}".encode()) % count


def _judged(made: Completion, kept: Kept, asked: Sequence[Sample], without: Sequence[Left]) -> list[Outcome]:
    found = made.bands(asked, without)
    result = []
    for place, (one, left) in enumerate(zip(asked, without, strict=True)):
        ground = made.ground(one, left)
        result.append(
            Outcome(
                *(kept, one.column.publisher, one.column.chip),
                made.kind(one, int(found.opinions[place])),
                str(ground.basis) if isinstance(ground, Ground) else "",
                *(one.log_ms, float(found.low[place]), float(found.middle[place]), float(found.high[place])),
            )
        )
    return result


def plain_offs(samples: Sequence[Sample], rounds: int = 12) -> list[float]:
    """Of each sample what a column's level plus a network's are off by, the sample's cell kept back.

    Logarithms; the plain completion that others are measured by, both levels shrunk. Ten folds of cells.
    """
    import numpy as np

    columns: dict[Hashable, int] = {}
    networks: dict[Hashable, int] = {}
    of_column = np.array([columns.setdefault(one.column, len(columns)) for one in samples])
    of_network = np.array([networks.setdefault(one.subject.key, len(networks)) for one in samples])
    times = np.array([one.log_ms for one in samples])
    fold = np.array([zlib.crc32(repr(one.cell).encode()) % 10 for one in samples])
    found = np.zeros(len(times))
    for number in range(10):
        known, asked = fold != number, fold == number
        mean, levels, works = times[known].mean(), np.zeros(len(columns)), np.zeros(len(networks))
        for _ in range(rounds):
            left = times[known] - mean - works[of_network[known]]
            levels = _shrunk(left, of_column[known], len(columns))
            left = times[known] - mean - levels[of_column[known]]
            works = _shrunk(left, of_network[known], len(networks))
        found[asked] = mean + levels[of_column[asked]] + works[of_network[asked]] - times[asked]
    return list(map(float, found))


def _shrunk(values: "Matrix", groups: "Index", count: int) -> "Matrix":
    """The mean of each group, drawn to 0 as by a tenth of a figure."""
    import numpy as np

    found: Matrix = np.bincount(groups, values, minlength=count) / (
        np.bincount(groups, minlength=count) + 0.1
    )
    return found


def widths(found: Sequence[Outcome]) -> dict[str, float]:
    """What bands are to be widened by for 90 % of the kept-back figures of each kind to lie in them."""
    import numpy as np

    result = {}
    answered = [one for one in found if one.basis and (one.kept is not Kept.CHIPS or one.kind == "few")]
    for kind in sorted({one.kind for one in answered}):
        mine = [one for one in answered if one.kind == kind]
        low, middle, high, value = (
            np.array([getattr(one, name) for one in mine]) for name in ("low", "middle", "high", "value")
        )
        result[kind] = width_needed(Bands(low, middle, high, np.zeros(len(mine), dtype=np.intp)), value)
    return result


def widened_outcomes(found: Sequence[Outcome], by: Mapping[str, float]) -> list[Outcome]:
    """The same with their bands widened."""
    return [
        replace(
            one,
            low=one.middle - by.get(one.kind, 1.0) * (one.middle - one.low),
            high=one.middle + by.get(one.kind, 1.0) * (one.high - one.middle),
        )
        for one in found
    ]
