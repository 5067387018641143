"""Errors on figures that are kept back: cells, whole networks, and chips of which six networks are left."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from npubench.predict.completion import Completion
from npubench.predict.knowledge import Ground
from npubench.predict.learning import Bands, learn, width_needed
from npubench.predict.samples import Sample

SEED = 5
NETWORKS_LEFT = 6
LEAST_NETWORKS = 12
"""Of a chip that is cut down to six."""


class Kept(StrEnum):
    """What is kept back."""

    CELLS = "cells"  # a name of one publisher on one chip, in all its modes
    NETWORKS = "networks"  # all rows of a network, of every publisher
    CHIPS = "chips"  # all rows of a chip but those of six networks


FOLDS: Mapping[Kept, int] = {Kept.CELLS: 3, Kept.NETWORKS: 2, Kept.CHIPS: 2}


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
    plain: float  # by column and row alone


def outcomes(samples: Sequence[Sample], kept: Kept, fold: int) -> list[Outcome]:
    """Everything is learned anew without the figures of the fold, which are then predicted."""
    rest, asked = split(samples, kept, fold)
    made = Completion(rest, learn(rest), "")
    found = made.bands(asked, [False] * len(asked))
    plain = column_and_row(rest, asked)
    result = []
    for place, one in enumerate(asked):
        ground = made.ground(one)
        result.append(
            Outcome(
                *(kept, one.column.publisher, one.column.chip),
                made.kind(one, int(found.opinions[place])),
                str(ground.basis) if isinstance(ground, Ground) else "",
                *(one.log_ms, float(found.low[place]), float(found.middle[place]), float(found.high[place])),
                plain[place],
            )
        )
    return result


def split(samples: Sequence[Sample], kept: Kept, fold: int) -> tuple[list[Sample], list[Sample]]:
    """Samples to learn from, and those that are kept back in this fold."""
    if kept is Kept.CHIPS:
        return _cut_chips(samples, fold)
    key: Callable[[Sample], Hashable] = _cell if kept is Kept.CELLS else _network
    folds = _dealt([key(one) for one in samples], FOLDS[kept])
    asked = [one for one in samples if folds[key(one)] == fold]
    return [one for one in samples if folds[key(one)] != fold], asked


def _cell(sample: Sample) -> Hashable:
    return sample.cell


def _network(sample: Sample) -> Hashable:
    return sample.subject.network


def _dealt(keys: Sequence[Hashable], count: int) -> dict[Hashable, int]:
    """Distinct keys dealt into folds in an order of chance that is the same in every run."""
    import numpy as np

    found = sorted(set(keys), key=repr)
    order = np.random.default_rng(SEED).permutation(len(found))
    return {found[place]: number % count for number, place in enumerate(order)}


def _cut_chips(samples: Sequence[Sample], fold: int) -> tuple[list[Sample], list[Sample]]:
    chips = _dealt([one.column.chip for one in samples], FOLDS[Kept.CHIPS])
    known: dict[Hashable, set[Hashable]] = {}
    for chip, number in chips.items():
        networks = {one.subject.network for one in samples if one.column.chip == chip}
        if number == fold and len(networks) >= LEAST_NETWORKS:
            dealt = _dealt(sorted(networks), len(networks))
            known[chip] = {name for name, place in dealt.items() if place < NETWORKS_LEFT}
    asked = [
        one for one in samples if one.subject.network not in known.get(one.column.chip, {one.subject.network})
    ]
    gone = {id(one) for one in asked}
    return [one for one in samples if id(one) not in gone], asked


def column_and_row(samples: Sequence[Sample], asked: Sequence[Sample], rounds: int = 20) -> list[float]:
    """The plain completion that others are measured by: a column's level plus a network's, each shrunk."""
    import numpy as np

    columns: dict[Hashable, int] = {}
    networks: dict[Hashable, int] = {}
    places = np.array(
        [
            (columns.setdefault(o.column, len(columns)), networks.setdefault(o.subject.key, len(networks)))
            for o in samples
        ]
    )
    times = np.array([one.log_ms for one in samples])
    mean, of_column, of_network = float(times.mean()), np.zeros(len(columns)), np.zeros(len(networks))
    for _ in range(rounds):
        left = times - mean - of_network[places[:, 1]]
        of_column = np.bincount(places[:, 0], left) / (np.bincount(places[:, 0]) + 0.1)
        left = times - mean - of_column[places[:, 0]]
        of_network = np.bincount(places[:, 1], left) / (np.bincount(places[:, 1]) + 0.1)
    levels = {key: float(of_column[place]) for key, place in columns.items()}
    works = {key: float(of_network[place]) for key, place in networks.items()}
    return [mean + levels.get(one.column, 0.0) + works.get(one.subject.key, 0.0) for one in asked]


def widths(found: Sequence[Outcome]) -> dict[str, float]:
    """What bands are to be widened by for 90 % of the kept-back figures of each kind to lie in them."""
    import numpy as np

    result = {}
    answered = [one for one in found if one.basis and one.kept is not Kept.CHIPS]
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
