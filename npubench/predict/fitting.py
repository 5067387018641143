"""Prices from figures, and what is left over shared between networks that are alike.

The prices are the most likely ones under their log-normal priors (scipy's least squares), with the errors
of figures correlated as the design says: a network's own, those of networks made alike, those of one target.
What the sum of costs leaves over is then a Gaussian process (Rasmussen and Williams, Gaussian Processes for
Machine Learning, 2006, chapter 2) on the logarithm: over the composition of a network, the shares of its time
that each class would take at the prior prices.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from npubench.predict.costs import CostModel, classes_of
from npubench.predict.designs import Design
from npubench.predict.kernels import Kernel, counted
from npubench.storage.hashing import digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EVALUATIONS = 200
POLISHING = 30
"""Steps of Gauss and Newton at most behind least_squares, which stops where the sum of squares is the same:
prices are then known to half its digits, too few to be the same on every machine."""
DIGITS = 6
"""Significant digits of what is fitted: libraries of other machines differ in the last ones of a double's."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A time with what was timed."""

    name: str
    target: str  # of the design
    kernels: tuple[Kernel, ...]
    time_us: float
    is_network: bool = True  # else a single operator


@dataclass(frozen=True, slots=True)
class Rest:
    """What the sum of costs leaves over of a network's time."""

    name: str
    target: str
    kernels_sha256: str
    composition: Mapping[str, float]  # class -> share of the time at prior prices
    log_ratio: float  # natural logarithm of the time over the sum


