"""Which cases of two sides a gate launches, what their rows say already, and what no gate can be of."""

from collections.abc import Iterable
from dataclasses import dataclass

from npubench.domain.errors import ExitCode
from npubench.domain.figures import Kind
from npubench.domain.gates import GateOutcome, GateVerdict
from npubench.domain.records import Failure, FailureClass, Result, Stage, Status
from npubench.domain.specs import titled
from npubench.storage.gates import now


@dataclass(frozen=True, slots=True)
class GateCase:
    """One case with a row on both sides."""

    before: Result  # the baseline's
    after: Result  # the candidate's

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"{titled(self.after.case, self.after.precision)} on {self.after.board}"

    @property
    def same(self) -> bool:
        """Whether one artifact stands on both sides."""
        return self.before.artifact_sha256 == self.after.artifact_sha256


@dataclass(frozen=True, slots=True)
class Sorted:
    """The cases of two sides."""

    launched: tuple[GateCase, ...]  # have an artifact on both sides, of one board
    told: tuple[GateVerdict, ...]  # are broken or lost by what their rows say
    left_out: tuple[str, ...]  # no gate can be of, each with the reason


def sorted_out(pairs: Iterable[tuple[Result, Result]], change: float, skip_same: bool = False) -> Sorted:
    """Each pair of rows, the baseline's first."""
    launched, told, left_out = [], [], []
    for case in (GateCase(*pair) for pair in pairs):
        failure = case.after.failure
        if case.before.status is Status.OK and failure is not None:
            told.append(_of_failure(case, failure, change))
        elif why := _why_not(case, skip_same):
            left_out.append(f"{case.title}: {why}")
        else:
            launched.append(case)
    return Sorted(tuple(launched), tuple(told), tuple(left_out))


def verdict_of_rows(
    case: GateCase, outcome: GateOutcome, change: float, reason: str = "", lost_to: ExitCode | None = None
) -> GateVerdict:
    """What is said of a case that was not launched."""
    after = case.after
    return GateVerdict(
        *("", now(), after.board, after.case, after.precision.value, outcome, change),
        baseline_sha256=case.before.artifact_sha256 or "",
        candidate_sha256=after.artifact_sha256 or "",
        reason=reason,
        lost_to=None if lost_to is None else int(lost_to),
    )


def lost_to(failure: Failure) -> ExitCode:
    """What a case was lost to, as `compare` has it."""
    of_tool = failure.failure_class is FailureClass.KILLED and failure.stage is not Stage.MEASURE
    tool = of_tool or failure.failure_class is FailureClass.TOOL_MISSING
    return ExitCode.TOOLCHAIN if tool else ExitCode.BOARD


def _of_failure(case: GateCase, failure: Failure, change: float) -> GateVerdict:
    reason = f"{failure.stage}: {failure.failure_class}: {failure.message}"
    if failure.transient:
        return verdict_of_rows(case, GateOutcome.LOST, change, reason, lost_to(failure))
    return verdict_of_rows(case, GateOutcome.BROKEN, change, reason)


def _why_not(case: GateCase, skip_same: bool) -> str:
    """Why no gate can be of the case; empty where one can."""
    before, after = case.before, case.after
    if before.status is not Status.OK or after.status is not Status.OK:
        return "it has no figure on both sides"
    if before.board != after.board:
        return f"the baseline ran on {before.board}: a gate is of one board"
    measured = [row.figures is not None and row.figures.kind is Kind.MEASURED for row in (before, after)]
    if not all(measured):
        return "it is not measured on a board: `npubench compare` has no noise to ask about"
    if before.artifact_sha256 is None or after.artifact_sha256 is None:
        return "it is a benchmark of the board itself, without an artifact to launch"
    return "one artifact on both sides" if skip_same and case.same else ""
