"""A candidate is one chip with all that is known of it: rows of every board that carries it, its facts.

Kinds stand beside each other here, each figure with its own; `times` says which of them speaks for a model.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Figures
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec
from npubench.published.chips import canonical, find_chip
from npubench.reporting.data.figures import bounds_of
from npubench.reporting.select.chip_facts import FactSheet, npu_cores, sheet_of

GENERIC = frozenset({"cpu", "npu", "gpu", ""})
"""Names that tell no chip: of these every board is a chip of its own."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One chip."""

    chip: str  # name
    boards: tuple[str, ...]  # names of those that carry it, those with rows first
    backends: tuple[str, ...]  # names of what made its rows, else of its boards' own
    rows: tuple[Result, ...]  # of all its boards, also of their processors and codecs
    specs: tuple[BoardSpec, ...]  # its boards of the catalogue, those that are asked for first
    facts: FactSheet  # of its board and chip

    @property
    def board(self) -> str:
        """The board that it is named by; empty of a chip that only tables know."""
        return self.boards[0] if self.boards else ""


def chip_key(chip: str, board: str) -> str:
    """What is equal for two names of one chip; a host's `cpu` is that board's alone."""
    return f"board {board}" if chip.casefold().strip() in GENERIC else canonical(chip)


def candidates(
    results: Sequence[Result],
    boards: Sequence[BoardSpec],
    known: Sequence[BoardSpec],
    chips: Iterable[str] = (),
) -> list[Candidate]:
    """One candidate a chip, by name: those with rows, those of `boards` without, and `chips` of the atlas.

    Facts come from `known`, whose boards a chip of the atlas is named by, too.
    """
    rows: defaultdict[str, list[Result]] = defaultdict(list)
    specs: defaultdict[str, list[BoardSpec]] = defaultdict(list)
    for result in results:
        rows[chip_key(result.chip, result.board)].append(result)
    for spec in boards:
        specs[chip_key(spec.chip, spec.name)].append(spec)
    keys = sorted({*rows, *specs, *map(canonical, chips)})
    for spec in known:
        if (key := chip_key(spec.chip, spec.name)) in keys and spec not in specs[key]:
            specs[key].append(spec)
    return [_candidate(key, rows[key], specs[key], known) for key in keys]


def _candidate(
    key: str, rows: Sequence[Result], specs: Sequence[BoardSpec], known: Sequence[BoardSpec]
) -> Candidate:
    told = rows[0].chip if rows else specs[0].chip if specs else key
    found = find_chip(told)
    chip = found.name if found else told
    names = dict.fromkeys([*sorted({row.board for row in rows}), *(spec.name for spec in specs)])
    backends = dict.fromkeys([*(row.backend for row in rows), *(spec.backend for spec in specs)])
    with_facts = {one.name for one in known if one.facts}
    board = next((name for name in names if name in with_facts), "")
    facts = sheet_of(board, chip, known)
    return Candidate(chip, tuple(names), tuple(sorted(backends)), tuple(rows), tuple(specs), facts)


def share_of_npu(figures: Figures, facts: FactSheet) -> float:
    """Part of the NPU that figures are of: a half in the 1_1 modes, n cores of how many the chip has."""
    bounds = bounds_of(figures)
    if bounds is not None and bounds.share is not None:
        return bounds.share
    part, all_cores = figures.npu, npu_cores(facts)
    cores = part.cores if part is not None and part.mode and not part.halved else None
    if cores and all_cores and cores < all_cores:
        return cores / all_cores
    return 1.0
