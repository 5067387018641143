"""What came of a requirement, and one model of one stream on a chip: what the rules of all checks share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.reporting.select.bands import Uncertain, total
from npubench.reporting.select.requirements import ModelNeed, StreamNeed
from npubench.reporting.select.times import Found, Missing, ModelTime, weakest


class Outcome(StrEnum):
    """Unknown is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


TITLES: Mapping[str, str] = {
    "npu_time": "NPU time",
    "latency": "Latency",
    "decode": "Decode",
    "memory": "Memory",
    "streams": "Cameras at their rate",
    "operators": "Operator support",
    "accuracy": "Accuracy",
    "price": "Price",
    "power": "Power",
}
"""Requirements in the order in which they stand."""


@dataclass(frozen=True, slots=True)
class Step:
    """What would settle an unknown."""

    what: str  # in words
    command: str = ""  # that runs as printed; empty: none is known
    fact: str = ""  # lines for a file: of the requirements, or of a table
    brief: str = ""  # the same in a few words, for a cell


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement and what there is to meet it."""

    name: str  # a key of TITLES
    outcome: Outcome  # whether it is met
    headroom: float | None = None  # share of the capacity that is left, negative: short; None also of a bound
    need: str = ""  # what is asked, as text
    have: str = ""  # what there is, as text
    why: str = ""  # of an outcome that is no plain pass
    arithmetic: tuple[str, ...] = ()  # lines that lead to the figures
    kind: Kind | None = None  # weakest of what the figures are; None: a chip fact
    confidence: float | None = None  # chance that it is met, where bands are known; None: they are not
    steps: tuple[Step, ...] = ()  # of an unknown: what would settle it
    changes: tuple[str, ...] = ()  # of a failure: what would make it pass
    contested: bool = False  # another fact would turn the outcome


def within(need: float, have: float) -> tuple[Outcome, float]:
    """Whether `need` fits into `have`, and the share of it that is left."""
    return (Outcome.PASS if need <= have else Outcome.FAIL), 1 - need / have if have > 0 else -1.0


BY_OUTCOME: Mapping[Outcome, int] = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2}
"""The worst first."""


def worst(checks: Sequence[Check]) -> Outcome:
    """The outcome of all together."""
    return min((check.outcome for check in checks), key=BY_OUTCOME.__getitem__)


def tightest(checks: Sequence[Check]) -> Check | None:
    """Of several checks of one requirement the worst, with least room; None of none."""
    return min(
        checks,
        key=lambda one: (BY_OUTCOME[one.outcome], 2.0 if one.headroom is None else one.headroom),
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """One model of one stream, with what is known of it on a candidate."""

    stream: StreamNeed
    need: ModelNeed
    found: Found

    @property
    def load(self) -> float | None:
        """Share of a second of the NPU (or of its part) that all streams' runs of this model take."""
        return None if self.time is None else self.a_second * self.time.time_us / 1e6

    @property
    def a_second(self) -> float:
        """Runs a second of all streams."""
        return self.stream.count * self.need.rate

    @property
    def loads(self) -> Uncertain | None:
        """The load with its band."""
        return None if self.time is None else self.time.uncertain.times(self.a_second / 1e6)

    @property
    def time(self) -> ModelTime | None:
        """What speaks for the model, where anything does."""
        return self.found.best

    @property
    def missing(self) -> Missing | None:
        """Why nothing does."""
        return self.found.missing

    @property
    def row(self) -> Result | None:
        """The row of a workspace that ran, also where its time is missing."""
        if self.time is not None:
            return self.time.result
        return self.missing.ran if self.missing else None


def kind_of(jobs: Sequence[Job]) -> Kind | None:
    """The weakest kind among the figures of all models; None without any."""
    found = weakest([job.time for job in jobs if job.time])
    return found.kind if found else None


def load_of(jobs: Sequence[Job]) -> float | None:
    """Share of the NPU, or of its part, that the whole job takes; None when a model has no figure."""
    if not all(job.time for job in jobs):
        return None
    return total([job.loads for job in jobs if job.loads]).median


def share_of(jobs: Sequence[Job]) -> float:
    """Smallest part of the NPU that a figure is of."""
    return min((job.time.share for job in jobs if job.time), default=1.0)
