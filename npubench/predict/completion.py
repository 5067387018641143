"""Model A: figures of a network of the atlas on a chip of the atlas, completed from all the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache

from npubench.domain.figures import Kind
from npubench.predict.answer import Answer, Prediction, Refusal
from npubench.predict.asked import AskedRow
from npubench.predict.experts import Table, joined
from npubench.predict.knowledge import Ground, Knowledge
from npubench.predict.learning import Bands, bands, widened
from npubench.predict.mixture import ALONE, Mixture
from npubench.predict.parameters import Parameters, read_parameters
from npubench.predict.physical import Physics
from npubench.predict.process import Expected, Process
from npubench.predict.samples import Sample, sample_of, value_of
from npubench.predict.validate import Validation, judged
from npubench.published import figures
from npubench.published.atlas import PublishedFigure
from npubench.published.networks import Network
from npubench.storage.hashing import digest

FEW = 8
"""Figures of a column up to which its bands have a width of their own."""
OLDER = "the calibration was learned from older figures than these: make prediction learns it anew"


class Left(StrEnum):
    """What of our samples an answer is made without."""

    NOTHING = "nothing"  # the row is none of ours
    CELL = "cell"  # the row with the others of its cell
    NETWORK = "network"  # every row of its network


class Completion:
    """The atlas's samples, what was learned of them, and answers; made once, asked for many at once."""

    def __init__(self, samples: Sequence[Sample], parameters: Parameters, data_sha256: str) -> None:
        self.samples = samples
        self.parameters = parameters
        self.data_sha256 = data_sha256
        self._physics = Physics(samples)
        self._process = Process(samples, parameters, self._physics)
        self._table = Table(samples)
        self._knowledge = Knowledge(samples)
        self._in_column = Counter(one.column for one in samples)
        is_older = bool(data_sha256) and parameters.data_sha256 != data_sha256
        self._aged = (OLDER,) if is_older else ()
        self._places = {one.row.key: place for place, one in enumerate(samples)}

    def answers(self, asked: Sequence[Sample | Refusal]) -> list[Answer]:
        """An answer to each; a sample of ours is answered without its cell."""
        found: list[Answer] = []
        without = [
            Left.CELL if isinstance(one, Sample) and one.row.key in self._places else Left.NOTHING
            for one in asked
        ]
        bases = [
            one if isinstance(one, Refusal) else self.ground(one, left)
            for one, left in zip(asked, without, strict=True)
        ]
        kept = [
            (one, left)
            for one, left, basis in zip(asked, without, bases, strict=True)
            if isinstance(one, Sample) and not isinstance(basis, Refusal)
        ]
        of_kept = iter(self._predicted([one for one, _ in kept], [left for _, left in kept]))
        for one, basis in zip(asked, bases, strict=True):
            if isinstance(one, Refusal):
                found.append(one)
            else:
                found.append(basis if isinstance(basis, Refusal) else self._said(one, basis, next(of_kept)))
        return found

    def _said(self, asked: Sample, ground: Ground, times: tuple[float, float, float]) -> Prediction:
        low, value, high = sorted(value_of(asked.row, asked.column, time) for time in times)
        return Prediction(
            *(value, low, high),
            unit=asked.row.unit,
            metric=asked.row.metric,
            basis=ground.basis,
            rests_on=(*ground.rests_on, *self._aged),
            costs=self._physics.shares(asked),
            data_sha256=self.data_sha256,
            calibration_sha256=self.parameters.sha256,
        )

    def _predicted(
        self, asked: Sequence[Sample], without: Sequence[Left]
    ) -> list[tuple[float, float, float]]:
        if not asked:
            return []
        found = self.bands(asked, without)
        return list(zip(map(float, found.low), map(float, found.middle), map(float, found.high), strict=True))

    def bands(self, asked: Sequence[Sample], without: Sequence[Left]) -> Bands:
        """Bands of samples; `without`: what is left out of a sample that is ours."""
        import numpy as np

        expected = self._expected(asked, without)
        cells = self._table.opinions(
            [one for one, left in zip(asked, without, strict=True) if left is not Left.NETWORK],
            [left is Left.CELL for left in without if left is not Left.NETWORK],
        )
        places = np.array([place for place, left in enumerate(without) if left is not Left.NETWORK], np.intp)
        opinions = joined(replace(cells, sample=places[cells.sample]), self._physics.opinions(asked))
        found = bands(Mixture(opinions, expected), self.parameters.mixture)
        kinds = [self.kind(one, int(count)) for one, count in zip(asked, found.opinions, strict=True)]
        widths = self.parameters.widths
        return widened(found, np.array([widths.get(kind, 1.0) for kind in kinds]))

    def ground(self, sample: Sample, left: Left) -> Ground | Refusal:
        """What an answer to the sample rests on, or why there is none."""
        return self._knowledge.basis(sample, lambda one: _is_left_out(one, sample, left))

    def kind(self, sample: Sample, opinions: int) -> str:
        """What a band's width is known by: alone, few figures in the column, or the group's name."""
        if opinions == ALONE:
            return "alone"
        if self._in_column[sample.column] <= FEW:
            return "few"
        return self.parameters.groups[self.parameters.group_of(sample.column)].name

    def _expected(self, asked: Sequence[Sample], without: Sequence[Left]) -> Expected:
        import numpy as np

        means, deviations = np.zeros(len(asked)), np.zeros(len(asked))
        for left in Left:
            mine = [place for place, one in enumerate(without) if one is left]
            if not mine:
                continue
            if left is Left.NOTHING:
                found = self._process.expected([asked[place] for place in mine])
                places = list(range(len(mine)))
            else:
                groups = [one.cell if left is Left.CELL else one.subject.network for one in self.samples]
                found = self._process.left_out(groups)
                places = [self._places[asked[place].row.key] for place in mine]
            means[mine], deviations[mine] = found.means[places], found.deviations[places]
        return Expected(means, deviations)


