"""Simulated boards for the gate's certificate: launches, runs, and what time does to them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
THROTTLED = np.log(1.15)
"""A launch on a board that throttles takes so much longer."""

_ONSET, _END = 0.02, 0.1
_ROUND = 0.003
"""Deviation of rounds of one launch, as of the boards that were measured."""


@dataclass(frozen=True, slots=True)
class SimulatedBoard:
    """Noise as shares of a time. `earlier` is the factor by which history was quieter than today."""

    name: str
    process: float = 0.02  # deviation from launch to launch
    tails: float = 0.0  # degrees of freedom of Student's t of that; 0: normal
    mode_share: float = 0.0  # of launches in the slow mode of a bimodal time
    mode: float = 0.0  # by how much that is slower
    throttles: bool = False  # stretches of launches that are slower
    shown: bool = True  # and clocks tell of them
    shift: float = 0.0  # deviation from run to run, one for all cases
    drift: float = 0.0  # over a run, either way at most
    wander: float = 0.0  # deviation of a slow wandering, half forgotten after seven launches
    earlier: float = 1.0  # process noise of the history over that of today
    history: int = 10  # pairs a case that the board's history has; 0: nobody knows the board


BOARDS = (
    SimulatedBoard("1 % process", 0.01),
    SimulatedBoard("2 % process", 0.02),
    SimulatedBoard("3 % process", 0.03),
    SimulatedBoard("4 % process", 0.04),
    SimulatedBoard("2 % process, no history", 0.02, history=0),
    SimulatedBoard("2 % process, 1 % in its history", 0.02, earlier=0.5),
    SimulatedBoard("2 % process with heavy tails (t, 3 degrees)", 0.02, tails=3.0),
    SimulatedBoard("2 % process, drift of 10 % over a run", 0.02, drift=0.1),
    SimulatedBoard("2 % process, wandering by 3 %", 0.02, wander=0.03),
    SimulatedBoard("1 % process, runs shifted by 2 %", 0.01, shift=0.02),
    SimulatedBoard("2 % process, throttling by 15 % that clocks tell", 0.02, throttles=True),
    SimulatedBoard("2 % process, throttling by 15 % that nothing tells", 0.02, throttles=True, shown=False),
    SimulatedBoard("bimodal: 30 % of launches 8 % slower", 0.01, mode_share=0.3, mode=0.08),
    SimulatedBoard("bimodal: 5 % of launches 15 % slower", 0.01, mode_share=0.05, mode=0.15),
)


@dataclass(frozen=True, slots=True)
class Traces:
    """Logarithms of times of suites x cases: what a board did in a history, two stored runs and a gate."""

    history: Numbers  # suites x cases x launches, each of a run of its own for the rule of z-scores
    sitting: Numbers  # suites x cases x pairs of an earlier gate
    before: Numbers  # suites x cases x rounds of one launch: the stored run A
    after: Numbers  # the same of B
    pairs: Numbers  # suites x cases x pairs: log(candidate / baseline) of the gate


def simulate(
    board: SimulatedBoard, random: np.random.Generator, suites: int, cases: int, most: int, changes: Numbers
) -> Traces:
    """`changes` are the logarithms by which each case's candidate is slower."""
    shape = (suites, cases)
    past = [_run(board, random, shape, 1, board.earlier)[0][..., 0, 0] for _ in range(12)]
    sitting = _pairs(board, random, shape, max(board.history, 1), board.earlier)
    before, after = (
        _run(board, random, shape, 1)[0][..., :1, 0] + random.normal(0, _ROUND, (*shape, 3)) for _ in range(2)
    )
    return Traces(
        np.stack(past, -1),
        sitting[..., : board.history],
        before,
        after + changes[..., None],
        _pairs(board, random, shape, most) + changes[..., None],
    )


def _pairs(
    board: SimulatedBoard,
    random: np.random.Generator,
    shape: tuple[int, int],
    most: int,
    quiet: float = 1.0,
) -> Numbers:
    """Candidate over baseline of as many pairs, of which those that clocks spoil are measured again."""
    extra = 2 * most if board.throttles and board.shown else most
    times, throttled = _run(board, random, shape, extra, quiet)
    swapped = random.random(times.shape[:-1]) < 0.5
    differences = np.where(swapped, -1.0, 1.0) * (times[..., 1] - times[..., 0])
    if extra == most:
        return differences
    spoilt = throttled[..., 0] != throttled[..., 1]
    kept = np.argsort(spoilt, axis=-1, kind="stable")
    return np.take_along_axis(differences, kept, -1)[..., :most]


def _run(
    board: SimulatedBoard,
    random: np.random.Generator,
    shape: tuple[int, int],
    pairs: int,
    quiet: float = 1.0,
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Times of suites x cases x pairs x 2, and where the board throttled; a pair of each case in turn."""
    suites, cases = shape
    length = pairs * cases * 2
    found = _noise(board, random, (suites, length)) * quiet
    found += board.mode * (random.random((suites, length)) < board.mode_share)
    found += random.normal(0, board.shift, (suites, 1))
    found += random.uniform(-board.drift, board.drift, (suites, 1)) * np.linspace(0, 1, length)
    throttled = np.zeros((suites, length), dtype=bool)
    wandering = random.normal(0, board.wander, suites)
    state = random.random(suites) < (_ONSET / (_ONSET + _END) if board.throttles else 0.0)
    keep = 0.9
    for at in range(length):
        throttled[:, at] = state
        found[:, at] += wandering
        drawn = random.random(suites)
        state = np.where(state, drawn >= _END, (drawn < _ONSET) & board.throttles)
        fresh = random.normal(0, board.wander * np.sqrt(1 - keep**2), suites)
        wandering = keep * wandering + fresh
    found += THROTTLED * throttled
    order = (suites, pairs, cases, 2)
    return found.reshape(order).swapaxes(1, 2), throttled.reshape(order).swapaxes(1, 2)


def _noise(board: SimulatedBoard, random: np.random.Generator, shape: tuple[int, int]) -> Numbers:
    if board.tails:
        scale = board.process / np.sqrt(board.tails / (board.tails - 2))
        return scale * random.standard_t(board.tails, shape)
    return random.normal(0, board.process, shape)
