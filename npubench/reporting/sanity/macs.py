"""MACs that do not fit: a model's by the tool beside its graph's, an operator's beside its declaration.

Then another network, another input or another operator was built or counted.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from npubench.catalog import load
from npubench.domain.records import Kind, Result, Status
from npubench.domain.specs import CaseKind, OperatorSpec
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of

OFF = 1.75
"""The tool's count over the graph's may be this far from what is usual there, either way."""

FAR_OFF = 5.0
LEAST_FOR_USUAL = 8
"""Models that it takes to tell what is usual; with fewer the two counts should be equal."""

_SAME_COUNT = 0.01


@dataclass(frozen=True, slots=True)
class _Counted:
    row: Result
    tool_macs: int
    ratio: float
    counts_idle_lanes: bool


def wrong_macs(results: Sequence[Result]) -> Iterator[Doubt]:
    """Models only: of single operators the tool counts padding that dwarfs the operator."""
    by_board: defaultdict[tuple[str, str], list[_Counted]] = defaultdict(list)
    for row in results:
        counted = _count(row)
        if counted is not None:
            by_board[row.board, row.backend].append(counted)
    for models in by_board.values():
        ratios = [one.ratio for one in models]
        usual = statistics.median(ratios) if len(models) >= LEAST_FOR_USUAL else 1.0
        fitting = [one for one in models if 1 / OFF <= one.ratio / usual <= OFF]
        for one in models:
            if not 1 / OFF <= one.ratio / usual <= OFF:
                yield _doubt(one, usual, len(models), fitting)


def _count(row: Result) -> _Counted | None:
    if row.case_kind is not CaseKind.MODEL or row.status is not Status.OK or not row.macs:
        return None
    for figures in reversed(row.all_figures):
        if count := figures.tool_macs:
            return _Counted(row, count, count / row.macs, figures.counts_idle_lanes)
    return None


def _doubt(one: _Counted, usual: float, models: int, fitting: Sequence[_Counted]) -> Doubt:
    few = one.ratio < usual
    far = max(one.ratio / usual, usual / one.ratio) >= FAR_OFF
    usually = (
        say("the median of {count} models there is {usual}", count=models, usual=significant(usual))
        if models >= LEAST_FOR_USUAL
        else say("the two should agree")
    )
    same = _same_count(one, fitting)
    # Of a published row the graph is npubench's own, at its own input: another input explains a part.
    other_input = _is_published(one.row) or not one.row.inputs
    foreign = [other for other in same if not other_input or other.partition("_")[0] != _family(one)]
    evidence = [
        say(
            "the tool counts {told} GMAC, the graph has {own}: {ratio} times; {usually}",
            told=significant(one.tool_macs / 1e9),
            own=significant((one.row.macs or 0) / 1e9),
            ratio=significant(one.ratio),
            usually=usually,
        ),
        *(say("that count is the one of {case}", case=other) for other in same),
    ]
    if one.counts_idle_lanes and not few:
        evidence.append(say("the tool counts idle lanes, too, which narrow and grouped convolutions leave"))
    if other_input and not far:
        evidence.append(say("the table tells no input: another size than npubench's own would explain it"))
    return doubt_of(
        one.row,
        DoubtClass.WRONG_MACS,
        Strength.strong_if(far or foreign or (few and not other_input)),
        say("too few MACs for this architecture: another network or another input may have been built")
        if few
        else say("too many MACs for this architecture: another network or another input may have been built"),
        *evidence,
    )


def _is_published(row: Result) -> bool:
    return any(figures.kind is Kind.PUBLISHED for figures in row.all_figures)


def _same_count(one: _Counted, fitting: Sequence[_Counted]) -> list[str]:
    """Models that the count fits: the very same number, or nearly that of a relative by name."""
    return [
        other.row.case
        for other in fitting
        if other.tool_macs == one.tool_macs
        or (
            _family(other) == _family(one)
            and abs(other.tool_macs / one.tool_macs - 1) <= _SAME_COUNT
            and other.row.case != one.row.case
        )
    ]


def _family(one: _Counted) -> str:
    return one.row.case.partition("_")[0]


def wrong_operator_macs(row: Result) -> Iterator[Doubt]:
    """An operator of one convolution or matrix product in `ops/*.toml`: its weights say the count."""
    if row.case_kind is not CaseKind.OPERATOR or row.status is not Status.OK or row.macs is None:
        return
    declared = _declared()
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
                macs=significant(row.macs, 12),
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
