"""What was done to a model, as it stands beside the artifact: `<case>.<board>.<precision>.cut.json`."""

from collections.abc import Mapping
from dataclasses import dataclass

from npubench.domain.failures import Failure
from npubench.domain.records import Figures
from npubench.domain.specs import Precision, TensorSpec
from npubench.graph.surgery.table import Restriction

TIMES = (
    "head and tail are measured on the CPU of the machine that converted, the body's figures are its"
    " toolchain's own: they are of different kinds and machines, so there is no sum"
)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An entry of the table that was applied, to how many nodes, and what it gets round."""

    name: str
    nodes: int
    restrictions: tuple[Restriction, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Head, body or tail: an ONNX file by its hash, and what it takes and gives.

    `figures` of head and tail are measured here with ONNX Runtime on one CPU; those of the body are
    the toolchain's estimate of the artifact, None where it has none.
    """

    file: str
    sha256: str
    operators: Mapping[str, int]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    macs: int | None
    figures: Figures | None = None


@dataclass(frozen=True, slots=True)
class OutputComparison:
    """One output of the joined parts against the whole model's in FP32, over `samples` inputs.

    cosine in [-1, 1]; max_abs in output units; relative_error is |difference| / |reference|, 2-norms;
    `equal` the share of elements that are the same. None where shapes differ or numbers are not finite;
    cosine and relative_error also of whole numbers, which are indices and labels.
    """

    name: str
    dtype: str
    samples: int
    cosine: float | None
    max_abs: float | None
    relative_error: float | None
    equal: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Surgery:
    """Everything that was done so that a model converts, and what became of its outputs.

    `macs_share_on_cpu` is the part of the multiply-accumulates in head and tail, None where none can be
    counted. `joined_fp32` has the body run by ONNX Runtime: what surgery itself changes. `joined_target` has
    the body's outputs as the toolchain gave them when it converted: None where it gave none.
    """

    case: str
    board: str
    backend: str
    precision: Precision
    as_is: Failure
    rewrites: tuple[Rewritten, ...]
    lacking: tuple[str, ...]
    macs_share_on_cpu: float | None
    head: Part | None
    body: Part
    tail: Part | None
    joined_fp32: tuple[OutputComparison, ...]
    joined_target: tuple[OutputComparison, ...] | None
    calibration: str
    artifact_sha256: str
    times: str = TIMES