def _is_left_out(one: Sample, asked: Sample, left: Left) -> bool:
    if left is Left.CELL:
        return one.cell == asked.cell
    return left is Left.NETWORK and one.subject.network == asked.subject.network


def row_of(figure: PublishedFigure) -> AskedRow:
    """A published figure as a row that may be asked for."""
    return AskedRow(
        figure.line, figure.chip, figure.mode, figure.model, figure.input, figure.precision,
        figure.metric, figure.unit, figure.source, figure.tool, figure.note, figure.value,
    )  # fmt: skip


@lru_cache(maxsize=2)
def atlas_samples() -> tuple[Sample, ...]:
    """Every measured vision figure of the atlas that is of one chip."""
    found = [
        sample_of(row_of(one)) for one in figures() if one.value is not None and one.kind is Kind.MEASURED
    ]
    return tuple(one for one in found if isinstance(one, Sample) and " x " not in one.column.chip)


def data_hash(samples: Sequence[Sample]) -> str:
    """Of the samples' rows and figures: what a calibration was learned from."""
    rows = [one.row for one in samples]
    return digest(
        *((r.chip, r.mode, r.model, r.input, r.precision, r.metric, r.source, repr(r.value)) for r in rows)
    )


@lru_cache(maxsize=1)
def completion() -> Completion:
    """The shipped atlas with the shipped calibration. Some seconds, once."""
    samples = atlas_samples()
    return Completion(samples, read_parameters(), data_hash(samples))


def complete(rows: Sequence[AskedRow], networks: Sequence[Network | None] = ()) -> Validation:
    """An answer for each row, made without the row itself and without the other rows of its cell.

    `networks`: what the rows' models are, in the rows' order; where None or not given, their names are read.
    """
    given = networks or [None] * len(rows)
    asked = [sample_of(*pair) for pair in zip(rows, given, strict=True)]
    if not any(isinstance(one, Sample) for one in asked):
        return judged(rows, [one for one in asked if isinstance(one, Refusal)], "", "")
    made = completion()
    answers = made.answers(asked)
    return judged(rows, answers, made.data_sha256, made.parameters.sha256)
