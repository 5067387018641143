"""What a board's earlier gates tell: how its pairs scattered, and how often it cried wolf."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import beta

from npubench.domain.gates import BoardRecord, GateOutcome, GateSide, GateVerdict, Launch
from npubench.domain.specs import Precision, titled
from npubench.measure.gate.noise import PairNoise, Scatter, scatter_of

MOST_PAIRS = 60
"""A case's newest pairs that count: a board of last year is another board."""

_ALARMS = frozenset({GateOutcome.SLOWER, GateOutcome.FASTER})


def case_title(case: str, precision: str) -> str:
    """What a case of a board is known by in its history."""
    return titled(case, Precision(precision))


def log_ratios(launches: Iterable[Launch]) -> Mapping[tuple[str, str], list[float]]:
    """log(candidate / baseline) of the whole pairs that were kept, by case and gate, gates in their order."""
    halves: dict[tuple[str, str, int], dict[GateSide, float]] = {}
    for one in launches:
        if one.kept and one.time_us > 0:
            key = case_title(one.case, one.precision), one.gate, one.pair
            halves.setdefault(key, {})[one.side] = one.time_us
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for (case, gate, _), sides in halves.items():
        if len(sides) == len(GateSide):
            found[case, gate].append(float(np.log(sides[GateSide.CANDIDATE] / sides[GateSide.BASELINE])))
    return found


def scatters(launches: Iterable[Launch], board: str) -> Mapping[str, list[Scatter]]:
    """By case of a board: how the pairs of its gates scattered, the newest `MOST_PAIRS` of each case."""
    found: defaultdict[str, list[Scatter]] = defaultdict(list)
    every = log_ratios(one for one in launches if one.board == board)
    for (case, _), pairs in reversed(list(every.items())):
        if sum(one.pairs for one in found[case]) < MOST_PAIRS:
            found[case].append(scatter_of(pairs))
    return found


def record_of(
    board: str, noise: PairNoise, history: Mapping[str, Sequence[Scatter]], verdicts: Iterable[GateVerdict]
) -> BoardRecord:
    """What is known of a board; `verdicts` are those of all its gates."""
    same = [
        one
        for one in verdicts
        if one.board == board and one.same and one.outcome not in (GateOutcome.BROKEN, GateOutcome.LOST)
    ]
    alarms = sum(one.outcome in _ALARMS for one in same)
    pairs = sum(one.pairs for found in history.values() for one in found)
    share = float(np.sqrt(np.median(noise.variance) / 2))
    return BoardRecord(board, pairs, share, len(same), alarms, most_alarms(alarms, len(same)))


def most_alarms(alarms: int, cases: int) -> float:
    """The upper end of the one-sided 95 % interval of a share (Clopper and Pearson, 1934); 1 of nothing."""
    return float(beta.ppf(0.95, alarms + 1, cases - alarms)) if alarms < cases else 1.0
