"""Doubts about figures of the atlas: which may not be what they say, each with reason and evidence."""

from collections.abc import Sequence
from dataclasses import replace

from npubench.published.atlas import PublishedFigure
from npubench.reporting.sanity.atlas.cells import cells_of, other_cells
from npubench.reporting.sanity.atlas.copies import cells_twice, equal_tables
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass
from npubench.reporting.sanity.atlas.expected import expectations
from npubench.reporting.sanity.atlas.gains import batches, cores
from npubench.reporting.sanity.atlas.names import one_network_apart, one_network_twice, unlike_networks
from npubench.reporting.sanity.atlas.peaks import above_peaks
from npubench.reporting.sanity.atlas.publishers import far_from_publishers, two_campaigns
from npubench.reporting.sanity.atlas.units import rates_and_times, unit_slips
from npubench.reporting.sanity.atlas.versions import compiled_apart, tool_versions
from npubench.reporting.sanity.doubt import Strength

__all__ = ["FigureDoubt", "FigureDoubtClass", "figure_doubts"]

_OF_CELLS = (
    rates_and_times,
    batches,
    cores,
    above_peaks,
    equal_tables,
    cells_twice,
    far_from_publishers,
    two_campaigns,
    tool_versions,
    unlike_networks,
    one_network_apart,
    one_network_twice,
)
_OF_EXPECTATIONS = (unit_slips, compiled_apart)


def figure_doubts(figures: Sequence[PublishedFigure]) -> list[FigureDoubt]:
    """Every doubt about these figures: the strong first, then in the order of classes.

    Figures of language models are held against those of their own metric alone.
    """
    cells = cells_of(figures)
    expected = expectations(cells)
    found: list[FigureDoubt] = [doubt for check in _OF_CELLS for doubt in check(cells)]
    found += [doubt for compare in _OF_EXPECTATIONS for doubt in compare(cells, expected)]
    for alike in other_cells(figures).values():
        found += unit_slips(alike, expectations(alike))
    return in_order(_merged(found))


_OF_ONE_FIGURE = (FigureDoubtClass.UNIT_SLIP, FigureDoubtClass.FAR_FROM_NEIGHBOURS)


def _merged(found: Sequence[FigureDoubt]) -> list[FigureDoubt]:
    """One doubt where a time and its rate, say, give the same."""
    kept: dict[object, FigureDoubt] = {}
    for one in found:
        alone = one.places if one.doubt_class in _OF_ONE_FIGURE else ()
        key = (one.doubt_class, one.strength, one.chip, one.publisher, one.cases, one.reason, alone)
        if first := kept.get(key):
            places = tuple(dict.fromkeys((*first.places, *one.places)))
            evidence = tuple(dict.fromkeys((*first.evidence, *one.evidence)))
            kept[key] = replace(first, places=places, evidence=evidence)
        else:
            kept[key] = one
    return list(kept.values())


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
