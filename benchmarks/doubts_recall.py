"""How many corrupted rows the doubts find, and how many clean rows they doubt: `make doubts-recall`.

The table is the published one of the AX620A without the rows that are known to be wrong: of each group of
equal figures only the row stays that its MACs fit. One row (two where figures change places) is corrupted a
draw, all doubts are asked for, and the draw is found when there is a strong doubt about that row that the
clean table has not; a lone copied time is found by a weak one, too, as two true rows have equal times.

    python -m benchmarks doubts_recall                       # 200 draws, seed 1
    python -m benchmarks.doubts_recall --draws 50 --seed 2 3 4
"""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from npubench import published
from npubench.domain.figures import Figures
from npubench.domain.records import BoardState, Result, Status, Verdict
from npubench.domain.specs import CaseKind
from npubench.reporting.sanity import Doubt, DoubtClass, Strength, doubts
from npubench.storage.hashing import digest

BOARD = "published-ax620a"
LEAST_FOUND = 0.9
MOST_ALARMS = 0.01
CLOCKS = (800.0, 800.0, 800.0, 800.0)

WRONG = frozenset(
    {
        "panet_resnet18_fpem-ffm_600e_ctw1500",
        "fcn_r50-d8_4xb4-20k_voc12aug-512x512",
        "fcn_r50-d8_4xb2-40k_cityscapes-512x1024",
        "panet_resnet18_fpem-ffm_600e_icdar2015",
        "pspnet_r50-d8_4xb2-80k_cityscapes-512x1024",
        "unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024",
        "wide-resnet101_8xb32_in1k",
    }
)
"""Of the seven groups of equal figures the row whose MACs are another network's."""

Rows = list[Result]
Corrupt = Callable[[Rows, random.Random], set[str]]
"""Changes the rows in place; the cases that are wrong now."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One kind of fault; `weakly` where a weak doubt is all that there can be."""

    name: str
    corrupt: Corrupt
    weakly: bool = False


@dataclass(frozen=True, slots=True)
class Recall:
    """Share of the draws that were found, and by which classes."""

    corruption: Corruption
    found: float
    by: tuple[str, ...]


def clean_table() -> Rows:
    """Rows as published, with the hashes and the board's states that a run of one's own would have."""
    state = BoardState("2023-08-01T00:00:00+00:00", hostname="board", cores=4, clocks_mhz=CLOCKS)
    return [
        replace(row, artifact_sha256=digest("artifact", row.case), board_before=state, board_after=state)
        for row in published.results()
        if row.board == BOARD and row.status is Status.OK and row.case not in WRONG
    ]


def alarms(rows: Sequence[Result]) -> set[str]:
    """Cases with a strong doubt; that a time is missing is a gap in the table and no fault of a row."""
    return {case for _, _, cases in _told(doubts(rows), strong_only=True) for case in cases}


def recall(corruption: Corruption, draws: int, seed: int) -> Recall:
    """Draws with a generator of their own, so that one kind's do not depend on another's."""
    source, table = random.Random(f"{corruption.name} {seed}"), clean_table()
    before = _told(doubts(table), not corruption.weakly)
    found, by = 0, set[str]()
    for _ in range(draws):
        rows = list(table)
        wrong = corruption.corrupt(rows, source)
        new = {told for told in _told(doubts(rows), not corruption.weakly) - before if wrong & {*told[2]}}
        found += bool(new)
        by |= {doubt_class for doubt_class, _, _ in new}
    return Recall(corruption, found / draws, tuple(sorted(by)))


def _told(found: Sequence[Doubt], strong_only: bool) -> set[tuple[str, str, tuple[str, ...]]]:
    """Class, strength and cases of each; a missing time is a gap in the table."""
    return {
        (one.doubt_class.value, one.strength.value, one.cases)
        for one in found
        if one.doubt_class is not DoubtClass.NO_BOARD_TIME
        and (one.strength is Strength.STRONG or not strong_only)
    }


