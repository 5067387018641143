"""Published rates by the number of threads, out of one thread's own figure: the simulation's word on each.

Every caller is a server on shared cores of the NPU. `alone` has one core's figure and nothing else; `others`
has two numbers more, from the other points of the sweep: the factor by which full cores slow each other, and
the time of a call outside the NPU, which shows where there are as many threads as cores.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.domain.text import markdown_table
from npubench.published.thread_sweeps import SweepPoint, ThreadSweep, shipped_sweeps
from npubench.streams.pipeline import Cores, Pipeline, ServiceTime, Station, Step, Stream
from npubench.streams.simulate import simulate

SECONDS, WARM_UP = 20.0, 2.0


@dataclass(frozen=True, slots=True)
class Point:
    """One published rate and what is simulated; frames a second."""

    threads: int
    published: float
    alone: float
    others: float | None  # None: the sweep has no other point with more threads than cores

    @property
    def errors(self) -> tuple[float, float | None]:
        """Relative, of both."""
        return self.alone / self.published - 1, self.others and self.others / self.published - 1


def points(sweep: ThreadSweep) -> list[Point]:
    """All of a sweep, each with what the others tell."""
    found = []
    for at, point in enumerate(sweep.points):
        others = (*sweep.points[:at], *sweep.points[at + 1 :])
        slowdown, host_s = told_by(sweep, others)
        alone = simulated_fps(sweep, point.threads, 1.0, 0.0)
        known = None if slowdown is None else simulated_fps(sweep, point.threads, slowdown, host_s)
        found.append(Point(point.threads, point.fps, alone, known))
    return found


def told_by(sweep: ThreadSweep, others: Sequence[SweepPoint]) -> tuple[float | None, float]:
    """Factor of full cores, and seconds of a call outside the NPU, of these points alone.

    With more threads than cores the cores never wait: rate = cores / (time x factor). With as many, each core
    waits for its own thread: rate = cores / (time x factor + host).
    """
    full = [point.fps for point in others if point.threads > sweep.cores]
    if not full:
        return None, 0.0
    slowdown = sweep.cores * sweep.single_fps / statistics.median(full)
    equal = [point.fps for point in others if point.threads == sweep.cores]
    host_s = max(0.0, sweep.cores / statistics.median(equal) - slowdown / sweep.single_fps) if equal else 0.0
    return slowdown, host_s


def simulated_fps(sweep: ThreadSweep, threads: int, slowdown: float, host_s: float) -> float:
    """Frames a second of so many threads, each with a call after the other."""
    step = (slowdown - 1) / (sweep.cores - 1) if sweep.cores > 1 else 0.0
    factors = tuple(1 + step * busy for busy in range(sweep.cores))
    stations, steps = [Station("npu", sweep.cores, "cores")], [Step("npu", ServiceTime(1 / sweep.single_fps))]
    if host_s:
        stations.insert(0, Station("host", threads))
        steps.insert(0, Step("host", ServiceTime(host_s)))
    calls = Stream("calls", 1, None, tuple(steps), on_way=threads)
    # The first station takes a call whenever there is one.
    stations[0] = replace(stations[0], servers=max(stations[0].servers, threads))
    cores = Cores("cores", sweep.cores, factors)
    return simulate(Pipeline(tuple(stations), (calls,), (cores,)), 1, SECONDS, WARM_UP).throughput_fps


def lines() -> Iterator[str]:
    """A paragraph and a table a sweep."""
    for sweep in shipped_sweeps():
        found = points(sweep)
        alone = [abs(one.errors[0]) for one in found]
        others = [abs(error) for one in found if (error := one.errors[1]) is not None]
        single = "its own" if sweep.single_source == sweep.source else sweep.single_source
        told = f"with what the other points tell {min(others):.1%} to {max(others):.1%}." if others else ""
        yield (
            f"{sweep.chip}, {sweep.model}, {sweep.cores} cores, by {sweep.source}; one core's figure of "
            f"{single}: {sweep.single_fps:g} fps. Out of that alone the error is "
            f"{min(alone):.1%} to {max(alone):.1%}; {told}"
        )
        rows = [
            (
                str(one.threads),
                f"{one.published:.1f}",
                f"{one.alone:.1f} ({one.errors[0]:+.1%})",
                "–" if one.others is None else f"{one.others:.1f} ({one.errors[1]:+.1%})",
            )
            for one in found
        ]
        yield markdown_table(("threads", "published fps", "out of one core's", "with the other points"), rows)
