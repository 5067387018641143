"""Figures that are another's: tables under two chips' names, one cell twice, networks that time alike."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations

from npubench.reporting.sanity.atlas.cells import Cell, ratio_text
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass, doubt_of
from npubench.reporting.sanity.doubt import Strength

LEAST_DIGITS = 3
"""Of a figure that is equal to another by no chance."""

LEAST_EQUAL = 3
"""Networks that two chips must have equal figures of."""

MOST_OF = 0.25
"""Share of the networks of both from which it is strong."""

BY_CHANCE = 0.03
"""Share of the networks of both whose figures may be equal by chance: three digits agree once in hundreds."""

APART = 1.05
"""Factor between two figures of one cell that is no noise."""

SHOWN = 6
"""Figures that are shown of a longer list."""

Pairs = dict[tuple[str, str], tuple[Cell, Cell]]
"""Figures of two columns by their places."""

Column = Mapping[str, Cell]
"""Figures of one column by network and batch."""


def equal_tables(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Columns of two chips whose figures are the same to the last digit."""
    columns: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    by_figure: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        columns[cell.column].append(cell)
        if _digits(cell.figure.text) >= LEAST_DIGITS:
            for name in _identities(cell):
                by_figure[name, cell.is_rate, cell.figure.standard_value].append(cell)
    equal: defaultdict[tuple[Hashable, Hashable], Pairs] = defaultdict(dict)
    for found in by_figure.values():
        for one, other in combinations(found, 2):
            if one.chip != other.chip and not _stand_together(one, other):
                equal[one.column, other.column].setdefault((one.place, other.place), (one, other))
    for (one_key, other_key), by_place in equal.items():
        pairs = list(by_place.values())
        if len(pairs) < LEAST_EQUAL:
            continue
        there = {name for cell in columns[other_key] for name in _identities(cell)}
        common = sum(not there.isdisjoint(_identities(cell)) for cell in columns[one_key])
        if len(pairs) < LEAST_EQUAL + int(BY_CHANCE * common):
            continue
        one, other = pairs[0]
        reason = (
            f"{len(pairs)} of {common} figures of {one.figure.chip} and {other.figure.chip} are equal "
            "to the last digit: one chip under two names, or one table copied"
        )
        lines = [f"{a.printed}: {a.figure.model} ({a.place}, {b.place})" for a, b in pairs[:SHOWN]]
        both = [cell for pair in pairs for cell in pair]
        strength = Strength.strong_if(len(pairs) >= MOST_OF * common)
        yield doubt_of(both, FigureDoubtClass.EQUAL_TABLES, strength, reason, *lines)


def _identities(cell: Cell) -> tuple[Hashable, ...]:
    """What says that two figures are of one network: what both names were joined to, or one name."""
    name = cell.name_without_batch.casefold(), cell.batch
    return ((cell.network, cell.batch), name) if cell.known else (name,)


def _stand_together(one: Cell, other: Cell) -> bool:
    """Whether one name holds the other: `RK3566/RK3568` speaks for both, and says so."""
    return one.chip in other.chip.split("/") or other.chip in one.chip.split("/")


def columns_of(cells: Sequence[Cell]) -> Mapping[Hashable, Column]:
    """Figures by column, then by network and batch; the first of several."""
    found: defaultdict[Hashable, dict[str, Cell]] = defaultdict(dict)
    for cell in cells:
        name = f"{cell.network} {cell.head} {cell.variant} x{cell.batch}"
        found[cell.column].setdefault(name, cell)
    return found


def _digits(text: str) -> int:
    """Significant digits of a number as it was printed."""
    return len(text.partition("e")[0].replace(".", "").lstrip("0"))


def cells_twice(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Figures that differ under one name, input, mode, precision and tool of one publisher."""
    groups: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        one = cell.figure
        groups[cell.column, one.model, one.input, one.tool].append(cell)
    for group in groups.values():
        least, most = (choose(group, key=lambda cell: cell.image_ms) for choose in (min, max))
        if most.image_ms <= APART * least.image_ms:
            continue
        ratio = ratio_text(most.image_ms / least.image_ms)
        reason = f"two figures of one name, {ratio} times apart: two networks, or one of them is wrong"
        pages = " and ".join(dict.fromkeys(cell.page.rstrip("/").rpartition("/")[2] for cell in group))
        told = [cell.told for cell in group]
        kind = FigureDoubtClass.ONE_CELL_TWICE
        yield doubt_of(group, kind, Strength.WEAK, reason, *told, f"their pages: {pages}")
