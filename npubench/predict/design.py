"""What a model sees of samples: which columns and subjects are alike in what, and the numbers of subjects."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.graph.features import GraphFeatures
from npubench.predict.samples import Column, Sample, Subject
from npubench.published.network_facts import stated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Index = NDArray[np.intp]

STRUCTURES: dict[str, Callable[[Column], Hashable]] = {
    "all": lambda _: 0,
    "vendor": lambda c: c.vendor,
    "publisher": lambda c: c.publisher,
    "generation": lambda c: c.generation,
    "precision": lambda c: c.precision,
    "vendor, precision": lambda c: (c.vendor, c.precision),
    "generation, precision": lambda c: (c.generation, c.precision),
    "vendor, setting": lambda c: (c.vendor, c.setting),
    "vendor, runtime": lambda c: (c.vendor, c.runtime),
    "vendor, runtime, precision": lambda c: (c.vendor, c.runtime, c.precision),
    "chip": lambda c: c.chip,
    "chip, precision": lambda c: (c.chip, c.precision),
    "chip, runtime, precision": lambda c: (c.chip, c.runtime, c.precision),
    "chip, mode, precision, publisher": lambda c: (c.chip, c.mode, c.setting, c.precision, c.publisher),
    "column": lambda c: c,
}
"""What columns may share: a part of the covariance is for those that are equal in it."""

FEATURES: dict[str, Callable[[Column], Sequence[str]]] = {
    "vendor": lambda c: (c.vendor,),
    "generation": lambda c: (c.generation,),
    "precision": lambda c: (c.precision,),
    "vendor, precision": lambda c: (c.vendor, c.precision),
    "chip": lambda c: (c.chip,),
    "runtime, precision": lambda c: (c.runtime, c.precision),
    "vendor, setting": lambda c: (c.vendor, c.setting),
    "publisher": lambda c: (c.publisher,),
    "chip, mode, precision, publisher": lambda c: (c.chip, c.mode, c.setting, c.precision, c.publisher),
}
"""What a column's loadings on the latent factors are sums over: a new column has those of its parts."""

SUBJECTS: dict[str, Callable[[Subject], Hashable]] = {
    "one": lambda _: 0,
    "task": lambda s: s.task,
    "family": lambda s: s.family,
    "network": lambda s: s.network,
    "subject": lambda s: s.key,
}
"""What subjects may share."""


def loading_names(column: Column) -> tuple[str, ...]:
    """Names of the loadings whose sum is the column's."""
    return tuple(f"{name}: {' | '.join(words(column))}" for name, words in FEATURES.items())


def equal(rows: Sequence[Hashable], columns: Sequence[Hashable]) -> "Matrix":
    """1 where the row's and the column's key are equal, else 0."""
    import numpy as np

    numbers: dict[Hashable, int] = {}
    one, other = (
        np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)
        for keys in (rows, columns)
    )
    found: Matrix = (one[:, None] == other[None, :]).astype(np.float64)
    return found


@dataclass(frozen=True, slots=True)
class Design:
    """Samples as indices into their distinct columns and subjects."""

    columns: tuple[Column, ...]
    subjects: tuple[Subject, ...]
    column_of: "Index"  # of each sample
    subject_of: "Index"


def design_of(samples: Sequence[Sample]) -> Design:
    """The design of samples, columns and subjects in the order of their first."""
    import numpy as np

    columns: dict[Column, int] = {}
    subjects: dict[Subject, int] = {}
    pairs = [
        (columns.setdefault(one.column, len(columns)), subjects.setdefault(one.subject, len(subjects)))
        for one in samples
    ]
    found = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return Design(tuple(columns), tuple(subjects), found[:, 0], found[:, 1])


NUMBERS = (
    *("macs", "parameters", "activations", "moved", "pixels", "depth", "kernels"),
    *("depthwise", "pointwise", "grouped", "transposed", "linear", "attention"),
    *("thin", "intensity_16", "intensity_64", "elementwise", "softmax", "norm", "move", "resize", "curved"),
    *("no_graph", "no_macs", "no_parameters"),
)
"""Of a subject: logarithms, then shares of MACs, then of elements, then what is not known."""


def numbers_of(subjects: Sequence[Subject]) -> "Matrix":
    """Numbers of each subject by `NUMBERS`, subjects x numbers; what is not known is 0, a usual network's.

    The logarithms are centred on a usual network (4e9 MACs, 1e7 parameters, 2e7 elements, 640 x 480 pixels).
    """
    import numpy as np

    found = np.array([_numbers(one) for one in subjects], dtype=np.float64)
    shaped: Matrix = found.reshape(-1, len(NUMBERS))
    return shaped


def _numbers(subject: Subject) -> list[float]:
    graph = subject.features
    pixels = _log(subject.height * subject.width, 640 * 480)
    if graph is None or not graph.macs:
        macs, parameters = stated_of(subject)
        known = [_log(macs * 1e9, 4e9), _log(parameters * 1e6, 1e7)]
        return [*known, 0, 0, pixels, *[0.0] * 17, 1, float(not macs), float(not parameters)]
    return [*_sizes(graph), pixels, *_shapes(graph), *_shares(graph), 0, 0, 0]


def _sizes(graph: GraphFeatures) -> list[float]:
    return [
        _log(graph.macs, 4e9), _log(graph.parameters, 1e7),
        _log(graph.activation_elements, 2e7), _log(graph.moved_elements, 4e7),
    ]  # fmt: skip


def _shapes(graph: GraphFeatures) -> list[float]:
    return [_log(graph.depth, 60), _log(graph.kernels, 120)]


def _shares(graph: GraphFeatures) -> list[float]:
    macs, elements = graph.macs, max(graph.moved_elements, 1)
    of_macs = (
        graph.macs_depthwise, graph.macs_pointwise, graph.macs_grouped, graph.macs_transposed,
        graph.macs_linear, graph.macs_attention, graph.macs_under_32,
        graph.macs_intensity_under_16, graph.macs_intensity_under_64,
    )  # fmt: skip
    of_elements = (
        graph.elements_elementwise, graph.elements_softmax, graph.elements_norm, graph.elements_move,
        graph.elements_resize, graph.through_silu + graph.through_gelu + graph.through_hardswish,
    )  # fmt: skip
    # Roots: a few percent of a costly kind count as much as many more of it.
    return [*(math.sqrt(one / macs) for one in of_macs), *(math.sqrt(one / elements) for one in of_elements)]


def _log(value: float, usual: float) -> float:
    return math.log(value / usual) if value > 0 else 0.0


def stated_of(subject: Subject) -> tuple[float, float]:
    """1e9 MACs and 1e6 parameters as publishers state them; 0 where nobody does."""
    found = [one for one in stated() if one.network == subject.network]
    macs = [
        one.gmacs for one in found if one.gmacs and (one.height, one.width) == (subject.height, subject.width)
    ]
    parameters = [one.params_m for one in found if one.params_m]
    return (macs[0] if macs else 0.0), (parameters[0] if parameters else 0.0)
