"""A gate: launches of a baseline and a candidate, what was said of each case, and its board's record."""

from dataclasses import dataclass
from enum import StrEnum


class GateOutcome(StrEnum):
    """What is said of a case: `slower` and `broken` fail a gate, `lost` is the board's or tool's trouble."""

    SLOWER = "slower"
    BROKEN = "broken"
    LOST = "lost"
    UNDECIDED = "undecided"
    FASTER = "faster"
    SMALL = "small change"
    UNCHANGED = "no change"


GATE_FAILURES = frozenset({GateOutcome.SLOWER, GateOutcome.BROKEN})


class GateSide(StrEnum):
    """Which of the two was launched."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch: a fresh process on the board, and the state that it left the board in."""

    gate: str  # name of the gate that it is of
    at: str  # ISO 8601, UTC: when it ended
    board: str  # name
    case: str  # name
    precision: str  # value
    side: GateSide  # which artifact
    artifact_sha256: str  # that ran
    pair: int  # number of the pair, from 1; its two launches followed each other
    time_us: float  # median of the launch, microseconds
    kept: bool = True  # False: the board throttled or restarted within the pair, which was measured again
    clock_mhz: float | None = None  # mean of the processor's cores after it, MHz
    temperature_c: float | None = None  # the hottest zone after it, deg C


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What was said of one case; ratios are candidate over baseline, above 1 the candidate is slower."""

    gate: str  # name of the gate
    at: str  # ISO 8601, UTC
    board: str  # name
    case: str  # name
    precision: str  # value
    outcome: GateOutcome  # what is said
    change: float  # that was asked for, as a share
    baseline_sha256: str = ""  # of the artifact; empty where there is none
    candidate_sha256: str = ""  # the same
    launches: int = 0  # a side that it rests on
    ratio: float | None = None  # geometric mean of the pairs; None of none
    low: float | None = None  # of its 95 % interval; None: too few pairs for one
    high: float | None = None  # the same
    noise: float | None = None  # deviation of a launch as a share, 0.02: 2 %
    more: int = 0  # further launches a side that an undecided case would take, if it goes on as it is
    again: int = 0  # pairs that were measured again, as the board throttled or restarted within them
    reason: str = ""  # why it is broken or lost
    lost_to: int | None = None  # exit code of what went, for LOST

    @property
    def same(self) -> bool:
        """Whether one artifact stood on both sides."""
        return self.baseline_sha256 != "" and self.baseline_sha256 == self.candidate_sha256


@dataclass(frozen=True, slots=True)
class BoardRecord:
    """What a board's earlier gates say of it, this one included."""

    board: str  # name
    pairs: int  # of launches that its noise was learnt from, before this gate
    noise: float  # deviation of a launch as a share, of the median case, before this gate
    same_cases: int  # judged cases with one artifact on both sides
    same_alarms: int  # of these, called slower or faster
    most_alarms: float  # upper end of the 95 % interval of that share


@dataclass(frozen=True, slots=True)
class GateReport:
    """All that there is to say of a gate."""

    gate: str  # its name
    label_a: str  # what the baseline was called by
    label_b: str  # what the candidate was called by
    change: float  # that was asked for, as a share
    verdicts: tuple[GateVerdict, ...]  # the worst first
    boards: tuple[BoardRecord, ...]  # that were launched on
    left_out: tuple[str, ...] = ()  # cases that no gate can be of, each with the reason
    interrupted: bool = False  # it was stopped: the undecided were perhaps not launched enough
