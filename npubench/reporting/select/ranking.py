"""The score of a candidate: weights times values between 0 and 1, all of them shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npubench.reporting.data.formatting import significant
from npubench.reporting.data.words import say
from npubench.reporting.select.outcome import Check

TITLES: Mapping[str, str] = {
    "headroom": "least head-room",
    "price": "price",
    "latency": "latency head-room",
    "accuracy": "accuracy head-room",
    "power": "power",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One addend: `weight` is its share of all weights, `value` in [0, 1], None (counted as 0) unknown."""

    name: str
    weight: float
    value: float | None
    how: str

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return self.weight * (self.value or 0.0)


def terms_of(
    weights: Sequence[tuple[str, float]],
    checks: Sequence[Check],
    price: float | None,
    cheapest: float | None,
    power: float | None,
    thriftiest: float | None,
) -> tuple[Term, ...]:
    """The addends in the order of the weights."""
    whole = sum(weight for _, weight in weights)
    room = {check.name: check.headroom for check in checks if check.headroom is not None}
    values = {
        "headroom": _share(min(room.values(), default=None)),
        "latency": _share(room.get("latency")),
        "accuracy": _share(room.get("accuracy")),
        "price": (cheapest / price if price and cheapest else None, _ratio(cheapest, price, "USD")),
        "power": (thriftiest / power if power and thriftiest else None, _ratio(thriftiest, power, "W")),
    }
    return tuple(Term(name, weight / whole, *values[name]) for name, weight in weights)


def score_of(terms: Sequence[Term]) -> float:
    """The sum of all points."""
    return sum(term.points for term in terms)


def _share(headroom: float | None) -> tuple[float | None, str]:
    if headroom is None:
        return None, say("unknown counts 0")
    value = min(1.0, max(0.0, headroom))
    return value, f"{significant(headroom * 100)} %"


def _ratio(best: float | None, own: float | None, unit: str) -> str:
    if not best or not own:
        return say("unknown counts 0")
    return f"{best:.6g} {unit} / {own:.6g} {unit}"
