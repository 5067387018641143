"""Networks that were measured here, each beside what others published of it on chips; kinds stay apart."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind
from npubench.published.atlas import PublishedFigure, join_of
from npubench.reporting.data.atlas_comparison import network_of, wrong_places
from npubench.reporting.data.formatting import duration
from npubench.reporting.sanity.atlas.cells import Cell, cells_of
from npubench.reporting.sanity.doubt import call_us, samples_per_call

Figures = Callable[[], Sequence[PublishedFigure]]
"""The published figures: read only where something was measured that they are of."""


@dataclass(frozen=True, slots=True)
class Here:
    """A time of one image, in us, that was measured here."""

    row: Result
    image_us: float

    @property
    def text(self) -> str:
        """The time with its unit."""
        return duration(self.image_us)


@dataclass(frozen=True, slots=True)
class OnChip:
    """What was published of a chip: its shortest time of one image, in us; a rate taken as its inverse."""

    cell: Cell
    image_us: float

    @property
    def text(self) -> str:
        """The time with its unit."""
        return duration(self.image_us)

    @property
    def where(self) -> str:
        """Mode and precision, as published."""
        one = self.cell.figure
        return ", ".join(filter(None, (one.mode, one.precision)))

    @property
    def source(self) -> str:
        """Who published it, and the line of the table that has it."""
        return f"{self.cell.publisher} ({self.cell.place})"


@dataclass(frozen=True, slots=True)
class Beside:
    """A network, at the input it had here."""

    network: str
    here: tuple[Here, ...]  # in the order of the rows
    chips: tuple[OnChip, ...]  # one a chip, the shortest time first


def beside(results: Sequence[Result], figures: Figures) -> list[Beside]:
    """Networks that were measured here and published of a chip, in the order of the rows."""
    own: defaultdict[str, list[Here]] = defaultdict(list)
    for key, here in _measured(results):
        own[key].append(here)
    if not own:
        return []
    chips = _published(figures(), own)
    return [Beside(key, tuple(here), chips[key]) for key, here in own.items() if key in chips]


def _measured(results: Sequence[Result]) -> Iterator[tuple[str, Here]]:
    """Network and time of each row; its key holds the input, and so does the published one's."""
    for row in results:
        figures = row.figures
        if row.emulated or row.status is not Status.OK or row.case_kind is not CaseKind.MODEL:
            continue
        if figures is None or figures.kind is not Kind.MEASURED:
            continue
        time, network = call_us(figures), network_of(row)
        # Without an input two rows of a network need not be of one size.
        if time is not None and network is not None and "@" in network.key:
            yield network.key, Here(row, time / samples_per_call(figures))


def _published(
    figures: Sequence[PublishedFigure], wanted: Mapping[str, object]
) -> Mapping[str, tuple[OnChip, ...]]:
    """Of each network one figure a chip: the shortest time; of a chip that has rates alone, the highest."""
    wrong = wrong_places(figures)
    mine = [one for one in figures if (found := join_of(one).network) is not None and found.key in wanted]
    best: defaultdict[str, dict[str, Cell]] = defaultdict(dict)
    for cell in cells_of(mine):
        if not cell.known or cell.place in wrong or cell.figure.kind is not Kind.MEASURED:
            continue
        other = best[cell.network].get(cell.chip)
        if other is None or (cell.is_rate, cell.image_ms) < (other.is_rate, other.image_ms):
            best[cell.network][cell.chip] = cell
    return {
        network: tuple(
            OnChip(cell, cell.image_ms * 1000)
            for cell in sorted(cells.values(), key=lambda one: one.image_ms)
        )
        for network, cells in best.items()
    }
