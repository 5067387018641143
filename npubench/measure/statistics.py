"""Statistics of samples of time, samples in a call, and the throughput that follows."""

import itertools
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from npubench.domain.figures import Figures, Kind, Latency, RateFrom, Sampling
from npubench.domain.records import Failure, FailureClass, OnnxModel, Result
from npubench.domain.specs import BatchAxes, SamplesFrom, TensorSpec
from npubench.graph.check import refused, shown

CONFIDENCE = 0.99
INTERVAL = 0.95
LEAST_FOR_TREND = 6
TREND = statistics.NormalDist().inv_cdf(0.995)
OUTLIER_SCORE = 14.826
"""Modified z-score (Iglewicz and Hoaglin, 1993) above which hyperfine calls a run an outlier."""


@cache
def least_samples(percentile: float) -> int:
    """How many samples a percentile needs: p50 11, p90 64, p95 130, p97 219, p99 662.

    MLPerf Inference's early stopping with one discarded query: the smallest n for which at most one
    of n samples lies above a true percentile p with a probability of at most 1 - 0.99, that is
    p^n + n (1 - p) p^(n-1) <= 0.01.
    """
    p = percentile / 100
    n = 2
    while p**n + n * (1 - p) * p ** (n - 1) > 1 - CONFIDENCE:
        n += 1
    return n


def latency(rounds: Sequence[Sequence[float]]) -> Latency:
    """Statistics over all runs of all rounds, in microseconds as the samples. Raises ValueError on none."""
    samples = sorted(value for one in rounds for value in one)
    if not samples:
        raise ValueError("no samples")
    medians = tuple(statistics.median(one) for one in rounds if one)
    return Latency(
        n=len(samples),
        mean=statistics.fmean(samples),
        min=samples[0],
        max=samples[-1],
        p50=_percentile(samples, 50),
        p90=_percentile(samples, 90),
        p99=_percentile(samples, 99),
        std=statistics.stdev(samples) if len(samples) > 1 else None,
        rounds_p50=medians,
        spread=spread_of(medians),
        outliers=_outliers(samples),
    )


def spread_of(medians: Sequence[float]) -> float | None:
    """How far the median of the rounds' medians is known, as a share of it; None of fewer than two.

    The interval between two of the ordered rounds that holds the true median with 95 % confidence, however
    the times are distributed (Conover, Practical Nonparametric Statistics, 3.2). Of up to eight rounds that
    is from the smallest to the largest; of more, it leaves some out at each end, which may be disturbed.
    """
    if len(medians) < 2:
        return None
    ordered, outside = sorted(medians), rounds_outside(len(medians))
    return (ordered[-1 - outside] - ordered[outside]) / statistics.median(ordered)


@cache
def rounds_outside(count: int) -> int:
    """How many of so many ordered rounds lie outside of it at each end: 0 of 8, 1 of 9, 3 of 15."""
    outside = 0
    # Below the median lie k of n rounds with the probability C(n, k) / 2^n.
    while 2 * sum(math.comb(count, k) for k in range(outside + 2)) <= (1 - INTERVAL) * 2**count:
        outside += 1
    return outside


def trend_of(values: Sequence[float]) -> int:
    """1 where they rise from one to the next, -1 where they fall, 0 where chance would do as much.

    Up to five have to rise (or fall) each; of more the Mann-Kendall test decides, at 1 %.
    """
    steps = [(b > a) - (b < a) for a, b in itertools.combinations(values, 2)]
    count, total = len(values), sum(steps)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    few = count < LEAST_FOR_TREND
    if count < 3 or (abs(total) < len(steps) if few else abs(total) - 1 < TREND * deviation):
        return 0
    return 1 if total > 0 else -1


def _percentile(ordered: Sequence[float], percentile: float) -> float | None:
    """Nearest rank (every figure is a run that happened); the median averages the middle two."""
    if len(ordered) < least_samples(percentile):
        return None
    if percentile == 50:
        return statistics.median(ordered)
    return ordered[math.ceil(percentile / 100 * len(ordered)) - 1]


def _outliers(ordered: Sequence[float]) -> int:
    middle = statistics.median(ordered)
    deviation = statistics.median(abs(value - middle) for value in ordered)
    limit = OUTLIER_SCORE * deviation / 0.6745
    return sum(abs(value - middle) > limit for value in ordered) if deviation else 0


@dataclass(frozen=True, slots=True)
class CallMean:
    """One call of a runner: mean over `n` runs, us; lowest and highest run where it prints them.

    `percentiles_us` are the runner's own, by percent; they stand for `n` runs and no more.
    """

    mean_us: float
    n: int
    min_us: float | None = None
    max_us: float | None = None
    percentiles_us: Mapping[float, float] = field(default_factory=dict)


