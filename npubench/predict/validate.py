"""`npubench predict --validate`: a table's figures beside what is predicted for them without them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from npubench.predict.answer import Answer, Prediction, Refusal
from npubench.predict.asked import AskedRow


@dataclass(frozen=True, slots=True)
class Judged:
    """One row of the file with its answer."""

    row: AskedRow
    answer: Answer

    @property
    def error(self) -> float | None:
        """|predicted / value - 1|; None where one of them is not there."""
        if isinstance(self.answer, Refusal) or self.row.value is None:
            return None
        return abs(self.answer.value / self.row.value - 1)

    @property
    def is_in_band(self) -> bool | None:
        """Whether the value lies within the band, ends included."""
        if isinstance(self.answer, Refusal) or self.row.value is None:
            return None
        return self.answer.low <= self.row.value <= self.answer.high


@dataclass(frozen=True, slots=True)
class Total:
    """Errors of the answered rows of one basis; None where no row has a value."""

    basis: str
    answered: int
    scored: int  # answered rows with a value
    median_error: float | None
    mean_error: float | None
    in_band: float | None  # share of the scored rows
    median_log_band: float | None  # of all answered rows: ln(high / low)


@dataclass(frozen=True, slots=True)
class Validation:
    """All rows in their order, and totals."""

    rows: tuple[Judged, ...]
    totals: tuple[Total, ...]  # by basis, then of all
    refused: tuple[tuple[str, int], ...]  # rows by the kind of refusal
    data_sha256: str
    calibration_sha256: str


def judged(
    rows: Sequence[AskedRow], answers: Iterable[Answer], data_sha256: str, calibration_sha256: str
) -> Validation:
    """The rows with their answers and what they come to."""
    found = tuple(Judged(*pair) for pair in zip(rows, answers, strict=True))
    answered = [one for one in found if isinstance(one.answer, Prediction)]
    bases = sorted(set(map(_basis, answered)))
    groups = [(basis, [one for one in answered if _basis(one) == basis]) for basis in bases]
    kinds = [str(one.answer.kind) for one in found if isinstance(one.answer, Refusal)]
    return Validation(
        rows=found,
        totals=tuple(_total(*group) for group in [*groups, ("all", answered)] if group[1]),
        refused=tuple((kind, kinds.count(kind)) for kind in sorted(set(kinds))),
        data_sha256=data_sha256,
        calibration_sha256=calibration_sha256,
    )


def _basis(one: Judged) -> str:
    return str(one.answer.basis) if isinstance(one.answer, Prediction) else ""


def _total(basis: str, answered: Sequence[Judged]) -> Total:
    errors = [one.error for one in answered if one.error is not None]
    inside = [one.is_in_band for one in answered if one.is_in_band is not None]
    bands = [math.log(a.answer.high / a.answer.low) for a in answered if isinstance(a.answer, Prediction)]
    return Total(
        basis=basis,
        answered=len(answered),
        scored=len(errors),
        median_error=median(errors) if errors else None,
        mean_error=fmean(errors) if errors else None,
        in_band=fmean(inside) if inside else None,
        median_log_band=median(bands) if bands else None,
    )
