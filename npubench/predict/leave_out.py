"""How far predictions from published tables can be trusted: each network asked of the rest.

Families are those of the table's names: networks made of the same block, whatever their depth and width.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean, median

from npubench.predict.answer import Answer, Prediction
from npubench.predict.ask import US_PER_MS, Asked, ask
from npubench.predict.calibration import BoardModel, figures_sha256
from npubench.predict.fitting import Figure, kernels_sha256
from npubench.predict.from_tables import Published

BLOCKS = (
    ("dense layer", re.compile(r"densenet")),
    ("squeeze and excitation", re.compile(r"seres")),
    ("grouped bottleneck", re.compile(r"resnext")),
    ("RepVGG", re.compile(r"repvgg|mobileone")),
    ("basic", re.compile(r"resnet(18|34)_")),
    ("bottleneck", re.compile(r"resnet")),
)
"""The block of a network, by the first of these that its name holds."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A network's time on the board, and what the rest says of it."""

    figure: Figure
    answer: Answer

    @property
    def error(self) -> float | None:
        """Of the prediction, as a fraction of the time; None of a refusal."""
        if not isinstance(self.answer, Prediction):
            return None
        return self.answer.value * US_PER_MS / self.figure.time_us - 1

    @property
    def held(self) -> bool:
        """Whether the band holds the time."""
        found = self.answer
        return (
            isinstance(found, Prediction) and found.low * US_PER_MS <= self.figure.time_us <= found.high * 1e3
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """What was left out, and how the rest did."""

    title: str
    rows: tuple[LeftOut, ...]

    @property
    def errors(self) -> tuple[float, ...]:
        """Absolute, of those that were answered."""
        return tuple(abs(row.error) for row in self.rows if row.error is not None)

    @property
    def mean(self) -> float:
        """Of the errors."""
        return fmean(self.errors)

    @property
    def median(self) -> float:
        """Of the errors."""
        return median(self.errors)

    @property
    def worst(self) -> float:
        """Of the errors."""
        return max(self.errors)

    @property
    def in_band(self) -> float:
        """Share of what was answered whose time the band holds."""
        return sum(row.held for row in self.rows) / len(self.errors)

    @property
    def band(self) -> float:
        """Median of ln(high / low)."""
        found = (row.answer for row in self.rows)
        return median(math.log(one.high / one.low) for one in found if isinstance(one, Prediction))


def block_of(name: str) -> str:
    """The block that a network is made of; its own name where none is known."""
    return next((block for block, pattern in BLOCKS if pattern.search(name)), name)


def left_out(published: Published) -> Iterator[Summary]:
    """Each distinct graph asked of what remains when it, or all of its family, is left out."""

    def same(one: Figure, other: Figure) -> bool:
        return kernels_sha256(one.kernels) == kernels_sha256(other.kernels)

    def family(one: Figure, other: Figure) -> bool:
        return block_of(one.name) == block_of(other.name)

    yield _summary(published, "one network left out", same, told=False)
    yield _summary(published, "its whole family left out", family, told=False)
    yield _summary(published, "one network left out, the compiler's qps told", same, told=True)
    yield _summary(published, "its whole family left out, the compiler's qps told", family, told=True)


def _summary(
    published: Published, title: str, related: Callable[[Figure, Figure], bool], *, told: bool
) -> Summary:
    simulator, board = published.targets
    times = {one.name: one.time_us for one in published.figures if one.target == simulator}
    asked = {kernels_sha256(one.kernels): one for one in published.figures if one.target == board}
    models: dict[str, BoardModel] = {}
    rows = []
    for figure in sorted(asked.values(), key=lambda one: one.name):
        rest = [one for one in published.figures if not related(one, figure)]
        compiler_us = times.get(figure.name) if told else None
        if compiler_us is not None:
            rest.append(Figure(figure.name, simulator, figure.kernels, compiler_us))
        # Members of a family leave the same behind.
        left = figures_sha256(rest)
        model = models[left] = models.get(left) or published.model(rest)
        rows.append(LeftOut(figure, ask(model, Asked(figure.name, figure.kernels, compiler_us=compiler_us))))
    return Summary(title, tuple(rows))
