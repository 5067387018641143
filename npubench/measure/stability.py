"""How far a row can be relied on, from its rounds and from the board's state before and after."""

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

from npubench.domain.records import BoardState, Bound, Figures, Verdict

STABLE_SPREAD = 0.02
CLOCK_CHANGE = 0.05
HOTTER_C = 10.0
BUSY_SHARE = 0.5
LOW_MEMORY_SHARE = 0.1


def judge(
    before: BoardState | None, after: BoardState | None, figures: Figures
) -> tuple[Verdict | None, tuple[str, ...]]:
    """The verdict, None where one round or less tells nothing, and a sentence for every doubt.

    stable: round medians within 2 % and clocks unchanged; drifting: every round slower (or faster)
    than the one before; throttled: slower while the clock fell; noisy: otherwise apart;
    invalid: the board restarted in between.
    """
    warnings = [*_state_warnings(before, after), *_bound_warnings(figures)]
    if _restarted(before, after):
        return Verdict.INVALID, ("the board restarted while it measured: measure again", *warnings)
    latency = figures.latency_us
    if latency is None and figures.spread is not None:
        if figures.spread <= STABLE_SPREAD:
            return Verdict.STABLE, tuple(warnings)
        reason = f"repeats lie {figures.spread:.1%} apart: close other programs, fix the clock"
        return Verdict.NOISY, (reason, *warnings)
    if latency is None or latency.spread is None:
        return None, tuple(warnings)
    if latency.spread <= STABLE_SPREAD:
        return Verdict.STABLE, tuple(warnings)
    verdict, reason = _apart(latency.rounds_p50, before, after)
    return verdict, (f"{reason}: round medians lie {latency.spread:.1%} apart", *warnings)


def _bound_warnings(figures: Figures) -> Iterator[str]:
    """That a time leaves something out is no matter of stability, and yet of how far it can be relied on."""
    bounds = figures.bounds
    if figures.latency_us is None or bounds is None or bounds.bound is not Bound.LOWER:
        return
    if bounds.left_out is None or bounds.layers is None:
        yield "the time is a lower bound: layers are not counted"
    else:
        yield f"the time is a lower bound: {bounds.left_out} of {bounds.layers} layers are not counted"


def _apart(
    medians: Sequence[float], before: BoardState | None, after: BoardState | None
) -> tuple[Verdict, str]:
    steps = list(pairwise(medians))
    slower, faster = bool(steps) and all(a < b for a, b in steps), all(a > b for a, b in steps)
    if slower and (_clock_change(before, after) or 0.0) < -CLOCK_CHANGE:
        return Verdict.THROTTLED, "the clock fell and every round was slower: cool the board"
    if len(medians) > 2 and (slower or faster):
        way = "slower" if slower else "faster"
        return Verdict.DRIFTING, f"every round was {way} than the one before: warm up longer"
    return Verdict.NOISY, "rounds differ: close other programs, fix the clock"


def _state_warnings(before: BoardState | None, after: BoardState | None) -> Iterator[str]:
    if before is None or after is None:
        return
    if before.governor != after.governor:
        yield f"the governor changed from {before.governor} to {after.governor}: fix it"
    elif after.governor not in (None, "performance"):
        yield f"the governor is {after.governor}: set it to performance for steady clocks"
    change = _clock_change(before, after)
    if change is not None and abs(change) > CLOCK_CHANGE:
        yield f"clocks changed by {change:+.0%} while measuring: fix the clock"
    if before.temperature_c is not None and after.temperature_c is not None:
        rise = after.temperature_c - before.temperature_c
        if rise > HOTTER_C:
            yield f"the board got {rise:.0f} C hotter: let it cool, or use a fan"
    running = int(before.extra.get("running", "0"))
    if before.cores and running > BUSY_SHARE * before.cores:
        yield f"{running} other tasks were running on {before.cores} cores before: close other programs"
    if before.memory_available_bytes is not None and before.memory_total_bytes:
        share = before.memory_available_bytes / before.memory_total_bytes
        if share < LOW_MEMORY_SHARE:
            yield f"only {share:.0%} of the memory was free: close other programs"


def _clock_change(before: BoardState | None, after: BoardState | None) -> float | None:
    if before is None or after is None or not before.clocks_mhz or not after.clocks_mhz:
        return None
    return statistics.fmean(after.clocks_mhz) / statistics.fmean(before.clocks_mhz) - 1


def _restarted(before: BoardState | None, after: BoardState | None) -> bool:
    if before is None or after is None or before.uptime_s is None or after.uptime_s is None:
        return False
    return after.uptime_s < before.uptime_s
