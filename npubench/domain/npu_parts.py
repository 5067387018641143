"""Figures of a part of an NPU: what they are to the whole of it."""

from npubench.domain.records import Bound, BoundReason, Bounds

HALVES = ("111", "112", "1_1")
"""Modes of the AX620A in which one half of the NPU runs."""

CORES = {"AX650": 3, "AX620E": 2}
"""Cores of the families that Pulsar 2 builds for by their number (NPU1, NPU2, NPU3)."""


def part_of_npu(mode: str | None, family: str = "") -> Bounds | None:
    """The bound that a latency in this mode is: the whole NPU takes as long at most. None of a whole one."""
    share = 0.5 if mode in HALVES else None
    cores = CORES.get(family)
    if cores and mode and mode.startswith("NPU") and mode[3:].isdecimal() and int(mode[3:]) < cores:
        share = int(mode[3:]) / cores
    return None if share is None else Bounds(Bound.UPPER, BoundReason.PART_OF_NPU, share=share)
