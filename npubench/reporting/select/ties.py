"""Which chips come out even: what is known ranks none of them before the other."""

from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.verdict import ChipVerdict

CLOSE = 5e-4
"""Scores and head-rooms are shown in three digits: what differs by less looks the same."""


def are_even(one: ChipVerdict, other: ChipVerdict) -> bool:
    """Whether nothing that ranks tells them apart."""
    return _standing(one) == _standing(other) and all(
        _same(a, b) for a, b in ((one.score, other.score), (one.headroom, other.headroom))
    )


def _standing(one: ChipVerdict) -> tuple[Outcome, tuple[Outcome, ...], float]:
    return one.outcome, tuple(sorted(check.outcome for check in one.checks)), one.timed


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < CLOSE


def bands_overlap(one: ChipVerdict, other: ChipVerdict) -> bool:
    """Whether the 90 % bands of their scores overlap: their order may be the other way round."""
    first, second = _band(one), _band(other)
    return first is not None and second is not None and first[0] <= second[1] and second[0] <= first[1]


def _band(one: ChipVerdict) -> tuple[float, float] | None:
    """Ends of the score, whose least head-room moves with the NPU's load; None without a score."""
    term = next((term for term in one.terms if term.name == "headroom"), None)
    if one.score is None:
        return None
    if one.load_band is None or term is None or term.value is None:
        return one.score, one.score
    rest = [c.headroom for c in one.checks if c.headroom is not None and c.name != "npu_time"]
    low, high = (
        one.score + term.weight * (min(1.0, max(0.0, min([1 - load, *rest]))) - term.value)
        for load in reversed(one.load_band)
    )
    return low, high
