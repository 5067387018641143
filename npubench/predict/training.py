"""Variances, loadings, lengths and noise of one group of columns that make its figures likeliest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.predict.covariance import JITTER
from npubench.predict.design import (
    NUMBERS,
    STRUCTURES,
    SUBJECTS,
    Design,
    design_of,
    equal,
    loading_names,
    numbers_of,
)
from npubench.predict.parameters import TERMS, Group, column_name
from npubench.predict.samples import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from npubench.predict.design import Matrix

    Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Plan:
    """How one group is learned."""

    name: str
    vendors: tuple[str, ...]  # none: every other
    loading: float  # prior deviation of a loading: the fewer rows a column has, the smaller
    steps: int = 30


RANKS = {"one": 2, "linear": 2, "smooth": 3, "task": 1, "family": 2, "network": 2, "subject": 5}
"""Latent factors of columns by term."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A normal distribution of a kind of parameter, of its logarithm where it is positive."""

    mean: float
    deviation: float


VARIANCE = Prior(-5.8, 2.5)
LENGTH = Prior(0.9, 0.7)
SCALE = Prior(-1.5, 1.0)
NOISE = Prior(-5.3, 1.5)
NOISE_OF_COLUMN = Prior(0.0, 0.7)


class Objective:
    """Minus the logarithm of the posterior density of a group's parameters, with its gradient.

    The marginal likelihood and its gradient are those of Rasmussen and Williams, Gaussian Processes for
    Machine Learning, 5.4.1; sums over pairs of samples are taken to pairs of columns or subjects first.
    """

    def __init__(self, samples: Sequence[Sample], left: "Matrix", loading: float) -> None:
        import numpy as np

        self._priors = {**PRIORS, "loading": Prior(0.0, loading)}
        self.design: Design = design_of(samples)
        self.times = left
        columns = self.design.columns
        self.alike = np.array(
            [equal(keys, keys) for keys in (list(map(k, columns)) for k in STRUCTURES.values())]
        )
        self.names = list(dict.fromkeys(name for column in columns for name in loading_names(column)))
        place = {name: i for i, name in enumerate(self.names)}
        self.parts = np.zeros((len(columns), len(self.names)))
        for i, column in enumerate(columns):
            self.parts[i, [place[name] for name in loading_names(column)]] = 1
        self.numbers = numbers_of(self.design.subjects)
        self.squares = (self.numbers[:, None, :] - self.numbers[None, :, :]) ** 2
        kinds: dict[tuple[str, ...], int] = {}
        self.noise_kind = np.array(
            [kinds.setdefault((c.publisher, c.precision, c.runtime), len(kinds)) for c in columns]
        )
        self.kinds = len(kinds)
        subjects = self.design.subjects
        self.same = {}
        for term, key in SUBJECTS.items():
            if term != "one":
                keys = list(map(key, subjects))
                self.same[term] = self._spread(equal(keys, keys))
        self._lay_out()

    def _lay_out(self) -> None:
        self.slices: dict[tuple[str, str], slice] = {}
        sizes = [(("weight", term), len(STRUCTURES)) for term in TERMS]
        sizes += [(("loading", term), len(self.names) * RANKS[term]) for term in TERMS]
        sizes += [(("length", ""), len(NUMBERS)), (("scale", ""), len(NUMBERS))]
        sizes += [(("noise", ""), self.kinds), (("noise of column", ""), len(self.design.columns))]
        at = 0
        for key, size in sizes:
            self.slices[key] = slice(at, at + size)
            at += size
        self.size = at

    def start(self) -> "Matrix":
        """Where the search begins: the same in every run."""
        import numpy as np

        values = np.zeros(self.size)
        generator = np.random.default_rng(0)
        for (kind, _), where in self.slices.items():
            prior = self._priors[kind]
            values[where] = prior.mean
            if kind == "loading":
                values[where] = 0.3 * prior.deviation * generator.standard_normal(where.stop - where.start)
            elif kind == "weight":
                values[where] = -4.6
        return values

    def _spread(self, of_subjects: "Matrix") -> "Single":
        import numpy as np

        where = self.design.subject_of
        found: Single = of_subjects.astype(np.float32)[np.ix_(where, where)]
        return found

    def variances(self, values: "Matrix") -> "Matrix":
        """The noise of each column."""
        import numpy as np

        of_kind = np.exp(values[self.slices["noise", ""]])[self.noise_kind]
        found: Matrix = of_kind * np.exp(values[self.slices["noise of column", ""]])
        return found

    def factors(self, values: "Matrix", term: str) -> "tuple[Matrix, Matrix]":
        """Variances by structure, and loadings by name and factor."""
        import numpy as np

        weights: Matrix = np.exp(values[self.slices["weight", term]])
        loadings = values[self.slices["loading", term]].reshape(len(self.names), RANKS[term])
        return weights, loadings

    def __call__(self, values: "Matrix") -> "tuple[float, Matrix]":
        """The objective and its gradient."""
        import numpy as np
        from scipy.linalg import lapack

        gradient = np.zeros(self.size)
        lengths = np.exp(-2 * values[self.slices["length", ""]])
        scaled = self.numbers * np.exp(values[self.slices["scale", ""]])
        of_subjects = {"smooth": np.exp(-0.5 * self.squares @ lengths), "linear": scaled @ scaled.T}
        spread = {**self.same, **{name: self._spread(one) for name, one in of_subjects.items()}}
        where = self.design.column_of
        places = np.ix_(where, where)
        of_columns, covariance = {}, np.zeros((len(where), len(where)))
        for term in TERMS:
            weights, loadings = self.factors(values, term)
            factors = self.parts @ loadings
            matrix = np.tensordot(weights, self.alike, axes=1) + factors @ factors.T
            of_columns[term] = matrix.astype(np.float32)[places]
            covariance += of_columns[term] * spread[term] if term in spread else of_columns[term]
        noise = self.variances(values)
        covariance[np.diag_indices(len(where))] += noise[where] + JITTER
        factor, failed = lapack.dpotrf(covariance, lower=1, overwrite_a=1)
        if failed:
            return 1e10, gradient
        inverse, likelihood, solved = self._solved(factor)
        pull = (0.5 * (inverse - np.outer(solved, solved))).astype(np.float32)
        for term in TERMS:
            of_pairs = self._to_columns(pull * spread[term] if term in spread else pull)
            weights, loadings = self.factors(values, term)
            gradient[self.slices["weight", term]] = weights * np.tensordot(self.alike, of_pairs, axes=2)
            gradient[self.slices["loading", term]] = (
                2 * self.parts.T @ (of_pairs @ (self.parts @ loadings))
            ).ravel()
        smooth = self._to_subjects(pull * of_columns["smooth"]) * of_subjects["smooth"]
        gradient[self.slices["length", ""]] = np.tensordot(smooth, self.squares, axes=2) * lengths
        linear = self._to_subjects(pull * of_columns["linear"])
        gradient[self.slices["scale", ""]] = 2 * np.einsum(
            "id,ij,jd->d", scaled, linear, scaled, optimize=True
        )
        of_noise = np.bincount(where, np.diag(pull), minlength=len(noise)) * noise
        gradient[self.slices["noise of column", ""]] = of_noise
        gradient[self.slices["noise", ""]] = np.bincount(self.noise_kind, of_noise, minlength=self.kinds)
        return self._with_priors(values, likelihood, gradient)

    def _solved(self, factor: "Matrix") -> "tuple[Matrix, float, Matrix]":
        import numpy as np
        from scipy.linalg import cho_solve, lapack

        solved = cho_solve((factor, True), self.times)
        likelihood = 0.5 * float(self.times @ solved) + float(np.log(np.diag(factor)).sum())
        inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
        inverse = np.tril(inverse)
        diagonal = np.diag(inverse).copy()
        inverse += inverse.T
        inverse[np.diag_indices(len(diagonal))] = diagonal
        return inverse, likelihood, solved

    def _to_columns(self, pairs: "Single") -> "Matrix":
        return _summed(pairs, self.design.column_of, len(self.design.columns))

    def _to_subjects(self, pairs: "Single") -> "Matrix":
        return _summed(pairs, self.design.subject_of, len(self.design.subjects))

    def _with_priors(self, values: "Matrix", objective: float, gradient: "Matrix") -> "tuple[float, Matrix]":
        for (kind, _), where in self.slices.items():
            prior = self._priors[kind]
            away = (values[where] - prior.mean) / prior.deviation
            objective += 0.5 * float(away @ away)
            gradient[where] += away / prior.deviation
        return objective, gradient

    def group(self, values: "Matrix", name: str, vendors: Sequence[str]) -> Group:
        """The parameters as the calibration file has them; loadings that are nothing are left out."""
        import numpy as np

        noise = self.variances(values)
        weights, loadings = {}, {}
        for term in TERMS:
            of_structures, of_names = self.factors(values, term)
            weights[term] = dict(zip(STRUCTURES, map(float, of_structures), strict=True))
            loadings[term] = {
                part: tuple(map(float, row))
                for part, row in zip(self.names, of_names, strict=True)
                if np.abs(row).max() > SMALL
            }
        lengths, scales = (np.exp(values[self.slices[key, ""]]) for key in ("length", "scale"))
        return Group(
            name=name,
            vendors=tuple(vendors),
            lengths=dict(zip(NUMBERS, map(float, lengths), strict=True)),
            scales=dict(zip(NUMBERS, map(float, scales), strict=True)),
            weights=weights,
            loadings=loadings,
            noise=float(np.median(noise)),
            noises={column_name(c): float(one) for c, one in zip(self.design.columns, noise, strict=True)},
        )


SMALL = 1e-3
PRIORS = {
    "weight": VARIANCE,
    "length": LENGTH,
    "scale": SCALE,
    "noise": NOISE,
    "noise of column": NOISE_OF_COLUMN,
}


def _summed(pairs: "Single", where: "NDArray[np.intp]", count: int) -> "Matrix":
    """Entries of a matrix of samples summed over the samples of each pair of columns or subjects."""
    import numpy as np
    from scipy.sparse import csr_matrix

    ones = np.ones(len(where), dtype=np.float32)
    taker = csr_matrix((ones, (where, np.arange(len(where)))), shape=(count, len(where)))
    found: Matrix = (taker @ (taker @ pairs).T).astype(np.float64)
    return found


def learned(samples: Sequence[Sample], left: "Matrix", plan: Plan) -> Group:
    """A group's parameters, by the plan's steps of L-BFGS from the same start.

    `left`: what the sums of costs leave over of each sample's logarithm of milliseconds.
    """
    from scipy.optimize import minimize

    objective = Objective(samples, left, plan.loading)
    options = {"maxiter": plan.steps, "maxcor": 20}
    found = minimize(objective, objective.start(), jac=True, method="L-BFGS-B", options=options)
    return objective.group(found.x, plan.name, plan.vendors)
