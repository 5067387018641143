"""Two sides as a whole: all changes, the mean of their ratios, and the exit code of a gate."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.errors import ExitCode
from npubench.domain.figures import Bound, Kind
from npubench.domain.gates import Launch
from npubench.domain.records import Definition, Status, differing
from npubench.domain.text import counted
from npubench.reporting.compare.accuracy import without_cosine
from npubench.reporting.compare.change import (
    REGRESSIONS,
    Change,
    Outcome,
    RegressionPolicy,
    changes,
    judge_top1,
)
from npubench.reporting.compare.pairing import Pairing, Side, pair_up, paired_scores
from npubench.reporting.compare.statistics import Interval, geometric_mean
from npubench.reporting.compare.timing import Noise, noise_of, with_launches
from npubench.storage.gates import read_launches


@dataclass(frozen=True, slots=True)
class Mean:
    """Geometric mean of B / A over the cases of one kind of figure and case; above 1, B is slower."""

    kind: str  # of the figures
    case_kind: str  # of the cases
    cases: int  # how many
    ratio: Interval | float  # geometric mean of B / A


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that there is to say."""

    label_a: str  # what A was called by
    label_b: str  # what B was called by
    gate: RegressionPolicy  # by which changes were judged
    changes: tuple[Change, ...]  # in the order of `Outcome`, the largest first
    means: tuple[Mean, ...]  # a kind of figure and case each
    noise: tuple[Noise, ...]  # of the boards that occur
    only_a: tuple[str, ...]  # cases without a row in B
    only_b: tuple[str, ...]  # cases without a row in A
    emulated_a: int  # rows of A left out
    emulated_b: int  # rows of B left out
    warnings: tuple[str, ...]  # what holds for the whole
    nothing_new: str = ""  # why a side is of an older run than was asked for; empty: it is not
    redefined: tuple[str, ...] = ()  # cases quantised by two definitions: no gate can judge them

    def counts(self) -> Mapping[Outcome, int]:
        """How many changes ended how."""
        counted = Counter(change.outcome for change in self.changes)
        return {outcome: counted[outcome] for outcome in Outcome if counted[outcome]}


def compare(a: Side, b: Side, policy: RegressionPolicy) -> Comparison:
    """B against A. Kinds are never compared with each other, and emulated rows with nothing."""
    pairing = pair_up(a, b)
    rows = ([row for row in one.rows if not row.emulated] for one in (a, b))
    noise = with_launches(noise_of(*rows), _launches(a, b))
    found = [change for pair in pairing.pairs for change in changes(pair, policy, noise)]
    if policy.accuracy is not None:
        found += [judge_top1(*pair) for pair in paired_scores(a, b)]
    outcomes = list(Outcome)
    found.sort(key=lambda one: (outcomes.index(one.outcome), -_size(one), one.case, one.board_b))
    requantised = (
        one for one in pairing.pairs if Definition.QUANTISATION in differing(one.before, one.after)
    )
    redefined = tuple(dict.fromkeys(pair.after.case for pair in requantised))
    boards = {board for one in found for board in (one.board_a, one.board_b)}
    return Comparison(
        *(a.label, b.label, policy, tuple(found), _means(found)),
        tuple(noise[board] for board in sorted(boards) if board in noise),
        *(pairing.only_a, pairing.only_b, pairing.emulated_a, pairing.emulated_b),
        _warnings(pairing, redefined),
        a.nothing_new or b.nothing_new,
        redefined,
    )


def _launches(a: Side, b: Side) -> list[Launch]:
    """Of the gates that either side's folder remembers."""
    folders = dict.fromkeys(one.folder.absolute() for one in (a, b) if one.folder is not None)
    return [launch for folder in folders for launch in read_launches(folder)]


def exit_code(comparison: Comparison, gated: bool, require_all: bool = False) -> ExitCode:
    """What a gate says; ungated, only that there was something to compare.

    1: a case is slower, less accurate or broken. 4, 5: a case was lost to the board or the toolchain.
    3: nothing, or not all of A's cases, could be compared, or the latest run measured nothing. 6: a case may
    be slower, which these rows cannot tell.
    """
    outcomes = {change.outcome for change in comparison.changes}
    if (gated and comparison.nothing_new) or not outcomes - {Outcome.NOT_COMPARABLE}:
        return ExitCode.NOTHING_MEASURED
    if not gated:
        return ExitCode.OK
    if outcomes & REGRESSIONS:
        return ExitCode.REGRESSION
    lost = [change.lost_to for change in comparison.changes if change.lost_to is not None]
    if lost:
        return ExitCode(min(lost))
    if require_all and comparison.only_a:
        return ExitCode.NOTHING_MEASURED
    undecided = [one.timed for one in comparison.changes if one.outcome is Outcome.UNDECIDED and one.timed]
    may_be_slower = any(one.ratio > 1 or one.ratio_bound is Bound.LOWER for one in undecided)
    return ExitCode.UNSTABLE if may_be_slower or comparison.redefined else ExitCode.OK


def _means(found: Sequence[Change]) -> tuple[Mean, ...]:
    ratios: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for change in found:
        # A ratio that is only a bound is no figure to take a mean of.
        if change.timed is not None and change.timed.ratio_bound is Bound.EXACT:
            ratios[change.timed.kind, change.case_kind].append(change.timed.ratio)
    means = ((key, len(group), geometric_mean(group)) for key, group in sorted(ratios.items()))
    return tuple(Mean(*key, cases, mean) for key, cases, mean in means if mean is not None)


def _warnings(pairing: Pairing, redefined: Sequence[str]) -> tuple[str, ...]:
    simulators = {
        (pair.before.backend, pair.after.backend)
        for pair in pairing.pairs
        if pair.before.backend != pair.after.backend
        and any(figures.kind is Kind.SIMULATED for figures in pair.after.all_figures)
    }
    told = [
        f"simulated by {one} and by {other}: two vendors' assumptions, not two chips"
        for one, other in sorted(simulators)
    ]
    for label in "AB":
        cases = dict.fromkeys(
            pair.after.case
            for pair in pairing.pairs
            if pair.before.status is pair.after.status is Status.OK
            and without_cosine(pair.before, pair.after) == label
        )
        if cases:
            told.append(f"no cosine in {label} alone, accuracy not compared: {', '.join(cases)}")
    if redefined:
        cases_told = f"{counted(len(redefined), 'case')} quantised by different definitions"
        told.append(f"{cases_told}: neither passed nor failed, measure the older again")
    return tuple(told)


def _size(change: Change) -> float:
    if change.rated is not None:
        return 1 + abs(change.rated.before - change.rated.after)
    return 0.0 if change.timed is None else max(change.timed.ratio, 1 / change.timed.ratio)