def _positions(rows: Rows, kind: CaseKind = CaseKind.MODEL, timed: bool = True) -> list[int]:
    """Rows of a kind that have the compiler's figures, and a time of the board where one is asked."""
    return [
        at
        for at, row in enumerate(rows)
        if row.case_kind is kind
        and (row.figures is not None or not timed)
        and row.estimate is not None
        and row.estimate.throughput_fps
        and row.estimate.tool_macs is not None
        and row.estimate.mac_utilisation is not None
    ]


def _with_time(figures: Figures, us: float) -> Figures:
    assert figures.latency_us is not None
    return replace(figures, latency_us=replace(figures.latency_us, mean=us), npu_time_us=us)


def _time(row: Result) -> float:
    assert row.figures is not None
    assert row.figures.latency_us is not None
    return row.figures.latency_us.mean


def _rate(row: Result) -> float:
    assert row.estimate is not None
    assert row.estimate.throughput_fps
    return row.estimate.throughput_fps


def _retimed(change: Callable[[Result, random.Random], float]) -> Corrupt:
    def corrupt(rows: Rows, source: random.Random) -> set[str]:
        at = source.choice(_positions(rows))
        row = rows[at]
        assert row.figures is not None
        rows[at] = replace(row, figures=_with_time(row.figures, change(row, source)))
        return {row.case}

    return corrupt


def _scaled(factor: float) -> Corrupt:
    return _retimed(lambda row, _: _time(row) * factor)


def _rescaled_rate(factor: float) -> Corrupt:
    def corrupt(rows: Rows, source: random.Random) -> set[str]:
        at = source.choice(_positions(rows, timed=False))
        estimate = rows[at].estimate
        assert estimate is not None
        rows[at] = replace(rows[at], estimate=replace(estimate, throughput_fps=_rate(rows[at]) * factor))
        return {rows[at].case}

    return corrupt


def _two(rows: Rows, source: random.Random, positions: Sequence[int]) -> tuple[int, int]:
    """Two rows of different networks: recipes of one have rightly the same figures."""
    while True:
        one, other = source.sample(list(positions), 2)
        if rows[one].macs != rows[other].macs or _rate(rows[one]) != _rate(rows[other]):
            return one, other


def _row_copied(rows: Rows, source: random.Random) -> set[str]:
    target, origin = _two(rows, source, _positions(rows, timed=False))
    copy = rows[origin]
    rows[target] = replace(rows[target], figures=copy.figures, estimate=copy.estimate)
    return {rows[target].case}


def _artifact_copied(rows: Rows, source: random.Random) -> set[str]:
    target, origin = _two(rows, source, _positions(rows, timed=False))
    for at in (target, origin):
        rows[at] = replace(rows[at], onnx_sha256=digest("model", rows[at].case))
    rows[target] = replace(rows[target], artifact_sha256=rows[origin].artifact_sha256)
    return {rows[target].case}


def _time_copied(rows: Rows, source: random.Random) -> set[str]:
    target, origin = _two(rows, source, _positions(rows))
    while _time(rows[target]) == _time(rows[origin]):
        target, origin = _two(rows, source, _positions(rows))
    figures = rows[target].figures
    assert figures is not None
    rows[target] = replace(rows[target], figures=_with_time(figures, _time(rows[origin])))
    return {rows[target].case}


def _throttled(before: bool, timed: bool) -> Corrupt:
    """The clock falls to 40 to 65 %: `before` it was measured, or meanwhile; the time follows, if `timed`."""

    def corrupt(rows: Rows, source: random.Random) -> set[str]:
        at = source.choice(_positions(rows))
        row, share = rows[at], source.uniform(0.4, 0.65)
        state = row.board_before
        assert state is not None
        assert row.figures is not None
        slow = replace(state, clocks_mhz=tuple(clock * share for clock in state.clocks_mhz))
        figures = _with_time(row.figures, round(_time(row) / share)) if timed else row.figures
        verdict = row.verdict if before else Verdict.THROTTLED
        rows[at] = replace(
            row, figures=figures, board_before=slow if before else state, board_after=slow, verdict=verdict
        )
        return {row.case}

    return corrupt


