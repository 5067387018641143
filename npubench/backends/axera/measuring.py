"""The half that the runners share: the artifact on the board, several calls of the runner, one figure.

No runner lists single runs: each call gives a mean, and of axcl_run_model its percentiles too. What is
known of the spread is that between calls.
"""

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from npubench.backends.axera.board_errors import explain, failed_run
from npubench.backends.axera.build import Deadline
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Completed, Failure, FailureClass, Latency, Stage
from npubench.domain.specs import TimingProtocol
from npubench.measure.statistics import least_samples

HASH_S = 120.0
_HASH_LINE = re.compile(r"\\?([0-9a-f]{64}) [ *].*")
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Round:
    """One call of a runner: mean over `n` runs, us; lowest and highest run where it prints them.

    `percentiles_us` are the runner's own, by percent; they stand for `n` runs and no more.
    """

    mean_us: float
    n: int
    min_us: float | None = None
    max_us: float | None = None
    percentiles_us: Mapping[float, float] = field(default_factory=dict)


def _no_check(_call: object, _repeat: int) -> None:
    """The default: a runner whose count of runs is not checked."""


@dataclass(frozen=True, slots=True)
class Runner(Generic[Parsed]):
    """A runner's command line for (path, warmup, repeat), and how to read it.

    `check` may find that a call did not do the repeats that were asked for.
    """

    name: str
    argv: Callable[[str, int, int], list[str]]
    parse: Callable[[str], Parsed | Failure]
    round_of: Callable[[Parsed], Round]
    check: Callable[[Parsed, int], Failure | None] = _no_check


def bring(artifact: Artifact, session: Session, log: Path) -> PurePosixPath | Failure:
    """Put the artifact on the board and let the board say what it holds; the path to run."""
    path = session.put(artifact.path, artifact.sha256)
    completed = session.run(["sha256sum", str(path)], HASH_S, log)
    match = _HASH_LINE.match(completed.output.strip())
    if completed.returncode != 0 or match is None:
        said = completed.output.strip()[-200:] or "it printed nothing"
        message = f"sha256sum on the board did not tell what lies there: {said}"
        return Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, message)
    if match[1] != artifact.sha256:
        message = f"the board holds {match[1]}, not the artifact {artifact.sha256} of this job"
        return Failure(Stage.TRANSFER, FailureClass.WRONG_ARTIFACT, message)
    return path


def measure_rounds(
    runner: Runner[Parsed], path: PurePosixPath, session: Session, timing: TimingProtocol, deadline_s: float,
    log: Path,
) -> list[Parsed] | Failure:  # fmt: skip
    """Call the runner `timing.rounds` times; later calls are as long as the minimum duration asks."""
    deadline = Deadline(deadline_s)
    results: list[Parsed] = []
    warmup, repeat = timing.warmup, timing.repeat
    for _ in range(max(1, timing.rounds)):
        if results and deadline.left() <= 0:
            message = f"{runner.name} did not end its rounds within {deadline_s:g} s"
            return Failure(Stage.MEASURE, FailureClass.HANG, message)
        completed = session.run(runner.argv(str(path), warmup, repeat), deadline.left(), log)
        result = _read(runner, completed, deadline_s, repeat)
        if isinstance(result, Failure):
            return result
        results.append(result)
        repeat = _repeat(timing, runner.round_of(result).mean_us)
    return results


def latency(rounds: Sequence[Round]) -> Latency:
    """All runs of all calls as one mean; `spread` is that of the calls' medians, else of their means.

    A percentile needs enough runs in each call (`least_samples`), and is the middle one of the calls'.
    """
    n = sum(r.n for r in rounds)
    medians = _of_calls(rounds, 50)
    middles = medians or [r.mean_us for r in rounds]
    lows, highs = [r.min_us for r in rounds], [r.max_us for r in rounds]
    known_lows, known_highs = [v for v in lows if v is not None], [v for v in highs if v is not None]
    p50, p90, p99 = (_middle(_of_calls(rounds, percent)) for percent in (50, 90, 99))
    return Latency(
        n=n,
        mean=sum(r.mean_us * r.n for r in rounds) / n,
        min=min(known_lows) if len(known_lows) == len(rounds) else None,
        max=max(known_highs) if len(known_highs) == len(rounds) else None,
        p50=p50,
        p90=p90,
        p99=p99,
        rounds_p50=tuple(medians),
        spread=(max(middles) - min(middles)) / statistics.median(middles) if len(rounds) > 1 else None,
    )


def statistic(rounds: Sequence[Round], runner: str) -> dict[str, object]:
    """What kind of numbers these are, for the details of a row."""
    calls = f"{len(rounds)} call{'s' if len(rounds) > 1 else ''} of {runner}"
    known = [f"p{percent}" for percent in (50, 90, 99) if _of_calls(rounds, percent)]
    percentiles = f"{', '.join(known)}: the middle one of the calls'" if known else "no percentile is known"
    printed = [{f"p{p:g}_us": us for p, us in r.percentiles_us.items()} for r in rounds]
    return {
        "statistic": f"mean of the means of {calls}, weighted by their runs; {percentiles}",
        "call_means_us": [r.mean_us for r in rounds],
        "runs_per_call": [r.n for r in rounds],
        **({"printed_percentiles": printed} if any(printed) else {}),
    }


def _of_calls(rounds: Sequence[Round], percent: float) -> list[float]:
    """A percentile of each call; none where a call lacks it, or has too few runs to stand for it."""
    known = [r.percentiles_us[percent] for r in rounds if percent in r.percentiles_us]
    enough = all(r.n >= least_samples(percent) for r in rounds)
    return known if enough and len(known) == len(rounds) else []


def _middle(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def weighted_mean(values: Sequence[float | None], rounds: Sequence[Round]) -> float | None:
    """Mean over all runs of a figure of each call; None when a call lacks it."""
    known = [(value, r.n) for value, r in zip(values, rounds, strict=True) if value is not None]
    if len(known) < len(rounds):
        return None
    return sum(value * n for value, n in known) / sum(n for _, n in known)


def _read(runner: Runner[Parsed], completed: Completed, deadline_s: float, repeat: int) -> Parsed | Failure:
    failure = failed_run(runner.name, completed, deadline_s)
    if failure is not None:
        return failure
    parsed = runner.parse(completed.output)
    if isinstance(parsed, Failure):
        return explain(runner.name, completed.output) or parsed
    wrong = runner.check(parsed, repeat)
    return parsed if wrong is None else replace(wrong, detail=completed.output)


def _repeat(timing: TimingProtocol, mean_us: float) -> int:
    per_round_s = timing.min_duration_s / max(1, timing.rounds)
    return max(timing.repeat, math.ceil(per_round_s * 1e6 / mean_us))