def latency_of_means(rounds: Sequence[CallMean]) -> Latency:
    """All runs of all calls as one mean; `spread` is that of the calls' medians, else of their means.

    A percentile needs enough runs in each call (`least_samples`), and is the middle one of the calls'.
    """
    n = sum(r.n for r in rounds)
    medians = percentile_of_calls(rounds, 50)
    middles = medians or [r.mean_us for r in rounds]
    lows = [r.min_us for r in rounds if r.min_us is not None]
    highs = [r.max_us for r in rounds if r.max_us is not None]
    of_calls = (medians, *(percentile_of_calls(rounds, percent) for percent in (90, 99)))
    p50, p90, p99 = (statistics.median(values) if values else None for values in of_calls)
    return Latency(
        n=n,
        mean=sum(r.mean_us * r.n for r in rounds) / n,
        min=min(lows) if len(lows) == len(rounds) else None,
        max=max(highs) if len(highs) == len(rounds) else None,
        p50=p50,
        p90=p90,
        p99=p99,
        rounds_p50=tuple(medians),
        spread=(max(middles) - min(middles)) / statistics.median(middles) if len(rounds) > 1 else None,
    )


def percentile_of_calls(rounds: Sequence[CallMean], percent: float) -> list[float]:
    """A percentile of each call; none where a call lacks it, or has too few runs to stand for it."""
    known = [r.percentiles_us[percent] for r in rounds if percent in r.percentiles_us]
    enough = all(r.n >= least_samples(percent) for r in rounds)
    return known if enough and len(known) == len(rounds) else []


