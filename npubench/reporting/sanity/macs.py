"""Models whose MACs by the tool's count do not fit their architecture: another network, or another input."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind, Result, Status
from npubench.domain.specs import CaseKind
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength

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
    counts = [f.tool_macs for f in (row.estimate, row.figures) if f is not None and f.tool_macs]
    return _Counted(row, counts[0], counts[0] / row.macs) if counts else None


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
    if one.row.backend == "pulsar" and not few:
        evidence.append(say("the tool counts idle lanes, too, which narrow and grouped convolutions leave"))
    if other_input and not far:
        evidence.append(say("the table tells no input: another size than npubench's own would explain it"))
    strong = far or foreign or (few and not other_input)
    return Doubt(
        DoubtClass.WRONG_MACS,
        Strength.STRONG if strong else Strength.WEAK,
        one.row.board,
        one.row.backend,
        one.row.precision.value,
        (one.row.case,),
        say("too few MACs for this architecture: another network or another input may have been built")
        if few
        else say("too many MACs for this architecture: another network or another input may have been built"),
        tuple(evidence),
    )


def _is_published(row: Result) -> bool:
    return any(
        figures is not None and figures.kind is Kind.PUBLISHED for figures in (row.figures, row.estimate)
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
