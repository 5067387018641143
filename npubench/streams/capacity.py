"""How many cameras a pipeline holds, how late their answers are, and how sure that is.

A camera holds its rate when at least `on_time` of its frames that a model is to answer are answered, and no
later than the limit where there is one; a number of cameras is held when every one of them is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from npubench.streams.pipeline import Pipeline, bottleneck, loads
from npubench.streams.simulate import Run, simulate

ON_TIME = 0.99
MOST_CAMERAS = 256
SEEDS = (1, 2, 3)
VISITS = 6000
"""Simulated visits of stations a run: more change the second digit of a p99, and take longer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What counts as held."""

    limit_s: float | None = None  # from a frame's arrival to its last answer, seconds; None: any time
    on_time: float = ON_TIME  # share of a camera's frames

    def held(self, run: Run) -> bool:
        """Whether every camera of a run holds its rate."""
        return self.worst(run) >= self.on_time

    def worst(self, run: Run) -> float:
        """Share of frames on time of the camera with the least."""
        limit = math.inf if self.limit_s is None else self.limit_s + 1e-12
        return min(
            (sum(s <= limit for s in one.latencies_s) / one.asked for one in run.cameras if one.asked),
            default=1.0,
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """A number of cameras, simulated once a seed."""

    cameras: int  # of all streams
    held: int  # cameras that held their rate in every run
    on_time: float  # share of frames on time of the worst camera, worst run
    p50_s: float | None  # of all answers of all runs, seconds; None: there is none
    p99_s: float | None  # seconds
    p99_interval_s: tuple[float, float] | None  # 95 %, Student's t over the runs, seconds
    dropped: float  # share of the frames asked
    busy: Mapping[str, float]  # by station and cores, mean over the runs
    bottleneck: str  # station or cores with the highest load

    @property
    def all_hold(self) -> bool:
        """Whether every camera did."""
        return self.held == self.cameras


@dataclass(frozen=True, slots=True)
class Capacity:
    """The asked number of cameras, and the most that hold."""

    trial: Trial  # of the asked number
    most: int  # cameras that hold at once; 0: not even one
    confidence: float  # that the asked number holds, in 0..1: of the bands of the service times


def run_seconds(pipeline: Pipeline) -> tuple[float, float]:
    """Counted seconds and warm-up: frames for a p99, three of the rarest run, and few visits besides."""
    rates = [stream.fps or 1.0 for stream in pipeline.streams]
    rarest = min((stream.fps or 1.0) * min(step.runs, 1.0) for stream, step in pipeline.visits())
    asked = sum(
        stream.count * rate * max((min(step.runs, 1.0) for step in stream.steps if step.model), default=1.0)
        for stream, rate in zip(pipeline.streams, rates, strict=True)
    )
    visits = sum(stream.count * (stream.fps or 1.0) * step.runs for stream, step in pipeline.visits())
    seconds = max(3 / rarest, min(700 / asked, VISITS / visits))
    # Thousands of cameras, which nobody sees through to the end of a rare run.
    seconds = min(seconds, 3 * VISITS / visits)
    return seconds, min(max(1 / rarest, seconds / 10), seconds)


def trial(pipeline: Pipeline, asked: Asked, seeds: Sequence[int] = SEEDS) -> Trial:
    """Simulate the pipeline as it is, once a seed; an overload that a run is too short for counts, too."""
    seconds, warm_up = run_seconds(pipeline)
    most = bound_of(pipeline)
    if pipeline.cameras > 2 * most:
        # Hopeless, and the dearest to simulate: in one queue with so many others no camera holds.
        seeds, most = seeds[:1], 0
    runs = [simulate(pipeline, seed, seconds, warm_up) for seed in seeds]
    latencies = sorted(latency for run in runs for latency in run.latencies_s)
    frames = sum(one.asked for run in runs for one in run.cameras)
    p99s = [value for run in runs if (value := percentile(run.latencies_s, 0.99)) is not None]
    held = [
        all(asked.held(Run(run.seconds, (run.cameras[at],), {}, 0)) for run in runs)
        for at in range(pipeline.cameras)
    ]
    return Trial(
        cameras=pipeline.cameras,
        held=min(sum(held), most),
        on_time=min(map(asked.worst, runs)),
        p50_s=percentile(latencies, 0.5),
        p99_s=percentile(latencies, 0.99),
        p99_interval_s=_interval(p99s),
        dropped=sum(one.dropped for run in runs for one in run.cameras) / frames if frames else 0.0,
        busy={name: fmean(run.busy[name] for run in runs) for name in runs[0].busy},
        bottleneck=bottleneck(pipeline),
    )


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """The least value that `share` of all are not above; None of none."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else None


