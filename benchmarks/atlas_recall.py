"""How many corrupted figures of the atlas the doubts find, and how many they doubt as published.

The clean table is the shipped one without the figures that are strongly doubted. One figure (or the few that
are named) is corrupted a draw, all doubts are asked for, and the draw is found when there is a doubt about it
that the clean table has not: a strong one, unless it says weakly.

    python -m benchmarks atlas_recall                     # 25 draws, seed 1
    python -m benchmarks.atlas_recall --draws 10 --seed 2 3
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.doubts_recall import print_by_seed
from npubench import published
from npubench.published.atlas import PublishedFigure
from npubench.published.metrics import Family
from npubench.reporting.sanity import Strength
from npubench.reporting.sanity.atlas import FigureDoubt, figure_doubts
from npubench.reporting.sanity.atlas.cells import Cell, cells_of
from npubench.reporting.sanity.atlas.copies import columns_of
from npubench.reporting.sanity.atlas.gains import pairs_by_batch, pairs_by_cores
from npubench.reporting.sanity.atlas.peaks import peak_of
from npubench.reporting.sanity.atlas.publishers import pairs_of_publishers
from npubench.reporting.sanity.atlas.versions import versions_of

Figures = list[PublishedFigure]
Corrupt = Callable[[Figures, random.Random], set[str]]
"""Corrupts figures in place; their places, `table:line`."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One kind of fault; `weakly` where a weak doubt is all that there can be."""

    name: str
    corrupt: Corrupt
    weakly: bool = False


def _valued(figure: PublishedFigure, value: float) -> PublishedFigure:
    text = f"{value:.4g}" if value < 1e4 else f"{value:.0f}"
    return replace(figure, value=float(text), text=text)


def _at(figures: Figures, cell: Cell) -> int:
    return figures.index(cell.figure)


def _with_factor(figures: Figures, cell: Cell, slower: float) -> set[str]:
    """The figure with its time multiplied."""
    at = _at(figures, cell)
    value = figures[at].value or 0.0
    figures[at] = _valued(figures[at], value / slower if cell.is_rate else value * slower)
    return {cell.place}


def _scaled(factor: float) -> Corrupt:
    def corrupt(figures: Figures, source: random.Random) -> set[str]:
        return _with_factor(figures, source.choice(cells_of(figures)), factor)

    return corrupt


def _swapped(figures: Figures, source: random.Random) -> set[str]:
    """A rate for a time or a time for a rate, where the two numbers differ."""
    told = [
        cell
        for cell in cells_of(figures)
        if cell.figure.metric in ("latency", "throughput") and not 12 < (cell.figure.value or 0) < 84
    ]
    cell = source.choice(told)
    at = _at(figures, cell)
    figures[at] = _valued(figures[at], 1000 / (figures[at].value or 1.0))
    return {cell.place}


def _above_peak(figures: Figures, source: random.Random) -> set[str]:
    """Half as fast again as the listed peak."""
    told = [cell for cell in cells_of(figures) if cell.macs and peak_of(cell)]
    cell = source.choice(told)
    peak = peak_of(cell)
    assert peak is not None
    assert cell.macs is not None
    due_ms = cell.macs / (1.5 * peak.mac_per_s) * 1000
    return _with_factor(figures, cell, due_ms / cell.image_ms)


def _more_than(pairs: Callable[[Sequence[Cell]], Iterator[tuple[Cell, Cell]]], over: float) -> Corrupt:
    """Cores or a batch that gain `over` times their number."""

    def corrupt(figures: Figures, source: random.Random) -> set[str]:
        one, many = source.choice([*pairs(cells_of(figures))])
        number = many.batch / one.batch if many.batch != one.batch else (many.cores or 1) / (one.cores or 1)
        return _with_factor(figures, many, one.image_ms / (over * number) / many.image_ms)

    return corrupt


def _slow_batch(figures: Figures, source: random.Random) -> set[str]:
    one, many = source.choice([*pairs_by_batch(cells_of(figures))])
    return _with_factor(figures, many, 2 * one.image_ms / many.image_ms)


def _rate_off(figures: Figures, source: random.Random) -> set[str]:
    """A rate that is 1.3 times what its time gives."""
    cells = cells_of(figures)
    timed = {(c.figure.chip, c.figure.mode, c.figure.model, c.publisher) for c in cells if not c.is_rate}
    rates = [c for c in cells if c.is_rate]
    told = [c for c in rates if (c.figure.chip, c.figure.mode, c.figure.model, c.publisher) in timed]
    return _with_factor(figures, source.choice(told), 1.3)


def _table_copied(figures: Figures, source: random.Random) -> set[str]:
    """Five networks of one chip's column with the figures of another chip's."""
    columns = list(columns_of(cells_of(figures)).values())
    while True:
        target, origin = source.sample(columns, 2)
        common = [name for name in target if name in origin]
        one, other = next(iter(target.values())), next(iter(origin.values()))
        if len(common) >= 8 and one.chip != other.chip and one.is_rate == other.is_rate:
            break
    places = set()
    for name in source.sample(common, 5):
        copied, at = origin[name].figure, _at(figures, target[name])
        figures[at] = replace(figures[at], value=copied.value, text=copied.text)
        places.add(target[name].place)
    return places


