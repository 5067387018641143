"""Surgery on one model, step by step after each refusal, and the record of what was done."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.domain.figures import Figures
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.domain.specs import Precision, TensorSpec
from npubench.graph.surgery.cut import Cut, cut, is_of
from npubench.graph.surgery.graph_view import pruned
from npubench.graph.surgery.rewrites import REWRITES, Restriction, Rewrite

if TYPE_CHECKING:
    from onnx import ModelProto

TIMES = (
    "head and tail are measured on the CPU of the machine that converted, the body's figures are its"
    " toolchain's own: they are of different kinds and machines, so there is no sum"
)

REFUSALS = frozenset({FailureClass.UNSUPPORTED_OPERATOR, FailureClass.UNSUPPORTED_ATTRIBUTE})
"""Failures that a cut can help, when they name operators."""

UNEXPLAINED = frozenset({FailureClass.TOOL_ERROR, FailureClass.CRASH, FailureClass.UNSUPPORTED_ATTRIBUTE})
"""Failures that may come of a restriction in the table, where no operator is named."""


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


@dataclass(frozen=True)
class SurgeryState:
    """How far surgery on a model went: the model as rewritten, what was applied, what is to be cut off."""

    model: "ModelProto"
    rewrites: tuple[Rewritten, ...] = ()
    unsupported_ops: tuple[str, ...] = ()

    def parts(self) -> Cut | Failure:
        """Head, body and tail; all is body as long as nothing is to be cut off."""
        if not self.unsupported_ops:
            return Cut(None, pruned(self.model), None, (), None)
        return cut(self.model, self.unsupported_ops)


def next_step(so_far: SurgeryState, failure: Failure, backend: str) -> SurgeryState | None:
    """What to try after a failure; None where nothing here helps.

    Operators that a rewrite of the table takes away are rewritten; what is refused and left, or was
    rewritten before, is to be cut off. Each step rewrites more or cuts more, so there is a last one.
    """
    if failure.stage is not Stage.COMPILE:
        return None
    refused = failure.operators if failure.failure_class in REFUSALS else ()
    if not refused and failure.failure_class not in UNEXPLAINED:
        return None
    model, applied, touched = so_far.model, list(so_far.rewrites), set()
    unwanted = {*so_far.unsupported_ops, *refused}
    for entry in _fitting(refused, backend, {one.name for one in applied}, unwanted):
        changed, count = entry.apply(model)
        in_vain = refused and not entry.replaces and _counted(changed, refused) >= _counted(model, refused)
        if in_vain or not count:
            continue
        model = changed
        applied.append(Rewritten(entry.name, count, entry.restrictions))
        touched.add(entry.replaces)
    settled = {*touched, *so_far.unsupported_ops}
    left = [name for name in refused if name not in settled and _counted(model, (name,))]
    if len(applied) == len(so_far.rewrites) and not left:
        return None
    return SurgeryState(model, tuple(applied), (*so_far.unsupported_ops, *left))


def _fitting(
    refused: Collection[str], backend: str, applied: Collection[str], unwanted: Collection[str]
) -> list[Rewrite]:
    """Entries that may help and make nothing that was refused, too."""
    if refused:
        fitting = [one for one in REWRITES if one.replaces in (*refused, "")]
    else:
        fitting = [one for one in REWRITES if backend in {limit.backend for limit in one.restrictions}]
    allowed = [one for one in fitting if not (set(one.makes) - {one.replaces}) & set(unwanted)]
    return [one for one in allowed if one.name not in applied]


def _counted(model: "ModelProto", types: Collection[str]) -> int:
    return sum(is_of(node, types) for node in model.graph.node)
