"""Rows of published tables as samples: which are of vision, and what their words mean for a model."""

from npubench.predict.answer import Refusal, RefusalKind
from npubench.predict.asked import AskedRow

TIMES = ("latency", "calculate time")
METRICS = (*TIMES, "throughput")
MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
RATES = ("fps", "qps", "images/s")


def problem_of(row: AskedRow) -> Refusal | None:
    """Why a row is none of a vision figure in a unit that fits it; None where it is one."""
    if row.metric not in METRICS:
        words = f"metric {row.metric!r}: predicted are {', '.join(METRICS)} of vision networks"
        return Refusal(RefusalKind.NOT_VISION, words)
    fits = tuple(MS) if row.metric in TIMES else RATES
    if row.unit not in fits:
        words = f"{row.metric} in {row.unit or 'no unit'!r}: one of {', '.join(fits)} was expected"
        return Refusal(RefusalKind.INPUT, words)
    return None


def ms_of(row: AskedRow, value: float) -> float:
    """A value in the row's unit as milliseconds a call (times) or a sample (rates)."""
    return value * MS[row.unit] if row.metric in TIMES else 1000 / value
