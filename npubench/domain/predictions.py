"""What a prepared model gave for a data set, and where it differs from FP32."""

from dataclasses import dataclass
from pathlib import Path

from npubench.domain.records import Kind


@dataclass(frozen=True, slots=True)
class LayerLoss:
    """A tensor of the prepared model against the same one of the FP32 graph: cosine in [-1, 1]."""

    name: str
    op: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Predictions:
    """Outputs of a prepared model for a data set: `path` is an .npy of samples x classes.

    `kind` is measured where the board computed them, simulated where the tool did. `artifact_sha256` is
    None where no artifact was run, and `note` says what was.
    """

    path: Path
    kind: Kind
    artifact_sha256: str | None
    losses: tuple[LayerLoss, ...] = ()
    note: str = ""
