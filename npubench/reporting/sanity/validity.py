"""Rows that are not what they are filed under.

Their outputs are far from FP32's, their figures of another precision, of kernels that compute wrong or of an
earlier definition; another network or operator was built or counted, by its MACs; or they worked and have no
time of a board.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from npubench.catalog import load
from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Definition, Result, Status, earlier
from npubench.domain.specs import CaseKind, OperatorSpec, Precision
from npubench.reporting.data.accuracy import (
    LEAST_COSINE,
    LEAST_SLICE,
    WRONG,
    lowest_of,
    no_accuracy_of,
    slice_text,
)
from npubench.reporting.data.formatting import closeness, significant
from npubench.reporting.data.translate import recorded, translate
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of, simulated_of

MOST_IN_FLOAT = 0.5
"""Share of the MACs above which a row is more of FP32 than of its precision."""

FARTHEST_APART = 0.005
"""Cosines of one file by fused kernels and without optimisation; correct ones differ by rounding alone."""


def low_accuracy(row: Result) -> Iterator[Doubt]:
    """One doubt of each kind of figures that shows it."""
    for figures in row.all_figures if row.status is Status.OK else ():
        found = lowest_of(figures)
        if found is None or not found.low:
            continue
        reason, why = no_accuracy_of(row, figures)
        wrong = reason in WRONG
        yield doubt_of(
            row,
            DoubtClass.LOW_ACCURACY,
            Strength.STRONG,
            translate(
                "outputs hold one number where FP32's differ: the results are wrong, whatever the time is"
            )
            if wrong
            else translate("outputs are far from FP32's: fast, and perhaps of no use"),
            *((recorded(why),) if wrong and why else ()),
            *_accuracy_evidence(figures),
        )


def _accuracy_evidence(figures: Figures) -> Iterator[str]:
    accuracy = figures.accuracy
    if accuracy is None:
        return
    kind = translate(figures.kind.value)
    if accuracy.cosine is not None:
        yield translate(
            "cosine {cosine} ({kind}, {count} inputs); below {limit} is a loss",
            cosine=closeness(accuracy.cosine), kind=kind, count=accuracy.samples, limit=LEAST_COSINE,
        )  # fmt: skip
    if text := slice_text(accuracy):
        yield translate("worst slice: {slice}; below {limit} is a loss", slice=text, limit=LEAST_SLICE)
    if accuracy.dead_slices:
        yield translate("{count} slices vary in FP32 and are constant here", count=accuracy.dead_slices)


def float_macs(row: Result) -> Iterator[Doubt]:
    """A row of another precision than FP32 that was mostly computed in float."""
    for figures in row.all_figures if row.precision not in (Precision.FP32, Precision.NONE) else ():
        macs = figures.computed.macs if figures.computed else None
        if macs is not None and macs.floating > MOST_IN_FLOAT:
            reason = translate(
                "computed in float for the most part: neither time nor accuracy are of this precision"
            )
            told = translate("{share:.1%} of the MACs were computed in float", share=macs.floating)
            yield doubt_of(row, DoubtClass.FLOAT_MACS, Strength.STRONG, reason, told)
            return


def kernels_differ(row: Result) -> Iterator[Doubt]:
    """A row whose fused kernels give something else than the file without optimisation."""
    for figures in row.all_figures:
        kernels = figures.accuracy.kernels if figures.accuracy else None
        if kernels is None or kernels.fused_cosine is None or kernels.unoptimised_cosine is None:
            continue
        fused, plain = kernels.fused_cosine, kernels.unoptimised_cosine
        if abs(fused - plain) > FARTHEST_APART:
            reason = translate(
                "fused kernels compute something else here than the file says: most likely they saturate"
            )
            both = {"fused": closeness(fused), "plain": closeness(plain)}
            told = translate("cosine {fused} by fused kernels, {plain} without optimisation", **both)
            yield doubt_of(row, DoubtClass.KERNELS_DIFFER, Strength.STRONG, reason, told)


def earlier_definitions(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a board, backend, precision and what changed, with all cases that it is of."""
    groups: defaultdict[tuple[str, str, str, tuple[Definition, ...]], list[Result]] = defaultdict(list)
    for row in results:
        if changed := earlier(row):
            groups[row.board, row.backend, row.precision, changed].append(row)
    reason = translate("old: of an earlier definition, to be measured again before it stands beside new rows")
    for (*_, changed), rows in groups.items():
        yield doubt_of(
            rows, DoubtClass.EARLIER_DEFINITION, Strength.WEAK, reason, *map(_what_changed, changed)
        )


