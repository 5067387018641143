"""The gate's error rates, on simulated boards: `make gate-certificate` writes generated/gate.md.

Each board gives 1,000 suites of ten cases that are the same against the same, and 1,000 of nine that are and
one that is 5 % slower, or faster. Beside the gate two other rules judge the same boards: `compare
--fail-on 5%`, by a stored run of three rounds a side, and a z-score of 30 of the new run in the history of
twelve.

    python -m benchmarks gate_certificate               # some minutes
    python -m benchmarks.gate_certificate --suites 100 --seed 2
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from benchmarks.gate_boards import BOARDS, Numbers, SimulatedBoard, Traces, simulate
from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.records import Result, Status, Verdict
from npubench.domain.specs import CaseKind, Precision
from npubench.measure.gate.design import CASE_FALSE_ALARM, MOST_PAIRS, GateDesign
from npubench.measure.gate.fixed import launches_needed
from npubench.measure.gate.noise import PairNoise, learn, scatter_of
from npubench.measure.gate.sequential import PairSums, decide
from npubench.reporting.compare.change import Outcome, RegressionPolicy, changes
from npubench.reporting.compare.pairing import Pair
from npubench.reporting.compare.timing import noise_of

CASES = 10
LAUNCHES = 20
"""A side: what a change has to be found within."""

CHANGE = 0.05
Z_SCORE = 30.0
SUITES = 1_000
MOST_TOLD = 0.999
"""A share of so many suites is not known to be nearer to 1."""

MOST_FAILED = 0.01
LEAST_FOUND = 0.95
LEAST_SPARED = 0.4
YARDSTICK = "2 % process"
"""The board of which is asked that changes are found and launches are spared."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule says of suites x cases."""

    slower: NDArray[np.bool_]
    faster: NDArray[np.bool_]
    undecided: NDArray[np.bool_]
    launches: Numbers  # a side

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Either way."""
        return self.slower | self.faster


@dataclass(frozen=True, slots=True)
class Rates:
    """One board's line of the certificate; shares of suites or of changed cases."""

    board: str
    suites: int
    false_suites: int  # same-against-same suites in which the gate calls a case slower or faster
    undecided: float  # of cases that did not change
    found: float  # of cases that are 5 % slower
    found_faster: float  # of cases that are 5 % faster
    missed: float  # of both, called unchanged
    launches: float  # a side and case, of suites with one changed case
    whole: tuple[float, float]  # found and launches a side where the gate may go to its own limit
    present_false: int  # suites that `compare --fail-on 5%` fails
    present_found: float
    z_false: int  # suites with a z-score beyond the limit
    z_found: float


def gate(traces: Traces, most: int = LAUNCHES) -> Judged:
    """The gate, pair by pair, with the noise that each board's history gives."""
    suites, cases, _ = traces.pairs.shape
    design, noise = GateDesign(CHANGE, cases, most_pairs=most), _learnt(traces)
    shape = (suites, cases)
    slower, faster, open_ = np.zeros(shape, bool), np.zeros(shape, bool), np.ones(shape, bool)
    count, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for at in range(most):
        pair = traces.pairs[..., at] * open_
        count, total, squares = count + open_, total + pair, squares + pair**2
        found = decide(PairSums(count, total, squares), noise, design)
        slower, faster = slower | (found.slower & open_), faster | (found.faster & open_)
        open_ = open_ & found.open
    return Judged(slower, faster, open_, count)


def _learnt(traces: Traces) -> PairNoise:
    names = [str(number) for number in range(traces.pairs.shape[1])]
    every = [
        learn(names, {name: [scatter_of(one)] for name, one in zip(names, suite, strict=True)})
        for suite in traces.sitting
    ]
    return PairNoise(np.stack([one.variance for one in every]), np.stack([one.degrees for one in every]))