def weighted_mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Mean of a figure, each value by its weight (a call's by its runs); None when one is lacking."""
    known = [value * weight for value, weight in zip(values, weights, strict=True) if value is not None]
    return sum(known) / sum(weights) if len(known) == len(weights) else None


RANKS = (4, 5)
"""Of inputs whose leading axis counts samples unless something else is said: images, clips, volumes."""

_LETTERS = frozenset({"n", "b", "bs", "bz", "bsz"})
_WORD = re.compile(r"(?<![a-z])batch(?:es|size|dim)?(?![a-z])")
_PRODUCT = re.compile(r"[*+/()]")
OPTION = "--batch-axis"

Dims = Sequence[int | str | None]


def says_batch(symbol: str) -> int:
    """How surely an open dimension's name means a batch: 2 `batch` as a word, 1 `N`, `B` or `bs`, 0 no.

    A product such as `batch*heads` counts more than samples.
    """
    if _PRODUCT.search(symbol):
        return 0
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", symbol).lower().strip()
    if _WORD.search(spaced.replace("_", " ")):
        return 2
    return int(spaced in _LETTERS)


def batch_axes(inputs: Iterable[tuple[str, Dims]]) -> Mapping[str, int]:
    """The axis of each input whose open dimension is called a batch; inputs come with their dimensions.

    A name that means it surely goes before a letter, and a letter on an image or clip before one on a list
    of points or boxes, which are as often called N.
    """
    given = [(name, tuple(dims)) for name, dims in inputs]
    found = [
        (says_batch(dim), name, axis)
        for name, dims in given
        for axis, dim in enumerate(dims)
        if isinstance(dim, str) and says_batch(dim)
    ]
    best = max((rank for rank, *_ in found), default=0)
    images = {name for name, dims in given if len(dims) in RANKS}
    axes: dict[str, int] = {}
    for rank, name, axis in found:
        if rank == best and (rank > 1 or not images or name in images):
            axes.setdefault(name, axis)
    return axes


def sampling_of(model: OnnxModel, declared: BatchAxes | None = None) -> Sampling | Failure:
    """Samples in one call of the model; a failure for a declaration that does not fit its inputs."""
    return _by_tensors(model.inputs, model.outputs, model.batch_axes, declared)


def _by_tensors(
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    symbols: Mapping[str, int],
    declared: BatchAxes | None,
) -> Sampling | Failure:
    found = _declared(inputs, declared) if declared else None
    asides = {name for name, axis in declared.axes if axis is None} if declared else set()
    told = [tensor for tensor in inputs if tensor.name not in asides]
    return found or _of_symbols(told, symbols) or _of_leading(told, outputs) or one_a_call()


def sampled(row: Result, declared: BatchAxes | None = None) -> Result:
    """A row that was not exported here, with the throughput of its figures by what it says of its tensors.

    A declaration that does not fit them is left to whoever made it: the row is then one sample a call.
    """
    told = row.figures
    inputs = row.inputs or (told.told_inputs if told else ())
    outputs = row.outputs or (told.told_outputs if told else ())
    found = _by_tensors(inputs, outputs, {}, declared)
    sampling = one_a_call() if isinstance(found, Failure) else found
    figures, estimate = (
        with_throughput(one, sampling) if one else None for one in (row.figures, row.estimate)
    )
    return replace(row, figures=figures, estimate=estimate)


def one_a_call(source: SamplesFrom = SamplesFrom.ONE_A_CALL) -> Sampling:
    """The call is one sample."""
    return Sampling(1, source)


def with_throughput(figures: Figures, sampling: Sampling) -> Figures:
    """The figures with samples a second: those of one call over its mean latency, calls one after another.

    What a tool counts itself stays beside it; without a latency it is all there is, and stays.
    """
    latency = figures.latency_us
    if figures.kind not in (Kind.MEASURED, Kind.SIMULATED) or latency is None or latency.mean <= 0:
        return figures
    if figures.sampling is not None and figures.sampling.source is SamplesFrom.TOOL:
        return figures
    by_tool = figures.tool_throughput_fps
    if by_tool is None and figures.throughput_from is not RateFrom.MEAN_LATENCY:
        by_tool = figures.throughput_fps
    return replace(
        figures,
        throughput_fps=sampling.samples_per_call * 1e6 / latency.mean,
        throughput_from=RateFrom.MEAN_LATENCY,
        sampling=sampling,
        tool_throughput_fps=by_tool,
    )


def _declared(inputs: Sequence[TensorSpec], declared: BatchAxes) -> Sampling | Failure | None:
    """By what is declared; None where it only says which inputs hold no samples."""
    given = dict(declared.axes)
    if ("", None) in declared.axes:
        return one_a_call(declared.source)
    sizes: dict[str, tuple[int, int]] = {}
    for name, axis in declared.axes:
        if axis is None:
            continue
        targets = _targets(inputs, name, axis, given)
        if not targets:
            return _unfit(inputs, name, axis)
        for tensor in targets:
            place = axis % len(tensor.shape)
            sizes.setdefault(tensor.name, (tensor.shape[place], place))
    if not sizes:
        return None
    if len({size for size, _ in sizes.values()}) > 1:
        listed = ", ".join(f"{size} of '{shown(name)}'" for name, (size, _) in sizes.items())
        return _unusable(f"{OPTION}: the sizes differ, {listed}: name the input that holds the samples")
    name, (size, axis) = next(iter(sizes.items()))
    return Sampling(max(1, size), declared.source, axis, name)


def _targets(
    inputs: Sequence[TensorSpec], name: str, axis: int, given: Mapping[str, int | None]
) -> list[TensorSpec]:
    having = [one for one in inputs if -len(one.shape) <= axis < len(one.shape)]
    if name:
        return [one for one in having if one.name == name]
    free = [one for one in having if one.name not in given]
    return [one for one in free if len(one.shape) in RANKS] or free


def _unfit(inputs: Sequence[TensorSpec], name: str, axis: int) -> Failure:
    shapes = ", ".join(f"'{shown(one.name)}' {'x'.join(map(str, one.shape)) or 'scalar'}" for one in inputs)
    what = f"{shown(name)}={axis}" if name else str(axis)
    return _unusable(f"{OPTION} {what}: no input has that axis: the inputs are {shapes}")


def _of_symbols(inputs: Sequence[TensorSpec], axes: Mapping[str, int]) -> Sampling | None:
    """Along the axes that the file called a batch, where all of them were fixed to one size."""
    found = [
        (one.shape[axis], axis, one.name)
        for one in inputs
        if (axis := axes.get(one.name)) is not None and axis < len(one.shape)
    ]
    if not found or len({size for size, *_ in found}) > 1:
        return None
    size, axis, name = found[0]
    return Sampling(max(1, size), SamplesFrom.SYMBOLIC_AXIS, axis, name)


def _of_leading(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Sampling | None:
    images = [one for one in inputs if len(one.shape) in RANKS]
    leading = {one.shape[:1] for one in (*images, *outputs)}
    if not images or not outputs or len(leading) != 1 or images[0].shape[0] < 1:
        return None
    return Sampling(images[0].shape[0], SamplesFrom.LEADING_SIZE, 0, images[0].name)


def _unusable(message: str) -> Failure:
    return refused(FailureClass.INVALID_MODEL, message)
