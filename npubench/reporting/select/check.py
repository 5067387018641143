"""What came of one requirement on one candidate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.domain.records import Kind


class Outcome(StrEnum):
    """Unknown is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


TITLES: Mapping[str, str] = {
    "npu_time": "NPU time",
    "latency": "Latency",
    "decode": "Decode",
    "memory": "Memory",
    "operators": "Operator support",
    "accuracy": "Accuracy",
    "price": "Price",
    "power": "Power",
}
"""Requirements in the order in which they stand."""


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement and what there is to meet it."""

    name: str  # a key of TITLES
    outcome: Outcome  # whether it is met
    headroom: float | None = None  # share of the capacity that is left, negative: short
    need: str = ""  # what is asked, as text
    have: str = ""  # what there is, as text
    why: str = ""  # of an outcome that is no plain pass
    arithmetic: tuple[str, ...] = ()  # lines that lead to the figures
    kind: Kind | None = None  # of what there is; None: a chip fact


def within(need: float, have: float) -> tuple[Outcome, float]:
    """Whether `need` fits into `have`, and the share of it that is left."""
    return (Outcome.PASS if need <= have else Outcome.FAIL), 1 - need / have if have > 0 else -1.0


BY_OUTCOME: Mapping[Outcome, int] = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2}
"""The worst first."""


def tightest(checks: Sequence[Check]) -> Check | None:
    """Of several checks of one requirement the worst, with least room; None of none."""
    return min(
        checks,
        key=lambda one: (BY_OUTCOME[one.outcome], 2.0 if one.headroom is None else one.headroom),
        default=None,
    )
