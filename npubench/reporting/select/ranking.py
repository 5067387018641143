"""In which order candidates stand, and why: outcome, what is known, how near it is, and the score.

What passes stands by its score, best first. What is not known follows: what has no failing or negative figure
before what has one, then by the share of requirements decided and of models timed, then by how near the rest
is. What fails is last, the nearest first. A score is weights times values between 0 and 1, all of them shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select.checks import BY_OUTCOME, Check, Outcome, worst


@dataclass(frozen=True, slots=True)
class Term:
    """One addend of a score."""

    name: str  # a key of TITLES
    weight: float  # share of all weights
    value: float | None  # 0..1; None: unknown, counts 0
    how: str  # where it comes from, as text

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return self.weight * (self.value or 0.0)


TITLES: Mapping[str, str] = {
    "headroom": "least head-room",
    "price": "price",
    "latency": "latency head-room",
    "accuracy": "accuracy",
    "power": "power",
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """What the ranking takes of a candidate."""

    checks: Sequence[Check]
    price: float | None = None  # USD, of the level that all are compared at; None: not told of it
    power: float | None = None  # watts, likewise
    accuracy: float | None = None  # least share of the allowed error that is left


def terms_of(
    weights: Sequence[tuple[str, float]], own: Ranked, running: Sequence[Ranked]
) -> tuple[Term, ...]:
    """The addends in the order of the weights; the cheapest, the thriftiest of `running` have the whole."""
    whole = sum(weight for _, weight in weights)
    room = {check.name: check.headroom for check in own.checks if check.headroom is not None}
    cheapest = min((one.price for one in running if one.price), default=None)
    thriftiest = min((one.power for one in running if one.power), default=None)
    values = {
        "headroom": _share(min(room.values(), default=None)),
        "latency": _share(room.get("latency")),
        "accuracy": _share(own.accuracy),
        "price": _ratio(cheapest, own.price, "USD"),
        "power": _ratio(thriftiest, own.power, "W"),
    }
    return tuple(Term(name, weight / whole, *values[name]) for name, weight in weights)


def score_of(terms: Sequence[Term]) -> float:
    """The sum of all points."""
    return sum(term.points for term in terms)


def _share(room: float | None) -> tuple[float | None, str]:
    if room is None:
        return None, translate("unknown counts 0")
    return min(1.0, max(0.0, room)), f"{significant(room * 100)} %"


def _ratio(best: float | None, own: float | None, unit: str) -> tuple[float | None, str]:
    if not best or not own:
        return None, translate("unknown counts 0")
    return best / own, f"{best:.6g} {unit} / {own:.6g} {unit}"


def binding(checks: Sequence[Check]) -> Check | None:
    """What decides: of the failed ones that with least room, else of all that have a head-room.

    Price, power and accuracy have none: they bind only where a bound of theirs fails and nothing else does.
    """
    failed = [check for check in checks if check.outcome is Outcome.FAIL]
    known = [check for check in failed or checks if check.headroom is not None]
    if not known:
        return failed[0] if failed else None
    return min(known, key=lambda check: check.headroom or 0.0)


def place(checks: Sequence[Check], score: float | None, timed: float = 1.0) -> tuple[float, ...]:
    """Where a candidate stands: the less, the higher up. `timed` is the share of models with a time."""
    outcome = worst(checks)
    decided = sum(check.outcome is not Outcome.UNKNOWN for check in checks) / len(checks) + timed
    room = [check.headroom for check in checks if check.headroom is not None]
    least, first = min(room, default=-1.0), float(-BY_OUTCOME[outcome])
    if outcome is Outcome.PASS:
        return first, -(score or 0.0), -least
    if outcome is Outcome.FAIL:
        return first, -least if room else 2.0, -decided
    chances = [
        check.confidence
        for check in checks
        if check.outcome is Outcome.UNKNOWN and check.confidence is not None
    ]
    return first, float(bool(room) and least < 0), -decided, -min(chances, default=0.0), -least