def present_rule(traces: Traces) -> Judged:
    """`compare --fail-on 5%` of two stored runs, by its own code."""
    shape = traces.before.shape[:2]
    slower, faster, undecided = (np.zeros(shape, bool) for _ in range(3))
    policy = RegressionPolicy(CHANGE, accuracy=None)
    for number, (one, other) in enumerate(zip(traces.before, traces.after, strict=True)):
        before, after = ([_row(case, rounds) for case, rounds in enumerate(side)] for side in (one, other))
        noise = noise_of(before, after)
        for case, (row, new) in enumerate(zip(before, after, strict=True)):
            (found,) = changes(Pair(row, new, ()), policy, noise)
            slower[number, case] = found.outcome is Outcome.SLOWER
            faster[number, case] = found.outcome is Outcome.FASTER
            undecided[number, case] = found.outcome is Outcome.UNDECIDED
    return Judged(slower, faster, undecided, np.ones(shape))


def z_scores(traces: Traces) -> Judged:
    """The new run in the history of runs: beyond 30 standard deviations of it."""
    after = np.median(traces.after, -1)
    score = (after - traces.history.mean(-1)) / traces.history.std(-1, ddof=1)
    slower, faster = score > Z_SCORE, score < -Z_SCORE
    return Judged(slower, faster, np.zeros(slower.shape, bool), np.ones(slower.shape))


def _row(case: int, rounds: Numbers) -> Result:
    times = tuple(float(time) for time in 1_000.0 * np.exp(rounds))
    middle = float(np.median(times))
    latency = Latency(n=192, mean=middle, min=min(times), max=max(times), p50=middle, rounds_p50=times)
    return Result(
        *("", "", "", 0.0, "board", "chip", "backend", {}, str(case)),
        *(CaseKind.MODEL, Precision.INT8, Status.OK),
        figures=Figures(Kind.MEASURED, latency_us=latency),
        verdict=Verdict.STABLE,
    )


def rates(board: SimulatedBoard, suites: int, seed: int) -> Rates:
    """All three rules on one board."""
    step = np.log1p(CHANGE)
    none, one = np.zeros((suites, CASES)), np.zeros((suites, CASES))
    one[:, 0] = step
    random = np.random.default_rng([seed, BOARDS.index(board)])
    same, slower, faster = (
        simulate(board, random, suites, CASES, MOST_PAIRS, change) for change in (none, one, -one)
    )
    judged = gate(same)
    up, down, whole = gate(slower), gate(faster), gate(slower, MOST_PAIRS)
    missed = ~(up.changed | up.undecided)[:, 0], ~(down.changed | down.undecided)[:, 0]
    return Rates(
        board.name,
        suites,
        false_suites=int(judged.changed.any(1).sum()),
        undecided=float(judged.undecided.mean()),
        found=float(up.slower[:, 0].mean()),
        found_faster=float(down.faster[:, 0].mean()),
        missed=float(np.concatenate(missed).mean()),
        launches=float(np.concatenate([up.launches, down.launches]).mean()),
        whole=(float(whole.slower[:, 0].mean()), float(whole.launches.mean())),
        present_false=int(present_rule(same).slower.any(1).sum()),
        present_found=float(present_rule(slower).slower[:, 0].mean()),
        z_false=int(z_scores(same).slower.any(1).sum()),
        z_found=float(z_scores(slower).slower[:, 0].mean()),
    )


def fixed_launches(share: float, power: float) -> int:
    """A side: what a fixed design takes for the gate's own errors, with a noise that it is told exactly."""
    return launches_needed(share, CHANGE, CASE_FALSE_ALARM, power)


