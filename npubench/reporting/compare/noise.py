"""How far a board is from itself: the same artifact measured twice, or rounds of one row."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from npubench.domain.records import Kind, Result, Status
from npubench.reporting.compare.timing import rounds_of

LEAST_PAIRS = 5
_SIGMA = 1.4826
"""Median of absolute values to standard deviation, for normal noise."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviation of same / same as a share (0.02: 2 %), from how many pairs of what."""

    board: str
    share: float
    pairs: int
    method: str


def noise_of(*sides: Iterable[Result]) -> dict[str, Noise]:
    """By board, of the noisier side; a board without two figures of the same thing is not in it.

    Rows of one side are never set against those of another: what differs there is the question.
    """
    found: dict[str, Noise] = {}
    for rows in sides:
        for board, noise in _of_one_side(rows).items():
            if board not in found or noise.share > found[board].share:
                found[board] = noise
    return found


def _of_one_side(rows: Iterable[Result]) -> dict[str, Noise]:
    by_board: defaultdict[str, list[Result]] = defaultdict(list)
    for row in rows:
        figures = row.figures
        if row.status is Status.OK and figures is not None and figures.kind is Kind.MEASURED:
            by_board[row.board].append(row)
    found = ((board, _noise(board, measured)) for board, measured in by_board.items())
    return {board: noise for board, noise in found if noise is not None}


def _noise(board: str, rows: Sequence[Result]) -> Noise | None:
    repeats = list(_between_repeats(rows))
    if len(repeats) >= LEAST_PAIRS:
        return Noise(board, _sigma(repeats), len(repeats), "the same artifact measured again")
    rounds = list(_between_rounds(rows))
    if not rounds:
        return None
    return Noise(board, _sigma(rounds), len(rounds), "rounds of one row against each other")


def _between_repeats(rows: Sequence[Result]) -> Iterator[float]:
    again: defaultdict[tuple[str, str, str | None], list[float]] = defaultdict(list)
    for row in rows:
        level = _level(row)
        if level is not None and row.artifact_sha256 is not None:
            again[row.case, row.precision, row.artifact_sha256].append(level)
    for levels in again.values():
        yield from (abs(math.log(other / one)) for one, other in pairwise(levels))


def _between_rounds(rows: Sequence[Result]) -> Iterator[float]:
    for row in rows:
        if row.figures is not None:
            _, rounds = rounds_of(row.figures)
            yield from (
                abs(math.log(other / one)) for one, other in combinations(rounds, 2) if one * other > 0
            )


def _level(row: Result) -> float | None:
    figures = row.figures
    if figures is None or figures.latency_us is None:
        return None
    _, rounds = rounds_of(figures)
    latency = figures.latency_us
    level = statistics.median(rounds) if rounds else latency.mean if latency.p50 is None else latency.p50
    return level if level > 0 else None


def _sigma(logs: Sequence[float]) -> float:
    return math.expm1(_SIGMA * statistics.median(logs))
