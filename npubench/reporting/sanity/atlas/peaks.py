"""Figures that would need more multiply-accumulates a second than the chip is listed to give."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from npubench.catalog import load
from npubench.domain.specs import BoardSpec
from npubench.published.chips import find_chip, mode_of, share_of_mode
from npubench.reporting.sanity.atlas.cells import Cell, ratio_text
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass, doubt_of
from npubench.reporting.sanity.doubt import Strength
from npubench.reporting.select.chip_facts import FactValue, peak_mac_per_s, sheet_of

NEARLY = 0.9
"""Share of the peak from which a figure is doubted: few published ones of known MACs get there."""

ABOVE = 1.05
"""Work a second over the peak, strong: clocks and listed peaks are rounded."""

NARROW = ("int4", "w4a", "w4")
"""Precisions that a chip may compute faster than its INT8 peak."""


@dataclass(frozen=True, slots=True)
class PartPeak:
    """What the part of the NPU that ran is listed to do at most."""

    mac_per_s: float
    share: float  # of the NPU, in 0..1
    fact: FactValue


def peak_of(cell: Cell) -> PartPeak | None:
    """The listed INT8 peak of the cores that a figure is of; None where none is listed or none binds."""
    fact = None if cell.precision.startswith(NARROW) else _peak(cell.figure.chip)
    if fact is None:
        return None
    share = _share(cell.figure.chip, cell.figure.mode)
    return PartPeak(fact.value * share, share, fact)


def above_peaks(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Times in which the part of the NPU that ran cannot do the network's MACs, by the chip's listed peak."""
    for cell in cells:
        peak = peak_of(cell) if cell.macs else None
        if peak is None or cell.macs is None:
            continue
        rate = cell.macs / (cell.image_ms / 1000)
        over = rate / peak.mac_per_s
        if over <= NEARLY:
            continue
        part = "" if peak.share == 1 else f" of {ratio_text(peak.share)} of its NPU"
        reason = f"its MACs a second are {ratio_text(over)} of the listed peak{part} ({peak.fact.text})"
        told = (
            f"{cell.macs / 1e9:.3g} GMACs an image, {rate / 1e12:.3g} TMAC/s; listed: "
            f"{peak.mac_per_s / 1e12:.3g} TMAC/s",
            f"by {peak.fact.source}",
        )
        strength = Strength.strong_if(over > ABOVE)
        yield doubt_of([cell], FigureDoubtClass.ABOVE_PEAK, strength, reason, cell.told, *told)


@cache
def _share(chip: str, mode: str) -> float:
    found = find_chip(chip)
    share = share_of_mode(found, mode_of(mode)) if found else None
    return 1.0 if share is None else share


@cache
def _peak(chip: str) -> FactValue | None:
    """The greatest listed peak of the chips that the name stands for; of none where they work together."""
    found = find_chip(chip)
    names = found.speaks_for if found else (chip,)
    peaks = [peak for name in names if (peak := peak_mac_per_s(sheet_of("", name, _boards())))]
    return max(peaks, key=lambda one: one.value, default=None)


@cache
def _boards() -> tuple[BoardSpec, ...]:
    """Boards that npubench ships, for their facts."""
    return tuple(load((), ("boards",)).boards.values())
