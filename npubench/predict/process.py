"""A Gaussian process over samples: what is expected of others, and of each sample without its own cell."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.predict.covariance import noises, of_samples, own_variances
from npubench.predict.design import design_of
from npubench.predict.parameters import Parameters
from npubench.predict.physical import Physics
from npubench.predict.samples import Sample

if TYPE_CHECKING:
    from npubench.predict.design import Matrix


@dataclass(frozen=True, slots=True)
class Expected:
    """Of each asked sample: the mean and the standard deviation of the logarithm of its figure."""

    means: "Matrix"
    deviations: "Matrix"


class Process:
    """Samples with what they tell of each other; made once, asked often.

    Formulas: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2.2 (expectation) and 5.4.2
    (leaving out, here whole cells at once).
    """

    def __init__(self, samples: Sequence[Sample], parameters: Parameters, physics: Physics) -> None:
        import numpy as np
        from scipy.linalg import cho_factor, cho_solve

        self._parameters = parameters
        self._design = design_of(samples)
        self._physics = physics
        self._sums = physics.log_times(samples)
        self._times = np.array([one.log_ms for one in samples])
        covariance = of_samples(self._design, self._design, parameters)
        covariance[np.diag_indices(len(self._times))] += noises(self._design, parameters)
        self._factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
        self._solved = cho_solve(self._factor, self._times - self._sums - parameters.mean)
        self._inverse: Matrix | None = None

    def expected(self, asked: Sequence[Sample]) -> Expected:
        """What is expected of samples that need not be among ours."""
        import numpy as np
        from scipy.linalg import solve_triangular

        design = design_of(asked)
        cross = of_samples(self._design, design, self._parameters)
        means = self._physics.log_times(asked) + self._parameters.mean + cross.T @ self._solved
        away = solve_triangular(self._factor[0], cross, lower=True)
        left = own_variances(design, self._parameters) - (away**2).sum(axis=0)
        return Expected(means, np.sqrt(np.maximum(left, 0) + noises(design, self._parameters)))

    def left_out(self, groups: Sequence[Hashable]) -> Expected:
        """What is expected of each of our samples without those of its group, in closed form."""
        import numpy as np

        inverse = self._inverted()
        means, variances = np.zeros(len(self._times)), np.zeros(len(self._times))
        members: dict[Hashable, list[int]] = {}
        for place, group in enumerate(groups):
            members.setdefault(group, []).append(place)
        for places in members.values():
            block = np.linalg.inv(inverse[np.ix_(places, places)])
            means[places] = self._times[places] - block @ self._solved[places]
            variances[places] = np.diag(block)
        return Expected(means, np.sqrt(variances))

    def _inverted(self) -> "Matrix":
        import numpy as np
        from scipy.linalg import lapack

        if self._inverse is None:
            lower, _ = lapack.dpotri(self._factor[0], lower=1)
            lower = np.tril(lower)
            self._inverse = lower + np.tril(lower, -1).T
        return self._inverse
