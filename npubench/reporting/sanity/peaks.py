"""Peaks in multiply-accumulates a second: of a chip by its facts, and of a tool by its own utilisations.

A tool that prints MACs, inferences a second and utilisation has told its peak: MACs x rate / utilisation.
Where most rows of a board agree on it to the rounding of what they print, it is the tool's rule, and a row
that does not follow it has one figure of another row. Where they do not agree, the tool means something
else by utilisation and nothing is said.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from npubench.catalog import load_boards
from npubench.domain.records import Figures, Kind, Result, Status
from npubench.domain.specs import BoardSpec
from npubench.reporting.data.whole_npu import HALVES
from npubench.reporting.sanity.times import samples_per_call, typical_us
from npubench.reporting.select.candidate import facts_of_board, share_of_npu
from npubench.reporting.select.chip_facts import peak_mac_per_s

LEAST_FOR_RULE = 3
"""Rows that it takes to tell a tool's rule from themselves."""

MOST_OF = 0.75
"""Share of the rows that must follow a rule for it to be one."""

SLACK = 0.005
"""Of the utilisation, above what rounding explains."""


@dataclass(frozen=True, slots=True)
class Peak:
    """`mac_per_s`, and where it was taken from: a fact's source, or empty for the tool's own rule."""

    mac_per_s: float
    source: str


@dataclass(frozen=True, slots=True)
class Utilised:
    """What a tool prints of one row: MACs of a call, calls a second, share of the peak in 0..1, NPU mode."""

    row: Result
    macs: int
    calls_per_s: float
    share: float
    mode: str

    def share_at(self, peak: float) -> float:
        """What the share should be at that peak."""
        return self.macs * self.calls_per_s / peak

    def follows(self, peak: float) -> bool:
        """Whether the printed share is that, given what printing rounds off.

        Half a unit of the second decimal of the percentage, and of the rate's.
        """
        due = self.share_at(peak)
        rounding = _half_unit(self.share * 100, 2) / 100 + due * _half_unit(self.calls_per_s, 2) / (
            self.calls_per_s
        )
        return abs(due - self.share) <= rounding + SLACK * max(due, self.share)


def _half_unit(value: float, decimals: int) -> float:
    """Half a unit of the last decimal that was printed, of which there are at least `decimals`."""
    return 0.5 * 10.0**-decimals if abs(value - round(value, decimals)) < 1e-9 else 0.0


def utilised(results: Iterable[Result]) -> Mapping[tuple[str, str, Kind, str], list[Utilised]]:
    """Rows with MACs by the tool, rate and utilisation, by board, backend, kind and mode of the NPU."""
    groups: defaultdict[tuple[str, str, Kind, str], list[Utilised]] = defaultdict(list)
    for row in results:
        for figures in (row.estimate, row.figures):
            rate = None if figures is None or row.status is not Status.OK else _calls_per_s(figures)
            if (
                figures is None
                or rate is None
                or figures.tool_macs is None
                or figures.mac_utilisation is None
            ):
                continue
            kind = figures.origin or figures.kind
            mode = str(figures.details.get("npu_mode", ""))
            one = Utilised(row, figures.tool_macs, rate, figures.mac_utilisation, mode)
            groups[row.board, row.backend, kind, mode].append(one)
    return groups


def _calls_per_s(figures: Figures) -> float | None:
    if figures.throughput_fps and figures.throughput_fps > 0:
        return figures.throughput_fps / samples_per_call(figures)
    time = typical_us(figures.latency_us)
    return None if time is None else 1e6 / time


def rule_of(group: Sequence[Utilised], boards: Sequence[BoardSpec]) -> Peak | None:
    """The peak that most of these rows follow; of few rows the one that the chip's facts state exactly."""
    telling = [one for one in group if one.share > 0 and one.macs > 0]
    if len(telling) >= LEAST_FOR_RULE:
        # The rows with the most digits count: of a utilisation of 0.30 % the last one is 3 % of it.
        precise = sorted(telling, key=lambda one: -one.share)[: max(LEAST_FOR_RULE, len(telling) // 2)]
        peak = statistics.median(one.macs * one.calls_per_s / one.share for one in precise)
        following = sum(one.follows(peak) for one in telling)
        return Peak(peak, "") if following >= MOST_OF * len(telling) else None
    if not group:
        return None
    # Only a peak that was worked out of such rows is the tool's own; it is of half of an AX620A.
    told = peak_mac_per_s(facts_of_board(group[0].row.board, group[0].row.chip, boards))
    exact = told is not None and told.about and group[0].mode in HALVES
    return Peak(told.value, told.source) if told is not None and exact else None


def chip_peak(row: Result, figures: Figures, boards: Sequence[BoardSpec]) -> Peak | None:
    """What the part of the NPU that `figures` are of can do at most, by the facts of its board or chip."""
    facts = facts_of_board(row.board, row.chip, boards)
    told = peak_mac_per_s(facts)
    if told is None:
        return None
    share = share_of_npu(figures, facts)
    if told.about:
        # The fact is of half of the NPU: the whole has two of them.
        return Peak(told.value * (1 if share <= 0.5 else 2), told.source)
    return Peak(told.value * share, told.source)


@cache
def shipped_boards() -> tuple[BoardSpec, ...]:
    """Boards that npubench ships, for their facts."""
    return tuple(load_boards(()).values())