@dataclass(frozen=True, slots=True)
class Fitted:
    """Prices by name, and the rests of the networks."""

    prices: Mapping[str, float]
    rests: tuple[Rest, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """What the rests of other networks say of one: mean and standard deviation of its natural logarithm."""

    mean: float
    deviation: float
    likeness: float  # to the most alike of the networks, 0 to 1


def fit(design: Design, figures: Sequence[Figure], weight_bytes: float) -> Fitted:
    """Fit a design's prices to figures, whatever their order. Raises ValueError without any."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import least_squares

    if not figures:
        raise ValueError("no figure to fit to")
    ordered = sorted(figures, key=lambda one: (one.name, one.target, one.time_us))
    each = [counted(one.kernels) for one in ordered]
    model = CostModel(design, classes_of(design, each), weight_bytes)
    terms = model.terms(each)
    targets = np.array([design.targets.index(one.target) for one in ordered])
    known = np.log([one.time_us for one in ordered])
    rests = [rest_of(design, one.name, one.target, one.kernels, weight_bytes) for one in ordered]
    lower = cholesky(_covariance(design, rests, [one.is_network for one in ordered]), lower=True)

    def modelled(deviations: "Floats") -> "tuple[Floats, Floats]":
        spent = model.spent(terms, model.prices(deviations), targets)
        return model.parts(spent).total, spent

    def residuals(deviations: "Floats") -> "Floats":
        left = np.log(modelled(deviations)[0]) - known
        return np.concatenate([solve_triangular(lower, left, lower=True), deviations])

    def slopes(deviations: "Floats") -> "Floats":
        times, spent = modelled(deviations)
        relative = spent * model.spreads / times[:, None]
        return np.concatenate([solve_triangular(lower, relative, lower=True), np.eye(len(deviations))])

    found = least_squares(residuals, np.zeros(len(model.names)), slopes, max_nfev=EVALUATIONS)
    best = _polished(found.x, residuals, slopes)
    prices = np.array([rounded(price) for price in model.prices(best)])
    left = known - np.log(model.parts(model.spent(terms, prices, targets)).total)
    networks = [
        replace(rest, log_ratio=rounded(float(ratio)))
        for one, rest, ratio in zip(ordered, rests, left, strict=True)
        if one.is_network
    ]
    named = {name: float(price) for name, price in zip(model.names, prices, strict=True)}
    return Fitted(named, tuple(networks))


def scale_of(design: Design, figures: Sequence[Figure], weight_bytes: float) -> float:
    """How many times as long the figures take as the design thinks, to a power of a hundred: the median."""
    each = [counted(one.kernels) for one in figures]
    model = CostModel(design, classes_of(design, each), weight_bytes)
    targets = np.array([design.targets.index(one.target) for one in figures])
    prices = model.prices(np.zeros(len(model.names)))
    times = model.parts(model.spent(model.terms(each), prices, targets)).total
    ratio = np.median(np.array([one.time_us for one in figures]) / times)
    return float(100.0 ** round(math.log(ratio, 100.0)))


def _polished(
    start: "Floats", residuals: "Callable[[Floats], Floats]", slopes: "Callable[[Floats], Floats]"
) -> "Floats":
    """Where the gradient is as small as a double can say, near where it is small already."""
    best, least = start, math.inf
    for _ in range(POLISHING):
        left, slope = residuals(best), slopes(best)
        gradient = float(np.abs(slope.T @ left).max())
        if gradient >= least:
            break
        start, least = best, gradient
        best = best - np.linalg.lstsq(slope, left)[0]
    return start


def rounded(number: float) -> float:
    """To the digits that a calibration holds."""
    return float(f"{number:.{DIGITS}g}")


def correct(design: Design, rests: Sequence[Rest], asked: Rest) -> Correction:
    """The Gaussian process at a network and target, whose own `log_ratio` is not looked at."""
    spreads = design.spreads
    alone = _shared(design, asked, asked)
    if not rests:
        return Correction(0.0, float(np.sqrt(alone + spreads.noise**2)), 0.0)
    covariance = _covariance(design, rests, [True] * len(rests))
    across = np.array([_shared(design, asked, rest) for rest in rests])
    weights = np.linalg.solve(covariance, across)
    mean = float(weights @ np.array([rest.log_ratio for rest in rests]))
    variance = max(0.0, alone - float(weights @ across)) + spreads.noise**2
    likeness = max(_likeness(design, asked, rest) for rest in rests)
    return Correction(mean, float(np.sqrt(variance)), likeness)


def rest_of(design: Design, name: str, target: str, kernels: Sequence[Kernel], weight_bytes: float) -> Rest:
    """A network that is asked about: nothing is left over of it yet."""
    return Rest(name, target, kernels_sha256(kernels), composition_of(design, kernels, weight_bytes), 0.0)


def kernels_sha256(kernels: Sequence[Kernel]) -> str:
    """What a graph is known by here: its kernels, whatever their order."""
    return digest(sorted((*kernel.key, count) for kernel, count in counted(kernels).items()))


def composition_of(design: Design, kernels: Sequence[Kernel], weight_bytes: float) -> Mapping[str, float]:
    """Shares of the time that each class would take at the prior prices of the design's first target."""
    unique = counted(kernels)
    classes = classes_of(design, [unique])
    model = CostModel(design, classes, weight_bytes)
    each: list[dict[Kernel, int]] = [{} for _ in classes]
    for kernel, count in unique.items():
        each[model.places[design.class_of(kernel).name]][kernel] = count
    targets = np.zeros(len(classes), dtype=np.intp)
    parts = model.parts(model.spent(model.terms(each), model.prices(np.zeros(len(model.names))), targets))
    times = parts.compute + parts.memory
    total = float(times.sum()) or 1.0
    shares = ((one.name, float(time) / total) for one, time in zip(classes, times, strict=True))
    return {name: float(f"{share:.4f}") for name, share in shares}


def _likeness(design: Design, one: Rest, other: Rest) -> float:
    """1 for networks of the same composition, near 0 for those that have nothing in common."""
    names = {*one.composition, *other.composition}
    distance = sum((one.composition.get(name, 0.0) - other.composition.get(name, 0.0)) ** 2 for name in names)
    return float(np.exp(-distance / 2 / design.spreads.family_length**2))


def _shared(design: Design, one: Rest, other: Rest) -> float:
    """Covariance of what is left over of two figures of networks."""
    spreads, same_target = design.spreads, one.target == other.target
    alike = spreads.family**2 + (spreads.family_target**2 if same_target else 0.0)
    found = spreads.factor**2 + _likeness(design, one, other) * alike
    if one.kernels_sha256 == other.kernels_sha256:
        found += spreads.network**2 + (spreads.network_target**2 if same_target else 0.0)
    return found


def _covariance(design: Design, rests: Sequence[Rest], networks: Sequence[bool]) -> "Floats":
    """Of all figures; that of a single operator is on its own."""
    spreads = design.spreads
    found = np.zeros((len(rests), len(rests)))
    for row, one in enumerate(rests):
        found[row, row] = (spreads.noise if networks[row] else spreads.operator_noise) ** 2
        if networks[row]:
            for column, other in enumerate(rests):
                found[row, column] += _shared(design, one, other) if networks[column] else 0.0
    return found