_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom."""


def _interval(values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    quantile = _T_975[min(len(values) - 1, len(_T_975)) - 1]
    half = quantile * stdev(values) / math.sqrt(len(values))
    return max(0.0, fmean(values) - half), fmean(values) + half


def holds(pipeline: Pipeline, asked: Asked, seeds: Sequence[int] = SEEDS) -> bool:
    """Whether all cameras do in every run; a load above 1 needs no run to say no."""
    if max(loads(pipeline).values()) > 1 + 1e-9:
        return False
    seconds, warm_up = run_seconds(pipeline)
    return all(asked.held(simulate(pipeline, seed, seconds, warm_up)) for seed in seeds)


def most_cameras(pipeline: Pipeline, asked: Asked, known: Trial | None = None) -> int:
    """The most cameras, in the proportions of the pipeline's streams, that hold their rate at once.

    Never more than the loads allow, which is where the search begins. It goes by one run a
    number; the number that it ends at has to hold in all of them, else one less. `known` is the trial of the
    pipeline as it is, which the answer does not contradict.
    """
    low, high = 0, bound_of(pipeline) + 1
    if known is not None:
        low, high = (known.cameras, high) if known.all_hold else (0, min(high, known.cameras))
    sure, step = low, 1
    while high - low > 1:
        probe = (low + high) // 2 if low > sure else max(low + 1, high - step)
        step *= 2
        if holds(pipeline.with_cameras(probe), asked, SEEDS[:1]):
            low = probe
        else:
            high = probe
    while low > sure and not holds(pipeline.with_cameras(low), asked, SEEDS[1:]):
        low -= 1
    return low


def bound_of(pipeline: Pipeline) -> int:
    """The largest number of cameras whose loads are at most 1; at most 256, or what the pipeline has."""
    worst = max(loads(pipeline).values())
    guess = min(
        max(MOST_CAMERAS, pipeline.cameras),
        math.floor(pipeline.cameras / worst + 1e-9) + len(pipeline.streams),
    )
    while guess and max(loads(pipeline.with_cameras(guess)).values()) > 1 + 1e-9:
        guess -= 1
    return guess


def confidence(pipeline: Pipeline, asked: Asked) -> float:
    """Probability that all cameras hold, where means have bands: the quantile up to which they do.

    A slower chip is slower throughout, so one normal quantile moves all bands; bisected to 0.1.
    """
    banded = any(step.service.low_s is not None for _, step in pipeline.visits())
    if not banded:
        return 1.0 if holds(pipeline, asked) else 0.0
    low, high = -2.6, 2.6
    if not holds(pipeline.at_quantile(low), asked):
        return 0.0
    if holds(pipeline.at_quantile(high), asked):
        return 1.0
    while high - low > 0.1:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(pipeline.at_quantile(middle), asked) else (low, middle)
    return NormalDist().cdf((low + high) / 2)


def capacity(pipeline: Pipeline, asked: Asked) -> Capacity:
    """All three for the pipeline's own number of cameras."""
    found = trial(pipeline, asked)
    return Capacity(found, most_cameras(pipeline, asked, found), confidence(pipeline, asked))