def _off_for_one_publisher(figures: Figures, source: random.Random) -> set[str]:
    pairs = source.choice(pairs_of_publishers(cells_of(figures)))
    return _with_factor(figures, source.choice(pairs).one, source.choice((1 / 4, 4)))


def _another_version(figures: Figures, source: random.Random) -> set[str]:
    """Three figures of a chip by a version that it has no other of."""
    told = [cell for cell in cells_of(figures) if versions_of(cell.figure.tool)]
    tools: dict[str, list[str]] = {}
    for cell in told:
        tools.setdefault(cell.chip, []).append(cell.figure.tool)
    chip = source.choice([chip for chip, of in tools.items() if len({*of}) == 1 and len(of) > 6])
    places = set()
    for cell in source.sample([cell for cell in told if cell.chip == chip], 3):
        at = _at(figures, cell)
        figures[at] = replace(figures[at], tool=f"{next(iter(versions_of(figures[at].tool)))} 0.9.9")
        places.add(cell.place)
    return places


def _language(factor: float) -> Corrupt:
    def corrupt(figures: Figures, source: random.Random) -> set[str]:
        told = [
            at
            for at, figure in enumerate(figures)
            if figure.known_metric and figure.known_metric.family is Family.LANGUAGE
        ]
        at = source.choice(told)
        figures[at] = _valued(figures[at], (figures[at].value or 0.0) * factor)
        return {figures[at].place}

    return corrupt


CORRUPTIONS = (
    Corruption("a time x 1000", _scaled(1000)),
    Corruption("a time / 1000", _scaled(0.001)),
    Corruption("a rate for a time, or a time for a rate", _swapped),
    Corruption("1.5 times the listed peak", _above_peak),
    Corruption("cores that gain 1.5 times their number", _more_than(pairs_by_cores, 1.5)),
    Corruption("a batch that gains 1.5 times its size", _more_than(pairs_by_batch, 1.5)),
    Corruption("an image in a batch twice as slow as alone", _slow_batch),
    Corruption("a rate 1.3 times off its own time", _rate_off),
    Corruption("five figures of another chip's table", _table_copied, weakly=True),
    Corruption("4 times off between two publishers", _off_for_one_publisher),
    Corruption("three figures of another tool version", _another_version, weakly=True),
    Corruption("of a language model, x 1000", _language(1000)),
    Corruption("of a language model, / 1000", _language(0.001)),
)


@dataclass(frozen=True, slots=True)
class Recall:
    """Share of the draws that were found, and by which classes, most first."""

    found: float
    by: tuple[str, ...]


def _told(doubts: Sequence[FigureDoubt], weakly: bool) -> set[tuple[str, str]]:
    """Class and place of each figure that is doubted."""
    return {
        (one.doubt_class.value, place)
        for one in doubts
        if weakly or one.strength is Strength.STRONG
        for place in one.places
    }


@cache
def _clean() -> tuple[PublishedFigure, ...]:
    figures = published.figures()
    doubted = {place for _, place in _told(figure_doubts(figures), weakly=False)}
    return tuple(figure for figure in figures if figure.place not in doubted)


def clean_table() -> Figures:
    """Figures that are not strongly doubted as published."""
    return list(_clean())


def recall(corruption: Corruption, draws: int, seed: int) -> Recall:
    """Draws with a generator of their own, so that one kind's do not depend on another's."""
    source, clean = random.Random(f"{corruption.name} {seed}"), clean_table()
    before = _told(figure_doubts(clean), corruption.weakly)
    found, by = 0, Counter[str]()
    for _ in range(draws):
        figures = list(clean)
        wrong = corruption.corrupt(figures, source)
        told = _told(figure_doubts(figures), corruption.weakly) - before
        new = {name for name, place in told if place in wrong}
        found += bool(new)
        by.update(new)
    return Recall(found / draws, tuple(name for name, _ in by.most_common()))


def _lines(draws: int, seed: int) -> Iterator[str]:
    figures = published.figures()
    yield f"seed {seed}, {draws} draws of each kind; {len(figures)} figures"
    yield f"{'corruption':46} {'found':>6}  by"
    for corruption in CORRUPTIONS:
        found = recall(corruption, draws, seed)
        mark = " (weakly)" if corruption.weakly else ""
        yield f"{corruption.name + mark:46} {found.found:6.1%}  {', '.join(found.by)}"
    doubts = figure_doubts(figures)
    strong = {place for _, place in _told(doubts, weakly=False)}
    classes = Counter(one.doubt_class.value for one in doubts if one.strength is Strength.STRONG)
    told = ", ".join(f"{name} {count}" for name, count in classes.most_common())
    share = f"{len(strong)} of {len(figures)}, {len(strong) / len(figures):.1%}"
    yield f"strongly doubted as published: {share}: {told}"
    weak = Counter(one.doubt_class.value for one in doubts if one.strength is Strength.WEAK)
    yield f"weak doubts: {', '.join(f'{name} {count}' for name, count in weak.most_common())}"


def main(words: Sequence[str] = ()) -> None:
    print_by_seed(words, __doc__, 25, _lines)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
