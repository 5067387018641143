"""What kernels cost: a sum over them, each paid by its class.

    time = launch + sum over kernels of (fixed + norm(work x compute, weight bytes / bandwidth)
                                         + activations x spill / bandwidth)

The norm is the sum, or, where a class hides its weights behind its work, the 4-norm: nearly the greater of
both. Prices are positive; the model works on their logarithms, in standard deviations from the median that
the design has for each, so that zero is what is thought before anything is measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from npubench.predict.answer import Costs
from npubench.predict.designs import CostClass, Design, Price
from npubench.predict.kernels import Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HIDING_NORM = 4.0
PS_PER_US, BYTES_PER_US_OF_GB_S = 1e6, 1e3


@dataclass(frozen=True, slots=True)
class Terms:
    """Kernels as arrays, one element a different kernel of a figure; shape (kernels,) each."""

    figure: "NDArray[np.intp]"  # which figure the kernel belongs to
    cost_class: "NDArray[np.intp]"  # place among the classes of the prices
    count: "Floats"  # how often
    work: "Floats"  # units of its class
    weights: "Floats"  # bytes
    activations: "Floats"  # elements
    hides: "NDArray[np.bool_]"


@dataclass(frozen=True, slots=True)
class Parts:
    """Microseconds of each figure by what they are spent on; shape (figures,) each."""

    compute: "Floats"
    memory: "Floats"
    fixed: "Floats"

    @property
    def total(self) -> "Floats":
        """Their sum."""
        return self.compute + self.memory + self.fixed


class CostModel:
    """A design with the classes that occur; `prices` are positive numbers in the order of `names`."""

    def __init__(self, design: Design, classes: Sequence[CostClass], weight_bytes: float) -> None:
        self.design = design
        self.classes = tuple(classes)
        self.weight_bytes = weight_bytes
        self.places = {one.name: place for place, one in enumerate(self.classes)}
        self.prior: Mapping[str, Price] = dict(self._prices())
        self.names = tuple(self.prior)
        self.spreads: Floats = np.array([price.spread for price in self.prior.values()])
        self._spilling = [place for place, one in enumerate(self.classes) if one.spill]

    def _prices(self) -> Sequence[tuple[str, Price]]:
        design = self.design
        return [
            *((f"compute of {one.name}", one.compute) for one in self.classes),
            *((f"spill of {one.name}", one.spill) for one in self.classes if one.spill),
            ("fixed", design.fixed),
            ("launch", design.launch),
            *((f"weights of {target}", design.weights[target]) for target in design.targets),
            *((f"activations of {target}", design.activations[target]) for target in design.targets),
        ]

    def prices(self, deviations: "Floats") -> "Floats":
        """Prices for deviations from the medians, in standard deviations of the logarithm."""
        medians = np.array([price.median for price in self.prior.values()])
        found: Floats = medians * np.exp(deviations * self.spreads)
        return found

    def terms(self, figures: Sequence[Mapping[Kernel, int]]) -> Terms:
        """Kernels of several figures with how often each occurs. Raises KeyError for another class's."""
        found: list[tuple[float, ...]] = []
        for number, kernels in enumerate(figures):
            for kernel, count in kernels.items():
                cost = self.design.class_of(kernel)
                work = self.design.work_of(kernel, cost.work)
                sizes = kernel.weights * self.weight_bytes, kernel.activations
                found.append((number, self.places[cost.name], count, work, *sizes, cost.hides))
        columns = np.array(found, dtype=np.float64).reshape(-1, 7).T
        return Terms(
            figure=columns[0].astype(np.intp),
            cost_class=columns[1].astype(np.intp),
            count=columns[2],
            work=columns[3],
            weights=columns[4],
            activations=columns[5],
            hides=columns[6].astype(np.bool_),
        )

    def spent(self, terms: Terms, prices: "Floats", targets: "NDArray[np.intp]") -> "Floats":
        """Microseconds by what they go to, shape (figures, prices): the derivative after a price's logarithm.

        A bandwidth's are negative, for the time grows as it falls: less them a row sums to the figure, as the
        sums and norms are homogeneous of the first degree. `targets` has each figure's place among the
        targets, shape (figures,).
        """
        classes, kinds = len(self.classes), len(self.design.targets)
        fixed, launch = (self.names.index(name) for name in ("fixed", "launch"))
        bandwidth = launch + 1 + targets[terms.figure]
        compute = terms.work * prices[terms.cost_class] / PS_PER_US
        memory = terms.weights / prices[bandwidth] / BYTES_PER_US_OF_GB_S
        by_work, by_weights = _spent_on(compute, memory, terms.hides)
        found = np.zeros((len(targets), len(prices)))
        np.add.at(found, (terms.figure, terms.cost_class), terms.count * by_work)
        np.add.at(found, (terms.figure, bandwidth), -terms.count * by_weights)
        np.add.at(found[:, fixed], terms.figure, terms.count * prices[fixed])
        found[:, launch] = prices[launch]
        for place, spilling in enumerate(self._spilling, classes):
            own = terms.cost_class == spilling
            through = terms.figure[own], bandwidth[own] + kinds
            per_byte = prices[place] / prices[through[1]] / BYTES_PER_US_OF_GB_S
            spilled = terms.count[own] * terms.activations[own] * per_byte
            np.add.at(found[:, place], through[0], spilled)
            np.add.at(found, through, -spilled)
        return found

    def parts(self, spent: "Floats") -> Parts:
        """The three costs of each figure, out of what `spent` gives."""
        classes, bandwidths = len(self.classes), 2 * len(self.design.targets)
        fixed = self.names.index("fixed")
        own = spent[:, :classes].sum(axis=1)
        return Parts(own, -spent[:, -bandwidths:].sum(axis=1), spent[:, fixed : fixed + 2].sum(axis=1))


def _spent_on(compute: "Floats", memory: "Floats", hides: "NDArray[np.bool_]") -> tuple["Floats", "Floats"]:
    """What of a kernel's time goes to its work and what to its weights, by the derivatives of their norm."""
    powers = compute**HIDING_NORM + memory**HIDING_NORM
    norm = powers ** (1 / HIDING_NORM)
    share = np.divide(compute**HIDING_NORM, powers, out=np.ones_like(powers), where=powers > 0)
    return np.where(hides, norm * share, compute), np.where(hides, norm * (1 - share), memory)


def shares_of(parts: Parts, figure: int = 0) -> Costs:
    """The three costs of a figure as shares of it."""
    total = float(parts.total[figure])
    found = (max(0.0, float(one[figure])) / total for one in (parts.compute, parts.memory, parts.fixed))
    return Costs(*found)


def classes_of(design: Design, figures: Iterable[Iterable[Kernel]]) -> tuple[CostClass, ...]:
    """The classes that occur, in the order of their names."""
    found = {one.name: one for kernels in figures for one in map(design.class_of, kernels)}
    return tuple(found[name] for name in sorted(found))
