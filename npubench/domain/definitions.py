"""What figures mean, by numbers: rows of two definitions are never compared in silence.

A definition that changes gets the next number here, and the old rows of whoever measured before say so.
"""

from enum import StrEnum

from npubench.domain.records import Definitions, Figures, Kind, Result
from npubench.domain.specs import Precision

QUANTISATION = 2
"""How ONNX Runtime's models are quantised. 1: signed activations on every processor; 2: by its flags."""

THROUGHPUT = 2
"""What fps counts. 1: the leading size where all inputs and outputs share it; 2: docs/measuring.md."""

CURRENT = Definitions(QUANTISATION, THROUGHPUT)
"""What rows of today mean."""

QUANTISED_HERE = "onnxruntime"
"""The backend whose quantisation is npubench's own; every other tool brings one, and its version."""


class Definition(StrEnum):
    """Which definition; the name of its field in `records.Definitions`."""

    QUANTISATION = "quantisation"
    THROUGHPUT = "throughput"


def earlier(row: Result) -> tuple[Definition, ...]:
    """Of what the row's figures rest on, what was defined otherwise than today; nothing of a row of today."""
    return tuple(one for one in _rests_on(row) if getattr(row.definitions, one) != getattr(CURRENT, one))


def differing(one: Result, other: Result) -> tuple[Definition, ...]:
    """What figures of both rows rest on and what was defined otherwise for one than for the other."""
    mine, theirs = one.definitions, other.definitions
    shared = [found for found in _rests_on(one) if found in _rests_on(other)]
    return tuple(found for found in shared if getattr(mine, found) != getattr(theirs, found))


def _rests_on(row: Result) -> tuple[Definition, ...]:
    found = []
    if row.figures and row.backend == QUANTISED_HERE and row.precision is Precision.INT8:
        found.append(Definition.QUANTISATION)
    if any(map(_counts_samples, row.all_figures)):
        found.append(Definition.THROUGHPUT)
    return tuple(found)


def _counts_samples(figures: Figures) -> bool:
    """What was published counts as its publisher does."""
    return figures.throughput_fps is not None and figures.kind is not Kind.PUBLISHED
