"""Deadlines that end what has come far enough, on however slow a machine."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LONGEST_S = 1000.0


def long_enough(run: Callable[[float], T], reached: Callable[[], object], first_s: float = 1.0) -> T:
    """What `run(deadline_s)` gives at the first deadline, of ever longer ones, by which `reached()` came true."""
    deadline_s = first_s
    while True:
        outcome = run(deadline_s)
        if reached():
            return outcome
        assert deadline_s < LONGEST_S, f"it did not come within {deadline_s:g} s"
        deadline_s *= 4
