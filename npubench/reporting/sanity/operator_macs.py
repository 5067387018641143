"""Operators whose MACs are not what their declaration multiplies: another operator's count."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from npubench.catalog import load
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, OperatorSpec
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of


def wrong_operator_macs(results: Sequence[Result]) -> Iterator[Doubt]:
    """Operators of one convolution or matrix product in `ops/*.toml`: their weights say the count."""
    rows = [
        row
        for row in results
        if row.case_kind is CaseKind.OPERATOR and row.status is Status.OK and row.macs is not None
    ]
    if not rows:
        return
    declared = _declared()
    for row in rows:
        # A published name may carry the shape that it was run at.
        spec = declared.get(row.case) or declared.get(row.case.rpartition("_")[0])
        due = None if spec is None else _macs(spec, row)
        if due is not None and due != row.macs:
            yield doubt_of(
                row,
                DoubtClass.WRONG_MACS,
                Strength.STRONG,
                say("not the MACs of this operator: another operator's count"),
                say(
                    "{macs} MACs, and its declaration multiplies {due}",
                    macs=significant(row.macs or 0, 12),
                    due=significant(due, 12),
                ),
            )


@cache
def _declared() -> Mapping[str, OperatorSpec]:
    return load(()).operators


def _macs(spec: OperatorSpec, row: Result) -> int | None:
    """By the shapes that the row ran at; None of what is neither one convolution nor one product."""
    products = [node for node in spec.nodes if node.op in ("Conv", "MatMul", "Gemm", "ConvTranspose")]
    if len(products) != 1 or not row.outputs or not row.inputs:
        return 0 if not products and all(node.op in _ADD_ONLY for node in spec.nodes) else None
    node = products[0]
    elements = math.prod(row.outputs[0].shape)
    weights = {weight.tensor.name: weight.tensor.shape for weight in spec.weights}
    if node.op == "Conv" and len(spec.outputs) == 1 and node.inputs[1] in weights:
        return math.prod(weights[node.inputs[1]][1:]) * elements
    if node.op == "MatMul" and len(spec.nodes) == 1 and row.inputs[0].shape:
        return int(row.inputs[0].shape[-1]) * elements
    return None


_ADD_ONLY = frozenset({"Add", "Sub", "Mul", "Relu", "Sigmoid", "Concat", "Softmax", "MaxPool", "Transpose"})
"""Operators without a multiply-accumulate by the usual count (`onnx_macs`)."""
