"""How far published figures contradict each other: no prediction can be nearer than that."""

from collections.abc import Hashable, Sequence
from itertools import combinations
from statistics import median

from npubench.predict.samples import Column, Sample

LEAST = 5
"""Networks that two publishers need in common."""


def contradictions(samples: Sequence[Sample]) -> list[str]:
    """Sentences on pairs of figures that ought to be equal, or to keep one ratio."""
    twins = _same_graph(samples)
    found = []
    if twins:
        found.append(
            f"Two names of one publisher with one graph, in one column: {len(twins)} pairs of figures, which "
            f"differ by {_percent(median(twins))} in the median, {_percent(_share(twins, 0.1))} of them "
            "by more than 10 %."
        )
    for publisher, off in sorted(_by_publisher(samples).items()):
        if len(off) >= LEAST:
            found.append(
                f"The same for {publisher}: {len(off)} pairs, {_percent(median(off))} in the median."
            )
    between = _between_publishers(samples)
    if between:
        found.append(
            "Two publishers of one chip, each pair's usual ratio taken away: "
            f"{len(between)} pairs of figures, off by {_percent(median(between))} in the median."
        )
    return found


def _same_graph(samples: Sequence[Sample]) -> list[float]:
    return [off for offs in _by_publisher(samples).values() for off in offs]


def _by_publisher(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Differences of logarithms of figures in one column whose networks differ in name and not in graph."""
    groups: dict[Hashable, list[Sample]] = {}
    for one in samples:
        graph = one.subject.features
        if graph is not None:
            counted = (graph.macs, graph.parameters, graph.activation_elements)
            groups.setdefault((one.column, counted), []).append(one)
    found: dict[str, list[float]] = {}
    for group in groups.values():
        for one, other in combinations(group, 2):
            if one.row.model != other.row.model:
                found.setdefault(one.column.publisher, []).append(abs(one.log_ms - other.log_ms))
    return found


def _between_publishers(samples: Sequence[Sample]) -> list[float]:
    times: dict[Column, dict[str, float]] = {}
    for one in samples:
        times.setdefault(one.column, {})[one.subject.key] = one.log_ms
    found: list[float] = []
    for mine, theirs in combinations(times, 2):
        if (mine.chip, mine.precision) != (theirs.chip, theirs.precision):
            continue
        shared = sorted(times[mine].keys() & times[theirs].keys())
        if len(shared) >= LEAST and mine.publisher != theirs.publisher:
            ratios = [times[mine][key] - times[theirs][key] for key in shared]
            usual = median(ratios)
            found += [abs(ratio - usual) for ratio in ratios]
    return found


def _share(off: Sequence[float], limit: float) -> float:
    return sum(one > limit for one in off) / len(off)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