def _what_changed(definition: Definition) -> str:
    if definition is Definition.THROUGHPUT:
        return translate("fps counts samples by the earlier rule; latencies are as they were")
    return translate("quantised alike for every processor: times and accuracy of INT8 are others today")


def missing_board_times(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a board, backend and kind of case, with all cases that lack what others there have."""
    groups: defaultdict[tuple[str, str, CaseKind], list[Result]] = defaultdict(list)
    for row in results:
        if row.status is Status.OK and row.case_kind in (CaseKind.MODEL, CaseKind.OPERATOR):
            groups[row.board, row.backend, row.case_kind].append(row)
    for (*_, case_kind), rows in groups.items():
        untimed = [row for row in rows if not _has_board_time(row)]
        if not untimed:
            continue
        some = len(untimed) < len(rows)
        counts = {"count": len(untimed), "all": len(rows), "kind": translate(case_kind.value)}
        simulated = sum(simulated_of(row) is not None for row in untimed)
        yield doubt_of(
            untimed,
            DoubtClass.NO_BOARD_TIME,
            Strength.strong_if(some),
            translate("built, but no time of a board: what runs in a simulation may not run, or not as fast")
            if some
            else translate("nothing was timed on this board: there is a simulation only"),
            translate("{count} of {all} rows that worked have no board time ({kind})", **counts),
            translate("of these {count} with a simulation", count=simulated),
        )


def _has_board_time(row: Result) -> bool:
    figures = row.figures
    if figures is None or (figures.latency_us is None and figures.throughput_fps is None):
        return False
    return Kind.MEASURED in (figures.kind, figures.origin)


OFF = 1.75
"""The tool's count over the graph's may be this far from what is usual there, either way."""

FAR_OFF = 5.0
LEAST_MODELS = 8
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
    for counted in filter(None, map(_count, results)):
        by_board[counted.row.board, counted.row.backend].append(counted)
    for models in by_board.values():
        ratios = [one.ratio for one in models]
        usual = statistics.median(ratios) if len(models) >= LEAST_MODELS else 1.0
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
        translate("the median of {count} models there is {usual}", count=models, usual=significant(usual))
        if models >= LEAST_MODELS
        else translate("the two should agree")
    )
    same = _same_count(one, fitting)
    # Of a published row the graph is npubench's own, at its own input: another input explains a part.
    published = any(figures.kind is Kind.PUBLISHED for figures in one.row.all_figures)
    other_input = published or not one.row.inputs
    foreign = [other for other in same if not other_input or other.partition("_")[0] != _family(one)]
    evidence = [
        translate(
            "the tool counts {told} GMAC, the graph has {own}: {ratio} times; {usually}",
            told=significant(one.tool_macs / 1e9),
            own=significant((one.row.macs or 0) / 1e9),
            ratio=significant(one.ratio),
            usually=usually,
        ),
        *(translate("that count is the one of {case}", case=other) for other in same),
    ]
    if one.counts_idle_lanes and not few:
        evidence.append(
            translate("the tool counts idle lanes, too, which narrow and grouped convolutions leave")
        )
    if other_input and not far:
        evidence.append(
            translate("the table tells no input: another size than npubench's own would explain it")
        )
    return doubt_of(
        one.row,
        DoubtClass.WRONG_MACS,
        Strength.strong_if(far or foreign or (few and not other_input)),
        translate("too few MACs for this architecture: another network or another input may have been built")
        if few
        else translate(
            "too many MACs for this architecture: another network or another input may have been built"
        ),
        *evidence,
    )


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
        reason = translate("not the MACs of this operator: another operator's count")
        counts = {"macs": significant(row.macs, 12), "due": significant(due, 12)}
        told = translate("{macs} MACs, and its declaration multiplies {due}", **counts)
        yield doubt_of(row, DoubtClass.WRONG_MACS, Strength.STRONG, reason, told)


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
"""Operators without a multiply-accumulate by the usual count (`graph.macs`)."""
