"""Doubts as the page tells them: once a reason, then where, and what shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength


@dataclass(frozen=True, slots=True)
class DoubtGroup:
    """Doubts of one class and strength."""

    doubt_class: DoubtClass
    strength: Strength
    reasons: tuple[str, ...]  # different ones, in their order
    next_step: str  # what to do
    doubts: tuple[Doubt, ...]  # in their order

    @property
    def cases(self) -> int:
        """Rows that are doubted; none of a board as a whole."""
        return sum(len(doubt.cases) for doubt in self.doubts)

    @property
    def boards(self) -> tuple[str, ...]:
        """Their boards, in their order."""
        return tuple(dict.fromkeys(doubt.board for doubt in self.doubts))


def doubt_groups(doubts: Sequence[Doubt]) -> list[DoubtGroup]:
    """Strong ones first, then those with most doubts."""
    found: dict[tuple[Strength, DoubtClass, str], list[Doubt]] = {}
    for doubt in doubts:
        found.setdefault((doubt.strength, doubt.doubt_class, doubt.next_step), []).append(doubt)
    groups = [
        DoubtGroup(of, strength, tuple(dict.fromkeys(one.reason for one in own)), step, tuple(own))
        for (strength, of, step), own in found.items()
    ]
    return sorted(groups, key=lambda one: (one.strength is not Strength.STRONG, -len(one.doubts)))