def kept(found: Sequence[Rates]) -> list[str]:
    """What is promised and does not hold; nothing where all does."""
    broken = [
        f"{one.board}: {one.false_suites} of {one.suites} suites fail falsely"
        for one in found
        if one.false_suites > MOST_FAILED * one.suites
    ]
    for one in found:
        if one.board == YARDSTICK:
            power = min(one.found, one.found_faster)
            spared = 1 - one.launches / fixed_launches(0.02, LEAST_FOUND)
            broken += [f"{one.board}: {power:.1%} of changes found"] if power < LEAST_FOUND else []
            broken += [f"{one.board}: {spared:.0%} of launches spared"] if spared < LEAST_SPARED else []
    return broken


def most_false(false: int, suites: int) -> float:
    """The upper end of a one-sided 95 % interval of a share (Clopper and Pearson, 1934)."""
    return float(beta.ppf(0.95, false + 1, suites - false)) if false < suites else 1.0


def markdown(found: Sequence[Rates], seed: int) -> str:
    """The certificate."""
    suites = found[0].suites
    lines = [
        "# The gate's error rates",
        "",
        f"Made by `make gate-certificate` (seed {seed}); [docs/gate.md](../docs/gate.md) says how it is",
        f"decided. Simulated boards, suites of {CASES} cases, changes of {CHANGE:.0%}, at most {LAUNCHES}",
        "launches a side.",
        "",
        f"## {suites:,} suites that are the same against the same, and as many with one changed case",
        "",
        "| board | suites that fail falsely | surely below | a slower case is found | a faster one"
        " | called unchanged | equal cases undecided | launches a side and case |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.board} | {one.false_suites} | {most_false(one.false_suites, suites):.2%} | {one.found:.1%}"
        f" | {one.found_faster:.1%} | {one.missed:.1%} | {one.undecided:.1%} | {one.launches:.1f} |"
        for one in found
    ]
    lines += [
        "",
        "A suite fails falsely when any case is called slower or faster; `surely below` is the upper end of",
        "the 95 % interval of that share. What is not found within these launches is undecided, which fails",
        f"no job; the gate goes on, up to {MOST_PAIRS}.",
        "Launches are the mean over nine equal cases and one changed.",
        "",
        "## Beside a fixed number of launches",
        "",
        f"A fixed design that is told the noise exactly, with {CASE_FALSE_ALARM:.2%} false alarms a case:",
        "",
        f"| launch noise | it takes for {LEAST_FOUND:.0%} found | the gate takes, up to {MOST_PAIRS} | spared"
        " | the gate finds | for as many found it takes | spared |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *_spared(found),
        "",
        "## The rules that it replaces, on the same boards",
        "",
        "| board | `compare --fail-on 5%`: suites that fail falsely | 5 % slower is found"
        f" | z-score of {Z_SCORE:.0f}: suites that fail falsely | 5 % slower is found |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.board} | {one.present_false / suites:.1%} | {one.present_found:.1%}"
        f" | {one.z_false / suites:.1%} | {one.z_found:.1%} |"
        for one in found
    ]
    return "\n".join([*lines, ""])


def _spared(found: Sequence[Rates]) -> list[str]:
    lines = []
    for board in BOARDS:
        one = next((rate for rate in found if rate.board == board.name), None)
        if one is None or board.name != f"{board.process:.0%} process".replace("%", " %"):
            continue
        found_share, launches = one.whole
        least, equal = (
            fixed_launches(board.process, power) for power in (LEAST_FOUND, min(found_share, MOST_TOLD))
        )
        lines.append(
            f"| {board.process:.0%} | {least} | {launches:.1f} | {1 - launches / least:.0%}"
            f" | {found_share:.1%} | {equal} | {1 - launches / equal:.0%} |"
        )
    return lines


def main(words: Sequence[str] | None = None) -> None:
    """Count, write, and end in 1 where a promise does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--suites", type=int, default=SUITES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=argparse.FileType("w", encoding="utf-8"), default="-")
    options = parser.parse_args(words or [])
    found = [rates(board, options.suites, options.seed) for board in BOARDS]
    print(markdown(found, options.seed), file=options.out, end="")
    if broken := kept(found):
        raise SystemExit("\n".join(broken))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
