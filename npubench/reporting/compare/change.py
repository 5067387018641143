"""What became of one case from A to B, by the rule that a gate goes by."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from npubench.domain.errors import ExitCode
from npubench.domain.figures import Bound
from npubench.domain.records import (
    Definition,
    FailureClass,
    Result,
    Stage,
    Status,
    Verdict,
    differing,
    earlier,
)
from npubench.measure.gate.design import CASE_FALSE_ALARM
from npubench.measure.gate.fixed import MOST_LAUNCHES, launches_needed
from npubench.reporting.compare.accuracy import (
    DEFAULT_FALL,
    AccuracyChange,
    Evaluation,
    accuracy_changes,
    top1_change,
    without_cosine,
)
from npubench.reporting.compare.pairing import Pair
from npubench.reporting.compare.timing import ROUNDS, Noise, TimeRatio, figures_by_kind, time_ratios
from npubench.reporting.data.accuracy import WRONG
from npubench.reporting.data.figures import mark, why

DEFAULT_THRESHOLD = 0.05
LEAST_FOUND = 0.95
"""Probability with which launches are to find a change."""

TIMES_NOISE = 3.0


class Outcome(StrEnum):
    """slower, less accurate, broken: regressions. errored: the board or the tool went, not the case."""

    SLOWER = "slower"
    LESS_ACCURATE = "less accurate"
    BROKEN = "broken"
    ERRORED = "lost"
    UNDECIDED = "undecided"
    SAME = "same"
    FASTER = "faster"
    MORE_ACCURATE = "more accurate"
    FIXED = "mended"
    FAILS = "fails as before"
    NOT_COMPARABLE = "not comparable"


REGRESSIONS = frozenset({Outcome.SLOWER, Outcome.LESS_ACCURATE, Outcome.BROKEN})


@dataclass(frozen=True, slots=True)
class Change:
    """One case, in one kind of figure: a time, or an accuracy."""

    case: str  # name
    case_kind: str  # as the row has it
    board_a: str  # name
    board_b: str  # name
    precision: str  # one, or both as `fp32 / int8`
    outcome: Outcome  # what became of the case
    reason: str  # why that
    timed: TimeRatio | None = None  # both times; None: no time is compared
    threshold: float | None = None  # share of a time, or fall of a cosine, that counts
    seen: int = 1  # in how many rows of B a regression shows
    notes: tuple[str, ...] = ()  # what else is to be known of the two rows
    lost_to: int | None = None  # exit code of what went, for ERRORED
    rated: AccuracyChange | None = None  # both accuracies; None: none is compared
    launches: int | None = None  # a side that would decide an undecided time; None: not known


@dataclass(frozen=True, slots=True)
class RegressionPolicy:
    """A change counts beyond `share` and beyond three times the noise of the boards.

    A regression of unstable rows counts only when B measured it twice; with `require_repeat`, any.
    """

    share: float = DEFAULT_THRESHOLD  # of a time; a smaller change is none
    require_repeat: bool = False  # whether a regression has to be measured twice
    accuracy: float | None = DEFAULT_FALL  # by how much a cosine may fall; None: not compared


def changes(pair: Pair, policy: RegressionPolicy, noise: Mapping[str, Noise]) -> Iterator[Change]:
    """One change per kind of figure that both rows have, else one that says why there is none."""
    before, after = pair.before, pair.after
    if before.status is not Status.OK or after.status is not Status.OK:
        yield _of_status(before, after)
        return
    changed = differing(before, after)
    invalid = Verdict.INVALID in (before.verdict, after.verdict)
    if invalid or Definition.QUANTISATION in changed:
        reason = "the board restarted while it measured: invalid" if invalid else _redefined(before, changed)
        yield _change(before, after, Outcome.NOT_COMPARABLE, reason)
        return
    found = list(time_ratios(before, after))
    accuracies = [] if policy.accuracy is None else list(accuracy_changes(before, after))
    rates = [judge_accuracy(before, after, one, policy.accuracy or 0.0) for one in accuracies]
    # Beside a time, accuracies that are as they were need no line of their own.
    yield from (one for one in rates if not found or one.outcome is not Outcome.SAME)
    if not found and not rates:
        reason = _redefined(before, changed) if changed else _no_common_figure(before, after)
        yield _change(before, after, Outcome.NOT_COMPARABLE, reason)
    for one_kind in found:
        yield _judge_time(pair, one_kind, policy, noise)


def _no_common_figure(before: Result, after: Result) -> str:
    one, other = (" and ".join(figures_by_kind(row)) or "no figure" for row in (before, after))
    if one == other:
        return f"{one} in both, without a time of the same statistic"
    return f"{one} in A, {other} in B: kinds are never compared"


def judge_accuracy(before: Result, after: Result, found: AccuracyChange, limit: float) -> Change:
    """A cosine that falls by more than the limit is a regression, one that rises by more an improvement."""
    # In binary, 0.99 - 0.98 is more than 0.01.
    fall = round(found.before - found.after, 9)
    outcome, reason = Outcome.SAME, f"{found.measure} within {limit:g}"
    if abs(fall) > limit:
        outcome = Outcome.LESS_ACCURATE if fall > 0 else Outcome.MORE_ACCURATE
        way = "fell" if fall > 0 else "rose"
        reason = f"the {found.measure} {way} by {abs(fall):.4g}, beyond {limit:g}"
    notes = _notes(before, after)
    return _change(before, after, outcome, reason, threshold=limit, rated=found, notes=notes)


def judge_top1(before: Evaluation, after: Evaluation) -> Change:
    """A drop of top-1 whose interval excludes 0 is a regression."""
    found = top1_change(before, after)
    outcome, reason = Outcome.SAME, f"the interval of the drop holds 0 ({found.method})"
    if found.low is not None and found.low > 0:
        outcome = Outcome.LESS_ACCURATE
        reason = f"top-1 dropped by {100 * (found.before - found.after):.2f} points ({found.method})"
    elif found.high is not None and found.high < 0:
        outcome, reason = Outcome.MORE_ACCURATE, f"top-1 rose ({found.method})"
    precisions = " / ".join(dict.fromkeys((before.precision, after.precision)))
    boards = (before.board, after.board)
    return Change(after.case, "model", *boards, precisions, outcome, reason, rated=found)


def _redefined(before: Result, changed: tuple[Definition, ...]) -> str:
    """Which side is old, and so the one to measure again."""
    old = "A" if set(changed) & set(earlier(before)) else "B"
    return f"{' and '.join(changed)} defined otherwise in A than in B: measure {old} again"


def _judge_time(pair: Pair, found: TimeRatio, policy: RegressionPolicy, noise: Mapping[str, Noise]) -> Change:
    threshold = _threshold(found, pair, policy, noise)
    outcome, reason = _outcome(found, policy.share, threshold)
    seen = 1
    if outcome is Outcome.SLOWER and found.kind == "measured":
        outcome, reason, seen = _repeated(pair, reason, policy, noise)
    outcome, reason = _within_bounds(found, outcome, reason)
    launches = None
    if outcome is Outcome.UNDECIDED and found.ratio_bound is Bound.EXACT and found.kind == "measured":
        launches = _launches(pair, policy, noise)
        reason += _told(launches)
    notes = (*_notes(pair.before, pair.after), *_bound_notes(found))
    judged = {"timed": found, "threshold": threshold, "seen": seen, "notes": notes, "launches": launches}
    return _change(pair.before, pair.after, outcome, reason, **judged)


def _launches(pair: Pair, policy: RegressionPolicy, noise: Mapping[str, Noise]) -> int | None:
    """Launches a side with which a change of `policy.share` is found, as a gate is designed to."""
    boards = [found for row in (pair.before, pair.after) if (found := noise.get(row.board)) is not None]
    # Noise is of the ratio of two launches; rounds tell nothing of it.
    shares = [one.share / math.sqrt(2) for one in boards if one.method != ROUNDS]
    if not shares or pair.before.board != pair.after.board or not 0 < policy.share < 1:
        return None
    return launches_needed(max(shares), policy.share, CASE_FALSE_ALARM, LEAST_FOUND)


def _told(launches: int | None) -> str:
    if launches is None:
        return "; `npubench gate` launches both until it is known"
    many = f"more than {MOST_LAUNCHES}" if launches > MOST_LAUNCHES else f"about {launches}"
    return f"; {many} launches a side would decide it: `npubench gate`"


def _within_bounds(found: TimeRatio, outcome: Outcome, reason: str) -> tuple[Outcome, str]:
    """What is still sure where the ratio is only a bound: one that is at least so much may be any larger."""
    bound = found.ratio_bound
    if bound is Bound.EXACT:
        return outcome, reason
    if bound is None:
        return Outcome.NOT_COMPARABLE, "both are bounds, and nothing follows of their ratio"
    sure = Outcome.SLOWER if bound is Bound.LOWER else Outcome.FASTER
    if outcome is sure:
        return outcome, reason
    return Outcome.UNDECIDED, f"B / A is only known to be {mark(bound)}{found.ratio:.3f}"


def _bound_notes(found: TimeRatio) -> tuple[str, ...]:
    """What the figures leave out, or hold too much of."""
    before, after = found.bounds
    if before == after:
        same = f"A and B are bounds alike ({mark(before.bound)}{why(before)})" if before else ""
        return (f"{same}: what they count is compared",) if same else ()
    sides = (("A", before), ("B", after))
    return tuple(f"{label} is a bound ({mark(one.bound)}{why(one)})" for label, one in sides if one)


def _outcome(found: TimeRatio, share: float, threshold: float) -> tuple[Outcome, str]:
    size = max(found.ratio, 1 / found.ratio) - 1
    if size <= share:
        return Outcome.SAME, f"within {share:.1%}"
    if found.low is None or found.high is None:
        return Outcome.UNDECIDED, found.method
    if found.low <= 1 <= found.high:
        return Outcome.UNDECIDED, "the interval holds 1"
    if size <= threshold:
        return Outcome.UNDECIDED, f"within {TIMES_NOISE:g} times the noise of the board, {threshold:.1%}"
    return (Outcome.SLOWER if found.ratio > 1 else Outcome.FASTER), f"beyond {threshold:.1%}"


def _repeated(
    pair: Pair, reason: str, policy: RegressionPolicy, noise: Mapping[str, Noise]
) -> tuple[Outcome, str, int]:
    """A regression again, as the row of B before the newest has it, if there is one."""
    if not pair.repeats:
        unstable = [row for row in (pair.before, pair.after) if row.verdict not in (None, Verdict.STABLE)]
        if unstable:
            return Outcome.UNDECIDED, f"{reason}, of unstable rows and seen once: measure again", 1
        if policy.require_repeat:
            return Outcome.UNDECIDED, f"{reason}, seen once: measure B again", 1
        return Outcome.SLOWER, f"{reason}; seen once, a repeat would confirm it", 1
    again = next((one for one in time_ratios(pair.before, pair.repeats[0]) if one.kind == "measured"), None)
    threshold = _threshold(again, pair, policy, noise) if again else 0.0
    if again and _outcome(again, policy.share, threshold)[0] is Outcome.SLOWER:
        return Outcome.SLOWER, f"{reason}, and so by a repeat", 2
    return Outcome.UNDECIDED, f"{reason}, but another measurement of B does not show it", 1


def _threshold(found: TimeRatio, pair: Pair, policy: RegressionPolicy, noise: Mapping[str, Noise]) -> float:
    if found.kind != "measured":
        return policy.share
    boards = (noise.get(pair.before.board), noise.get(pair.after.board))
    return max([policy.share, *(TIMES_NOISE * one.share for one in boards if one is not None)])


def _of_status(before: Result, after: Result) -> Change:
    failure = after.failure
    if after.status is Status.OK and before.status is Status.FAILED:
        return _change(before, after, Outcome.FIXED, f"failed in A: {_why(before)}")
    if failure is None or Status.SKIPPED in (before.status, after.status):
        reason = str(after.skip_reason or before.skip_reason or "") or "one side has no figure"
        return _change(before, after, Outcome.NOT_COMPARABLE, f"skipped: {reason}")
    if failure.transient:
        of_tool = failure.failure_class is FailureClass.KILLED and failure.stage is not Stage.MEASURE
        tool = of_tool or failure.failure_class is FailureClass.TOOL_MISSING
        code = int(ExitCode.TOOLCHAIN if tool else ExitCode.BOARD)
        return _change(before, after, Outcome.ERRORED, _why(after), lost_to=code)
    if before.status is Status.FAILED:
        return _change(before, after, Outcome.FAILS, _why(after))
    return _change(before, after, Outcome.BROKEN, _why(after))


def _why(row: Result) -> str:
    one = row.failure
    return f"{one.stage}: {one.failure_class}: {one.message}" if one else "no reason was recorded"


def _notes(before: Result, after: Result) -> tuple[str, ...]:
    notes = []
    if before.onnx_sha256 and after.onnx_sha256 and before.onnx_sha256 != after.onnx_sha256:
        notes.append("the ONNX files differ: one name, two models")
    modes = [(row.figures.npu_mode if row.figures else "") or "None" for row in (before, after)]
    if modes[0] != modes[1]:
        notes.append(f"NPU mode {modes[0]} against {modes[1]}: not the same share of the chip")
    if Definition.THROUGHPUT in differing(before, after):
        notes.append("fps is defined otherwise in A than in B: times are compared, fps is not")
    counts = [row.figures.sampling if row.figures else None for row in (before, after)]
    if None not in counts and len({one.samples_per_call for one in counts if one}) > 1:
        told = " in A, ".join(f"{one.samples_per_call} a call" for one in counts if one)
        notes.append(f"fps counts {told} in B: times are of a call")
    if (label := without_cosine(before, after)) is not None:
        notes.append(f"{label} has no cosine to compare")
    labelled = (("A", before), ("B", after))
    for label, row in labelled:
        wrong = [one.no_accuracy_why for one in figures_by_kind(row).values() if one.no_accuracy in WRONG]
        notes += [f"{label}: {why}" for why in wrong if why]
    if before.backend != after.backend:
        notes.append(f"built by {before.backend} and by {after.backend}")
    unstable = [pair for pair in labelled if pair[1].verdict not in (None, Verdict.STABLE)]
    return (*notes, *(f"{label} is {row.verdict}" for label, row in unstable))


def _change(before: Result, after: Result, outcome: Outcome, reason: str, **judged: Any) -> Change:
    precisions = " / ".join(dict.fromkeys((before.precision.value, after.precision.value)))
    boards = (before.board, after.board)
    return Change(after.case, after.case_kind.value, *boards, precisions, outcome, reason, **judged)
