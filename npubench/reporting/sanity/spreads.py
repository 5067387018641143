"""Rows whose rounds lie further apart than is usual on their board, and boards on which all do."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind, Latency, Result
from npubench.measure.stability import STABLE_SPREAD
from npubench.reporting.charts.pairs import latency_of
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of

WIDE_SPREAD = 0.1
WIDE_DEVIATION = 0.5
"""Standard deviation over mean that is wide, where no rounds tell whether it matters."""

LEAST_FOR_USUAL = 8
"""Rows that it takes to tell what is usual on a board; with fewer each is held against what is stable."""

UNUSUAL = 3.0
"""Times the usual spread: of normal noise in three rounds two rows in a thousand lie further apart."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is usual on a board: the limit for a row, the median spread, and the rows it is of."""

    limit: float
    median: float
    rows: int


def wide_spreads(results: Sequence[Result], history: Sequence[Result] = ()) -> Iterator[Doubt]:
    """Measured rows that are wide for their board; strong when the rounds lie 10 % apart and more.

    `history` are older rows of the boards, which tell what is usual there.
    """
    measured = [(row, latency) for row in results if (latency := latency_of(row, Kind.MEASURED)) is not None]
    usual = {board: _usual([*spreads.values()]) for board, spreads in _spreads((*history, *results)).items()}
    for row, latency in measured:
        doubt = _wide(row, latency, usual.get((row.board, row.backend)))
        if doubt is not None:
            yield doubt
    yield from _noisy(measured, usual)


def _spreads(rows: Sequence[Result]) -> dict[tuple[str, str], dict[tuple[str, str], float]]:
    """By board and backend the spread of each measurement, however often its row is given."""
    groups: defaultdict[tuple[str, str], dict[tuple[str, str], float]] = defaultdict(dict)
    for row in rows:
        latency = latency_of(row, Kind.MEASURED)
        if latency is not None and latency.spread is not None:
            groups[row.board, row.backend][row.key, row.started_at] = latency.spread
    return groups


def _usual(spreads: Sequence[float]) -> _Usual:
    """The limit is `STABLE_SPREAD` at least, and Tukey's outer fence where the board's rows scatter."""
    if len(spreads) < LEAST_FOR_USUAL:
        return _Usual(STABLE_SPREAD, statistics.median(spreads), len(spreads))
    low, middle, high = statistics.quantiles(spreads, n=4, method="inclusive")
    return _Usual(max(STABLE_SPREAD, UNUSUAL * middle, high + 3 * (high - low)), middle, len(spreads))


def _wide(row: Result, latency: Latency, usual: _Usual | None) -> Doubt | None:
    wide = latency.spread is not None and usual is not None and latency.spread > usual.limit
    alone = latency.spread is None and latency.std is not None and latency.mean > 0
    deviation = latency.std / latency.mean if alone and latency.std is not None else 0.0
    if not wide and deviation <= WIDE_DEVIATION:
        return None
    evidence = []
    if latency.spread is not None:
        evidence.append(_apart(latency, latency.spread))
    if usual is not None and usual.rows >= LEAST_FOR_USUAL:
        evidence.append(
            say(
                "usual on this board is {usual}, the median of {rows} rows",
                usual=f"{usual.median:.1%}",
                rows=usual.rows,
            )
        )
    if deviation > WIDE_DEVIATION:
        evidence.append(
            say(
                "standard deviation is {share:.0%} of the mean over {count} runs",
                share=deviation,
                count=latency.n,
            )
        )
    if row.verdict is not None:
        evidence.append(say("verdict {verdict}", verdict=say(row.verdict.value)))
    strong = deviation > WIDE_DEVIATION or (latency.spread or 0.0) > WIDE_SPREAD
    return doubt_of(
        row,
        DoubtClass.WIDE_SPREAD,
        Strength.STRONG if strong else Strength.WEAK,
        say("its runs lie far apart: a repeat may give another figure"),
        *evidence,
    )


def _apart(latency: Latency, spread: float) -> str:
    medians = ", ".join(significant(value, separator="") for value in latency.rounds_p50)
    if not medians:
        return say(
            "calls lie {spread:.1%} apart, stable is {stable:.0%}", spread=spread, stable=STABLE_SPREAD
        )
    return say(
        "rounds lie {spread:.1%} apart, stable is {stable:.0%}: {medians} us",
        spread=spread,
        stable=STABLE_SPREAD,
        medians=medians,
    )


def _noisy(
    measured: Sequence[tuple[Result, Latency]], usual: dict[tuple[str, str], _Usual]
) -> Iterator[Doubt]:
    """Where every row is wide none is unusual: the board is, and that is said once."""
    for (board, backend), one in usual.items():
        if one.rows < LEAST_FOR_USUAL or one.median <= STABLE_SPREAD:
            continue
        rows = [(row, latency) for row, latency in measured if (row.board, row.backend) == (board, backend)]
        if not rows:
            continue
        wide = sum((latency.spread or 0.0) > STABLE_SPREAD for _, latency in rows)
        yield Doubt(
            DoubtClass.NOISY_BOARD,
            Strength.STRONG if one.median > WIDE_SPREAD else Strength.WEAK,
            board,
            backend,
            ", ".join(sorted({row.precision.value for row, _ in rows})),
            (),
            say("this board's rounds usually lie apart: no row stands out, and all may differ in a repeat"),
            (
                say(
                    "{wide} of {rows} rows lie more than {stable:.0%} apart, the median is {median}",
                    wide=wide,
                    rows=len(rows),
                    stable=STABLE_SPREAD,
                    median=f"{one.median:.1%}",
                ),
            ),
        )
