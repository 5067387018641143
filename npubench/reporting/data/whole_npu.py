"""What the whole NPU could do at most, from a figure of half of it."""

from npubench.domain.npu_parts import HALVES as HALVES
from npubench.domain.records import Figures, Kind, Latency, Result, Status

_OK = Status.OK


def whole_npu(result: Result) -> Figures | None:
    """That estimate for a row that worked: from what was measured, else from the simulation."""
    if result.status is not _OK:
        return None
    for figures in (result.figures, result.estimate):
        estimate = whole_npu_upper_estimate(figures) if figures is not None else None
        if estimate is not None:
            return estimate
    return None


def whole_npu_upper_estimate(figures: Figures) -> Figures | None:
    """Twice the throughput of a figure taken on one half; PREDICTED, and None for any other mode.

    An upper bound: it takes the memory for fast enough, which it often is not. Latency is not
    halved by it either, as a model does not spread over both halves at will.
    """
    if str(figures.details.get("npu_mode")) not in HALVES:
        return None
    per_second = figures.throughput_fps or _one_after_the_other(figures.latency_us)
    if per_second is None:
        return None
    told = f"{figures.kind} simulation" if figures.origin is Kind.SIMULATED else f"{figures.kind} figure"
    return Figures(
        kind=Kind.PREDICTED,
        throughput_fps=2 * per_second,
        details={
            "npu_mode": "0",
            "basis": f"x2 upper estimate from a {told} in mode {figures.details['npu_mode']}",
        },
    )


def _one_after_the_other(latency: Latency | None) -> float | None:
    return None if latency is None or latency.mean <= 0 else 1e6 / latency.mean