def _slow_throughout(rows: Rows, source: random.Random) -> set[str]:
    """Slower as of such a clock, and no state of the board tells."""
    return _retimed(lambda row, draw: float(round(_time(row) / draw.uniform(0.4, 0.6))))(rows, source)


def _macs_swapped(own: bool) -> Corrupt:
    def corrupt(rows: Rows, source: random.Random) -> set[str]:
        positions = _positions(rows, CaseKind.OPERATOR)
        while True:
            one, other = source.sample(positions, 2)
            estimates = rows[one].estimate, rows[other].estimate
            assert estimates[0] is not None
            assert estimates[1] is not None
            counts = estimates[0].tool_macs, estimates[1].tool_macs
            if (rows[one].macs != rows[other].macs) if own else (counts[0] != counts[1]):
                break
        if own:
            swapped = {one: rows[other].macs, other: rows[one].macs}
            for at, macs in swapped.items():
                rows[at] = replace(rows[at], macs=macs)
        else:
            for at, estimate, macs in zip((one, other), estimates, reversed(counts), strict=True):
                rows[at] = replace(rows[at], estimate=replace(estimate, tool_macs=macs))
        return {rows[one].case, rows[other].case}

    return corrupt


CORRUPTIONS = (
    Corruption("a whole row copied", _row_copied),
    Corruption("the artifact of another model", _artifact_copied),
    Corruption("throttled meanwhile", _throttled(before=False, timed=True)),
    Corruption("a time x 2", _scaled(2)),
    Corruption("a time / 2", _scaled(0.5)),
    Corruption("a time x 1000", _scaled(1000)),
    Corruption("a time / 1000", _scaled(0.001)),
    Corruption("a simulated rate x 2", _rescaled_rate(2)),
    Corruption("a simulated rate / 2", _rescaled_rate(0.5)),
    Corruption("1e6 / qps taken for a time", _retimed(lambda row, _: float(round(1e6 / _rate(row))))),
    Corruption("qps taken for a time", _retimed(lambda row, _: _rate(row))),
    Corruption("a lone copied time", _time_copied, weakly=True),
    Corruption("throttled throughout, the clock tells", _throttled(before=True, timed=True)),
    Corruption("throttled throughout, nothing tells", _slow_throughout),
    Corruption("MACs of two operators by the tool swapped", _macs_swapped(own=False)),
    Corruption("MACs of two operators by the graph swapped", _macs_swapped(own=True)),
)


def _lines(draws: int, seed: int) -> Iterator[str]:
    table = clean_table()
    wrong = alarms(table)
    yield f"seed {seed}, {draws} draws of each kind; {len(table)} clean rows"
    yield f"{'corruption':46} {'found':>6}  by"
    for corruption in CORRUPTIONS:
        found = recall(corruption, draws, seed)
        mark = " (weakly)" if corruption.weakly else ""
        below = "" if found.found >= LEAST_FOUND else "  BELOW 90 %"
        yield f"{corruption.name + mark:46} {found.found:6.1%}  {', '.join(found.by)}{below}"
    share = len(wrong) / len(table)
    above = "" if share <= MOST_ALARMS else "  ABOVE 1 %"
    yield f"strong alarms on clean rows: {len(wrong)} of {len(table)}, {share:.1%}: {', '.join(wrong)}{above}"


def print_by_seed(
    words: Sequence[str], description: str | None, draws: int, lines: Callable[[int, int], Iterator[str]]
) -> None:
    """Print `lines(draws, seed)` for each seed of the command line's words."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=draws)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    asked = parser.parse_args(words)
    for seed in asked.seed:
        for line in lines(asked.draws, seed):
            print(line, flush=True)


def main(words: Sequence[str] = ()) -> None:
    print_by_seed(words, __doc__, 200, _lines)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
