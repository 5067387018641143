"""Published rates of one model by the number of threads: how much the cores of an NPU slow each other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

from npubench.published.atlas import PublishedFigure, figures, join_of
from npubench.published.chips import Mode, canonical, find_chip, mode_of


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One figure of a sweep."""

    threads: int  # callers at once
    fps: float  # frames a second of all of them


@dataclass(frozen=True, slots=True)
class ThreadSweep:
    """Figures that differ in the number of threads alone, and one thread's own."""

    chip: str  # canonical name
    model: str  # as the publisher writes it
    cores: int  # of the NPU that they share
    source: str  # address
    single_fps: float  # of one thread on one core
    single_source: str  # address; another publisher's where the sweep has no such figure
    points: tuple[SweepPoint, ...]  # by threads, of two and more

    @property
    def slowdown(self) -> float | None:
        """Factor of the time of a frame with all cores busy, of the points with more threads than cores.

        Where `single_source` is another publisher's, the difference of clock, tool and method is in it, too.
        """
        full = [point.fps for point in self.points if point.threads > self.cores]
        return self.cores * self.single_fps / median(full) if full else None


def thread_sweeps(told: Iterable[PublishedFigure]) -> tuple[ThreadSweep, ...]:
    """All with two numbers of threads or more, and a figure of one core of that network, in their order."""
    singles: list[PublishedFigure] = []
    groups: defaultdict[tuple[str, int, str, str, str, str], list[PublishedFigure]] = defaultdict(list)
    for figure in told:
        if figure.metric != "throughput" or not figure.standard_value:
            continue
        mode = mode_of(figure.mode)
        cores = mode.cores or _cores_of(figure.chip)
        if mode.threads and mode.threads > 1 and cores:
            key = (canonical(figure.chip), cores, figure.model, figure.input, figure.precision, figure.source)
            groups[key].append(figure)
        elif _is_single(mode, figure.chip):
            singles.append(figure)
    made = (_sweep(found, cores, singles) for (_, cores, *_), found in groups.items() if len(found) > 1)
    return tuple(one for one in made if one is not None)


@cache
def shipped_sweeps() -> tuple[ThreadSweep, ...]:
    """Those of the tables that come with npubench."""
    return thread_sweeps(figures())


def npu_slowdown(chip: str, cores: int) -> tuple[tuple[float, ...], str]:
    """Factors of the time with 1, 2, ... cores busy, and their source; empty where no sweep is of that chip.

    Between one core and all, which is what a sweep tells, the factor is taken for linear; below 1 for 1.
    """
    for one in shipped_sweeps():
        if one.chip == canonical(chip) and one.cores == cores > 1 and one.slowdown:
            step = (max(1.0, one.slowdown) - 1) / (cores - 1)
            return tuple(1 + step * busy for busy in range(cores)), one.source
    return (), ""


def _cores_of(chip: str) -> int | None:
    found = find_chip(chip)
    return found.cores if found else None


def _is_single(mode: Mode, chip: str) -> bool:
    """One caller on one core: said, or there is no other core."""
    if mode.threads not in (None, 1) or mode.halved or mode.batch not in (None, 1) or mode.modules > 1:
        return False
    return mode.threads == 1 or mode.cores == 1 or (mode.cores is None and _cores_of(chip) == 1)


def _sweep(
    found: Sequence[PublishedFigure], cores: int, singles: Sequence[PublishedFigure]
) -> ThreadSweep | None:
    first = found[0]
    fitting = [one for one in singles if _same(one, first)]
    # One's own figure before another publisher's, whose clock and method may differ.
    fitting.sort(key=lambda one: one.source != first.source)
    if not fitting:
        return None
    rates = {mode_of(one.mode).threads or 0: one.standard_value or 0.0 for one in found}
    points = tuple(SweepPoint(threads, rates[threads]) for threads in sorted(rates))
    single = fitting[0].standard_value or 0.0
    chip = canonical(first.chip)
    return ThreadSweep(chip, first.model, cores, first.source, single, fitting[0].source, points)


def _same(one: PublishedFigure, other: PublishedFigure) -> bool:
    """Of the same chip, precision and network; where no network is known, of the same name."""
    if canonical(one.chip) != canonical(other.chip) or one.precision != other.precision:
        return False
    first, second = join_of(one).network, join_of(other).network
    if first is None or second is None:
        return one.model.casefold() == other.model.casefold()
    return first.key == second.key
