"""How the logarithms of two times vary together: a sum of products of columns with subjects."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from npubench.predict.design import (
    NUMBERS,
    STRUCTURES,
    SUBJECTS,
    Design,
    equal,
    loading_names,
    numbers_of,
)
from npubench.predict.parameters import TERMS, Group, Parameters, column_name
from npubench.predict.samples import Column

if TYPE_CHECKING:
    from npubench.predict.design import Matrix

JITTER = 1e-5
"""Variance added to that of each figure: figures are rounded to three digits."""


def of_samples(one: Design, other: Design, parameters: Parameters) -> "Matrix":
    """Covariance of the samples of two designs, without noise."""
    import numpy as np

    columns = of_columns(one.columns, other.columns, parameters)
    numbers = [numbers_of(design.subjects) for design in (one, other)]
    found = np.zeros((len(one.column_of), len(other.column_of)))
    groups = [np.array([parameters.group_of(c) for c in design.columns]) for design in (one, other)]
    places = np.ix_(one.column_of, other.column_of)
    pairs = np.ix_(one.subject_of, other.subject_of)
    for term in TERMS:
        if term in SUBJECTS:
            keys = SUBJECTS[term]
            of_subjects = equal(list(map(keys, one.subjects)), list(map(keys, other.subjects)))
            found += columns[term][places] * of_subjects[pairs]
            continue
        for i, mine in enumerate(parameters.groups):
            for j, theirs in enumerate(parameters.groups):
                here = np.zeros(columns[term].shape)
                inside = np.ix_(groups[0] == i, groups[1] == j)
                here[inside] = columns[term][inside]
                if not here.any():
                    continue
                if term == "linear":
                    of_subjects = linear(numbers[0], mine) @ linear(numbers[1], theirs).T
                else:
                    of_subjects = smooth(numbers[0], numbers[1], mine)
                found += here[places] * of_subjects[pairs]
    return found


def own_variances(design: Design, parameters: Parameters) -> "Matrix":
    """The variance of each sample, without noise: the diagonal of `of_samples`."""
    import numpy as np

    columns = of_columns(design.columns, design.columns, parameters)
    numbers = numbers_of(design.subjects)
    found = np.zeros(len(design.column_of))
    of_group = np.array([parameters.group_of(column) for column in design.columns])
    for term in TERMS:
        variance = np.diag(columns[term])[design.column_of]
        if term == "linear":
            squares = np.array([(linear(numbers, group) ** 2).sum(axis=1) for group in parameters.groups])
            variance = variance * squares[of_group[design.column_of], design.subject_of]
        found += variance
    return found


def noises(design: Design, parameters: Parameters) -> "Matrix":
    """The variance of a figure about its network's true time in its column, for each sample."""
    import numpy as np

    groups = [parameters.groups[parameters.group_of(column)] for column in design.columns]
    of_columns_ = [
        group.noises.get(column_name(column), group.noise)
        for group, column in zip(groups, design.columns, strict=True)
    ]
    return np.array(of_columns_)[design.column_of] + JITTER


def of_columns(
    rows: Sequence[Column], columns: Sequence[Column], parameters: Parameters
) -> Mapping[str, "Matrix"]:
    """The factor of columns by term, rows x columns."""
    import numpy as np

    of_rows, of_others = ([parameters.group_of(one) for one in given] for given in (rows, columns))
    alike = {name: equal(list(map(key, rows)), list(map(key, columns))) for name, key in STRUCTURES.items()}
    found: dict[str, Matrix] = {}
    for term in TERMS:
        common = np.array([group.weights[term].get("all", 0.0) for group in parameters.groups])
        part = np.sqrt(parameters.shared.get(term, 0.0) * common)
        matrix = part[of_rows][:, None] * part[of_others][None, :]
        for number, group in enumerate(parameters.groups):
            inside = np.ix_(*(np.array(given) == number for given in (of_rows, of_others)))
            own = sum(weight * alike[name] for name, weight in group.weights[term].items())
            factors = [_loadings(given, group, term) for given in (rows, columns)]
            matrix[inside] = (own + factors[0] @ factors[1].T)[inside]
        found[term] = matrix
    return found


def _loadings(columns: Sequence[Column], group: Group, term: str) -> "Matrix":
    import numpy as np

    known = group.loadings[term]
    rank = len(next(iter(known.values()), ()))
    found = np.zeros((len(columns), rank))
    for place, column in enumerate(columns):
        for name in loading_names(column):
            if name in known:
                found[place] += known[name]
    return found


def linear(numbers: "Matrix", group: Group) -> "Matrix":
    """Numbers of subjects by what one of each may weigh in the group."""
    import numpy as np

    scaled: Matrix = numbers * np.array([group.scales[name] for name in NUMBERS])
    return scaled


def smooth(one: "Matrix", other: "Matrix", group: Group) -> "Matrix":
    """exp(-d^2 / 2), d the distance of two subjects in the group's lengths (squared exponential, with
    automatic relevance; Rasmussen and Williams, Gaussian Processes for Machine Learning, 5.1)."""
    import numpy as np

    lengths = np.array([group.lengths[name] for name in NUMBERS])
    a, b = one / lengths, other / lengths
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    found: Matrix = np.exp(-0.5 * np.maximum(squares, 0))
    return found
