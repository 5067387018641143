"""Doubts about figures of the atlas: which may not be what they say, each with the reason and the evidence."""

from collections.abc import Iterable, Sequence

from npubench.published.atlas import PublishedFigure
from npubench.reporting.sanity.atlas.cells import cells_of
from npubench.reporting.sanity.atlas.copies import cells_twice, equal_tables
from npubench.reporting.sanity.atlas.publishers import far_from_publishers, two_campaigns
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass
from npubench.reporting.sanity.atlas.expected import expectations
from npubench.reporting.sanity.atlas.gains import batches, cores
from npubench.reporting.sanity.atlas.units import rates_and_times, unit_slips
from npubench.reporting.sanity.doubt import Strength

__all__ = ["FigureDoubt", "FigureDoubtClass", "figure_doubts"]

_OF_CELLS = (rates_and_times, batches, cores, equal_tables, cells_twice, far_from_publishers, two_campaigns)
_OF_EXPECTATIONS = (unit_slips,)


def figure_doubts(figures: Iterable[PublishedFigure]) -> list[FigureDoubt]:
    """Every doubt about figures of vision networks: the strong before the weak, then in the order of classes."""
    cells = cells_of(figures)
    expected = expectations(cells)
    found: list[FigureDoubt] = [doubt for check in _OF_CELLS for doubt in check(cells)]
    found += [doubt for compare in _OF_EXPECTATIONS for doubt in compare(cells, expected)]
    return in_order(found)


def in_order(found: Sequence[FigureDoubt]) -> list[FigureDoubt]:
    """The strong first, then by class, chip and place."""
    strengths, classes = list(Strength), list(FigureDoubtClass)
    return sorted(
        found,
        key=lambda one: (
            *(strengths.index(one.strength), classes.index(one.doubt_class)),
            *(one.chip, one.publisher, one.cases, one.places),
        ),
    )
