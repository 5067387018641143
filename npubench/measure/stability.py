"""How far a row can be relied on, from its rounds and from the board's state before and after."""

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

from npubench.domain.figures import Bound, Figures
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import BoardState, Verdict

STABLE_SPREAD = 0.02
CLOCK_CHANGE = 0.05
HOTTER_C = 10.0
BUSY_SHARE = 0.5
LOW_MEMORY_SHARE = 0.1


def assess_stability(
    before: BoardState | None, after: BoardState | None, figures: Figures
) -> tuple[Verdict | None, tuple[Note, ...]]:
    """The verdict, None where one round or less tells nothing, and a note for every doubt.

    stable: round medians within 2 % and clocks unchanged; drifting: every round slower (or faster)
    than the one before; throttled: slower while the clock fell; noisy: otherwise apart;
    invalid: the board restarted in between.
    """
    warnings = [*_state_warnings(before, after), *_bound_warnings(figures)]
    if _restarted(before, after):
        return Verdict.INVALID, (Note(NoteCode.RESTARTED), *warnings)
    latency = figures.latency_us
    spread = latency.spread if latency else figures.spread
    if spread is None or spread <= STABLE_SPREAD:
        return None if spread is None else Verdict.STABLE, tuple(warnings)
    verdict, code = Verdict.NOISY, NoteCode.REPEATS_DIFFER
    if latency:
        verdict, code = classify_unstable(latency.rounds_p50, before, after)
    return verdict, (Note(code, {"spread": spread}), *warnings)


def _bound_warnings(figures: Figures) -> Iterator[Note]:
    """That a time leaves something out is no matter of stability, and yet of how far it can be relied on."""
    bounds = figures.bounds
    if figures.latency_us is None or bounds is None or bounds.bound is not Bound.LOWER:
        return
    if bounds.left_out is None or bounds.layers is None:
        yield Note(NoteCode.LOWER_BOUND)
    else:
        yield Note(NoteCode.LOWER_BOUND_OF_LAYERS, {"count": bounds.left_out, "all": bounds.layers})


def classify_unstable(
    medians: Sequence[float], before: BoardState | None, after: BoardState | None
) -> tuple[Verdict, NoteCode]:
    """How rounds with these medians, in their order, are unstable."""
    steps = list(pairwise(medians))
    slower, faster = bool(steps) and all(a < b for a, b in steps), all(a > b for a, b in steps)
    if slower and (_clock_change(before, after) or 0.0) < -CLOCK_CHANGE:
        return Verdict.THROTTLED, NoteCode.CLOCK_FELL
    if len(medians) > 2 and (slower or faster):
        return Verdict.DRIFTING, NoteCode.SLOWER if slower else NoteCode.FASTER
    return Verdict.NOISY, NoteCode.ROUNDS_DIFFER


def _state_warnings(before: BoardState | None, after: BoardState | None) -> Iterator[Note]:
    if before is None or after is None:
        return
    if before.governor != after.governor:
        values = {"before": str(before.governor), "after": str(after.governor)}
        yield Note(NoteCode.GOVERNOR_CHANGED, values)
    elif after.governor not in (None, "performance"):
        yield Note(NoteCode.GOVERNOR, {"name": str(after.governor)})
    change = _clock_change(before, after)
    if change is not None and abs(change) > CLOCK_CHANGE:
        yield Note(NoteCode.CLOCKS_CHANGED, {"share": change})
    if before.temperature_c is not None and after.temperature_c is not None:
        rise = after.temperature_c - before.temperature_c
        if rise > HOTTER_C:
            yield Note(NoteCode.HOTTER, {"rise_c": rise})
    running = int(before.extra.get("running", "0"))
    if before.cores and running > BUSY_SHARE * before.cores:
        yield Note(NoteCode.BUSY, {"count": running, "cores": before.cores})
    if before.memory_available_bytes is not None and before.memory_total_bytes:
        share = before.memory_available_bytes / before.memory_total_bytes
        if share < LOW_MEMORY_SHARE:
            yield Note(NoteCode.LOW_MEMORY, {"share": share})


def _clock_change(before: BoardState | None, after: BoardState | None) -> float | None:
    if before is None or after is None or not before.clocks_mhz or not after.clocks_mhz:
        return None
    return statistics.fmean(after.clocks_mhz) / statistics.fmean(before.clocks_mhz) - 1


def _restarted(before: BoardState | None, after: BoardState | None) -> bool:
    if before is None or after is None or before.uptime_s is None or after.uptime_s is None:
        return False
    return after.uptime_s < before.uptime_s
