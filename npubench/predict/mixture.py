"""Experts and the process together: a mixture of Student-t distributions, its median and its quantiles."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from npubench.predict.experts import ALIKE, Opinions
from npubench.predict.process import Expected

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from npubench.predict.design import Matrix

WEIGHTS = ("spread", "worth", *ALIKE, "process", "process spread", "costs alone")
"""What an opinion's weight is made of: the logarithms of its spread and worth, and what it is like in."""
START: Mapping[str, float] = {
    "spread": -1.5, "worth": 0.2, **dict.fromkeys(ALIKE, 0.0), "process": 0.0, "process spread": -1.0,
    "costs alone": 0.0,
    "scale": 0.0, "scale by spread": 1.0, "process scale": -0.5, "alone scale": -0.3,
    "freedom": 0.7, "process freedom": 1.0, "alone freedom": 1.5,
}  # fmt: skip
"""Where learning starts, and what it is drawn to: logarithms but for the weights' factors."""
ALONE = 2
"""Opinions of a sample that no figure of its network speaks for: the process's and the sum of costs."""
LEAST_SPREAD = 0.005
LEAST_FREEDOM = 0.7
PULL = 0.1


class Mixture:
    """Opinions and the process's expectation of asked samples, each sample's together."""

    def __init__(self, opinions: Opinions, expected: Expected) -> None:
        import numpy as np

        count = len(expected.means)
        sample = np.concatenate([opinions.sample, np.arange(count)])
        order = np.argsort(sample, kind="stable")
        self.sample = sample[order]
        self._mean = np.concatenate([opinions.mean, expected.means])[order]
        spread = np.concatenate([opinions.spread, expected.deviations])
        self._log_spread = np.log(spread + LEAST_SPREAD)[order]
        self._process = np.concatenate([np.zeros(len(opinions.mean)), np.ones(count)])[order] > 0
        worth = np.concatenate([opinions.worth, np.ones(count)])[order]
        alike = np.concatenate([opinions.alike, np.zeros((count, len(ALIKE)))])[order]
        of_expert = ~self._process
        self.counts = np.bincount(self.sample, minlength=count)
        self._alone = (self.counts == ALONE)[self.sample]
        self._features = np.column_stack(
            [
                *(self._log_spread * of_expert, np.log(worth) * of_expert, alike),
                *(self._process, self._log_spread * self._process, alike[:, -1] * self._alone),
            ]
        )
        self._starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.intp)

    def _parts(self, values: Mapping[str, float]) -> "tuple[Matrix, Matrix, Matrix]":
        """Weight, scale and degrees of freedom of each opinion; weights of a sample sum to 1."""
        import numpy as np

        score = self._features @ np.array([values[name] for name in WEIGHTS])
        top = np.maximum.reduceat(score, self._starts)
        raised = np.exp(score - top[self.sample])
        weights = raised / np.add.reduceat(raised, self._starts)[self.sample]
        of_process = np.where(self._alone, values["alone scale"], values["process scale"]) + self._log_spread
        of_expert = values["scale"] + values["scale by spread"] * self._log_spread
        freedom = np.where(self._alone, values["alone freedom"], values["process freedom"])
        freedom = np.where(self._process, freedom, values["freedom"])
        scales = np.exp(np.where(self._process, of_process, of_expert))
        return weights, scales, np.exp(freedom) + LEAST_FREEDOM

    def surprise(self, values: Mapping[str, float], times: "Matrix") -> float:
        """Minus the logarithm of the likelihood of the samples' times."""
        import numpy as np
        from scipy.special import gammaln

        weights, scales, freedom = self._parts(values)
        away = (times[self.sample] - self._mean) / scales
        logs = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * np.log(freedom * np.pi)
        logs -= (freedom + 1) / 2 * np.log1p(away**2 / freedom)
        density = np.add.reduceat(weights * np.exp(logs) / scales, self._starts)
        return -float(np.log(density + 1e-12).sum())

    def quantiles(self, values: Mapping[str, float], shares: Sequence[float]) -> "list[Matrix]":
        """The quantile of each sample's mixture at each share, by bisection to 1e-9."""
        import numpy as np
        from scipy.special import stdtr

        weights, scales, freedom = self._parts(values)
        found: list[NDArray[np.float64]] = []
        for share in shares:
            low = np.minimum.reduceat(self._mean - 60 * scales, self._starts)
            high = np.maximum.reduceat(self._mean + 60 * scales, self._starts)
            for _ in range(45):
                middle = (low + high) / 2
                below = stdtr(freedom, (middle[self.sample] - self._mean) / scales)
                reached = np.add.reduceat(weights * below, self._starts)
                low, high = np.where(reached < share, middle, low), np.where(reached < share, high, middle)
            found.append((low + high) / 2)
        return found


def learned_mixture(parts: Sequence[tuple[Mixture, "Matrix"]], steps: int = 60) -> Mapping[str, float]:
    """The values that make the times of samples, each left out of its own mixture, likeliest."""
    import numpy as np
    from scipy.optimize import minimize

    names, start = list(START), np.array(list(START.values()))

    def surprise(given: "Matrix") -> float:
        values = dict(zip(names, map(float, given), strict=True))
        pull = 0.5 * PULL * float(((given - start) ** 2).sum())
        return sum(mixture.surprise(values, times) for mixture, times in parts) + pull

    found = minimize(surprise, start, method="L-BFGS-B", options={"maxiter": steps})
    return dict(zip(names, map(float, found.x), strict=True))
