"""Whether other programs wanted the processors while a case was measured on them: what the kernel counted."""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")

BUSY_FIELDS = (0, 1, 2, 5, 6, 7)
"""Of its first line, after `cpu`: user, nice, system, irq, softirq, and what other machines stole."""

LEAST_S = 0.3
"""The kernel counts ticks of 10 ms: over less than this they tell nothing."""


@dataclass(frozen=True, slots=True)
class Occupied:
    """Seconds that other programs computed, on all processors together, while so many passed."""

    others_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, by the kernel's count of all programs and of this one, and by the clock."""

    all_s: float
    own_s: float
    clock_s: float

    def until(self, later: "Mark") -> Occupied:
        """What others computed from here on."""
        others = (later.all_s - self.all_s) - (later.own_s - self.own_s)
        return Occupied(others, later.clock_s - self.clock_s)


def now(stat: Path = STAT) -> Mark | None:
    """This moment; None where the kernel does not tell."""
    try:
        fields = stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        ticks = sum(int(fields[at]) for at in BUSY_FIELDS)
    except (OSError, ValueError, IndexError):
        return None
    return Mark(ticks / os.sysconf("SC_CLK_TCK"), time.process_time(), time.perf_counter())


def others_now(seconds: float) -> Occupied | None:
    """What others compute from now on for so many seconds; None where the kernel does not tell."""
    began = now()
    if began is None:
        return None
    threading.Event().wait(seconds)
    ended = now()
    return began.until(ended) if ended else None


def crowded_share(rounds: Sequence[Occupied | None], threads: int, processors: int) -> float | None:
    """Of the processors that a case computed on, the share in 0..1 that others wanted beyond those left free.

    `threads` 0: as many as there are processors. None where it was not told, or too short to tell.
    """
    told = [one for one in rounds if one is not None]
    wall_s = sum(one.wall_s for one in told)
    if len(told) < len(rounds) or wall_s < LEAST_S:
        return None
    used = min(threads or processors, processors)
    others = sum(one.others_s for one in told) / wall_s
    return min(1.0, max(0.0, others - (processors - used)) / used)
