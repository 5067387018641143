"""What a prediction says: a figure with its band and what it rests on, or a refusal with its reason."""

from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """What a predicted figure rests on, from the surest to the least sure."""

    SAME_CELL = "same network and chip"  # another mode, precision, batch or publisher of the pair is known
    OTHER_PRECISION = "same network and chip, other precision"  # the pair is known, but not in what is asked
    KNOWN_NETWORK = "known network"  # the network's figures on other chips
    KNOWN_FAMILY = "known family"  # the network has none; others of its family do
    SEEN_OPERATORS = "seen operators"  # its graph alone
    COMPILER = "compiler's qps"


class RefusalKind(StrEnum):
    """Why there is no figure."""

    NOT_VISION = "not a vision figure"
    INPUT = "row cannot be read"
    CHIP = "chip without figures"
    MODE = "mode without figures"
    NETWORK = "network unknown"
    GRAPH = "network without figures and graph"
    OPERATORS = "operators never measured"
    REGIME = "input far from any measured"
    SIZE = "graph far from any measured"


@dataclass(frozen=True, slots=True)
class Costs:
    """Shares of a predicted time, which sum to 1."""

    compute: float
    memory: float
    fixed: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """A predicted figure in the metric and unit that were asked for."""

    value: float
    low: float  # 5 % of the truth is expected below
    high: float  # 5 % of the truth is expected above
    unit: str
    metric: str
    basis: Basis
    rests_on: tuple[str, ...] = ()  # sentences, the most important first
    costs: Costs | None = None
    data_sha256: str = ""
    calibration_sha256: str = ""


@dataclass(frozen=True, slots=True)
class LackingOperator:
    """An operator that was never measured there, and its share of the predicted work."""

    operator: str
    share: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """No figure, why, and what would settle it."""

    kind: RefusalKind
    reason: str  # one line for people
    lacking: tuple[LackingOperator, ...] = ()
    command: str = ""  # what would give the figure; empty: nothing known does


Answer = Prediction | Refusal
