"""What a queueing simulation is of: cores, stations with queues, and streams of frames that visit them.

Times are seconds, rates are frames a second. Nothing here knows of chips: `reporting.select.streams` makes a
`Pipeline` of figures and facts, `benchmarks.streams` of service times that it takes on this machine.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from npubench.domain.figures import Kind


class Spread(StrEnum):
    """How single service times lie about their mean."""

    FIXED = "fixed"
    LOG_NORMAL = "log_normal"
    EXPONENTIAL = "exponential"


class Overflow(StrEnum):
    """What gives way when a queue is full."""

    OLDEST = "oldest"  # the newest frame wins, as of a camera whose picture of now counts
    NEWEST = "newest"  # what comes in is lost
    WAIT = "wait"  # nothing is lost: the station before keeps its frame and its server


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """Time of one server for one frame (of a whole batch, where the station takes batches)."""

    mean_s: float  # seconds
    spread: Spread = Spread.FIXED  # of single frames about the mean
    sigma: float = 0.0  # standard deviation of the logarithm; of `LOG_NORMAL` alone
    delay_s: float = 0.0  # seconds that the frame is longer on its way without keeping the server
    low_s: float | None = None  # 5 % quantile of the mean where it is a prediction; seconds
    high_s: float | None = None  # 95 % quantile of the mean; seconds
    kind: Kind | None = None  # of the figure that it comes from

    def draw(self, source: Random) -> float:
        """Seconds of one frame."""
        if self.spread is Spread.FIXED:
            return self.mean_s
        if self.spread is Spread.EXPONENTIAL:
            return source.expovariate(1 / self.mean_s)
        # The mean of a log-normal is exp(mu + sigma^2 / 2).
        return self.mean_s * math.exp(source.gauss(-self.sigma * self.sigma / 2, self.sigma))

    def at_quantile(self, normal: float) -> "ServiceTime":
        """With the mean at that many standard deviations of its log-normal band; itself without a band."""
        if self.low_s is None or self.high_s is None or not 0 < self.low_s <= self.high_s:
            return self
        limit = self.low_s if normal < 0 else self.high_s
        return replace(self, mean_s=self.mean_s * (limit / self.mean_s) ** (abs(normal) / Z_95))


Z_95 = 1.6448536269514722
"""The 95 % quantile of the standard normal distribution."""


def log_normal(p50_s: float, p99_s: float, mean_s: float, kind: Kind | None = None) -> ServiceTime:
    """Of a mean with the spread that median and 99th percentile tell: sigma = ln(p99 / p50) / 2.326."""
    sigma = math.log(p99_s / p50_s) / 2.3263478740408408 if p99_s > p50_s > 0 else 0.0
    return ServiceTime(mean_s, Spread.LOG_NORMAL if sigma else Spread.FIXED, sigma, kind=kind)


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores that stations share: n busy servers get min(1, count / n) of a core each (processor sharing).

    `slowdown` is by how much all of them are slower with 1, 2, ... busy (shared memory bandwidth, clock,
    threads of one core), as measured; the last holds for more. Empty: none is known, none is reckoned with.
    """

    name: str  # that stations refer to
    count: float  # cores
    slowdown: tuple[float, ...] = ()  # factor of the service time with 1, 2, ... busy

    def speed(self, busy: int) -> float:
        """Share of a core of its own that each of `busy` servers gets."""
        share = min(1.0, self.count / busy)
        return share / self.slowdown[min(busy, len(self.slowdown)) - 1] if self.slowdown else share

    @property
    def capacity(self) -> float:
        """Service seconds a second that they give at most, with as many servers busy as there are cores."""
        return self.count * self.speed(max(1, math.floor(self.count)))


@dataclass(frozen=True, slots=True)
class Queue:
    """Frames that may wait, besides those in service."""

    frames: int | None = None  # None: any number
    overflow: Overflow = Overflow.OLDEST  # what gives way
    of_each_camera: bool = False  # `frames` are of each camera, else of all together


@dataclass(frozen=True, slots=True)
class Station:
    """Equal servers with one queue, first come first served."""

    name: str  # that steps refer to
    servers: int  # at once: cores, threads, streams of a decoder
    cores: str = ""  # name of the shared cores that servers run on; empty: hardware of its own
    queue: Queue = Queue()  # of waiting frames
    batch: int = 1  # frames that a server takes at once, if so many wait; its time is that of the batch


@dataclass(frozen=True, slots=True)
class Step:
    """A visit of a station, `runs` times a frame on average: 1/3 is every third frame, 4 are four crops.

    Frame i makes floor((i + 1) runs) - floor(i runs) runs; those of one frame may be served beside each
    other, and the frame goes on when all are done.
    """

    station: str  # name
    service: ServiceTime  # of one run
    runs: float = 1.0  # a frame
    model: bool = True  # its answer is what the camera is for: a frame without such a run is no frame asked

    def runs_of(self, frame: int) -> int:
        """Runs of the frame of that index."""
        return math.floor((frame + 1) * self.runs + 1e-9) - math.floor(frame * self.runs + 1e-9)


@dataclass(frozen=True, slots=True)
class Stream:
    """`count` equal cameras; every frame makes the steps in their order."""

    name: str  # of what is asked
    count: int  # cameras
    fps: float | None  # frames a second of each camera; None: the next frame whenever the first station can
    steps: tuple[Step, ...]  # in order
    jitter: Spread = Spread.FIXED  # of the times between frames
    on_way: int | None = None  # of a stream without a rate: frames at once, as of callers that wait


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All of it. Raises ValueError where a name is not there, or a time or a number is none."""

    stations: tuple[Station, ...]  # by any order
    streams: tuple[Stream, ...]  # at least one
    cores: tuple[Cores, ...] = ()  # that stations share

    def __post_init__(self) -> None:
        names = {station.name for station in self.stations}
        known = {cores.name for cores in self.cores}
        for station in self.stations:
            if station.cores and station.cores not in known:
                raise ValueError(f"station {station.name}: no cores are called {station.cores!r}")
            if station.servers < 1 or station.batch < 1:
                raise ValueError(f"station {station.name}: it needs a server, and a batch a frame")
        for stream in self.streams:
            for step in stream.steps:
                if step.station not in names:
                    raise ValueError(f"stream {stream.name}: no station is called {step.station!r}")
                if not (0 < step.service.mean_s < math.inf and 0 < step.runs < math.inf):
                    raise ValueError(f"stream {stream.name}, {step.station}: no time or no rate of runs")

    @property
    def cameras(self) -> int:
        """Of all streams."""
        return sum(stream.count for stream in self.streams)

    def with_cameras(self, cameras: int) -> "Pipeline":
        """So many cameras, shared among the streams as they are now (largest remainder); at least one."""
        whole = self.cameras
        shares = [stream.count * cameras / whole for stream in self.streams]
        counts = [math.floor(share) for share in shares]
        by_rest = sorted(range(len(shares)), key=lambda at: (counts[at] - shares[at], at))
        for at in by_rest[: cameras - sum(counts)]:
            counts[at] += 1
        streams = (replace(one, count=count) for one, count in zip(self.streams, counts, strict=True))
        return replace(self, streams=tuple(one for one in streams if one.count))

    def at_quantile(self, normal: float) -> "Pipeline":
        """All means at that many standard deviations of their bands: a slower chip is slower throughout."""
        return replace(
            self,
            streams=tuple(
                replace(
                    one,
                    steps=tuple(
                        replace(step, service=step.service.at_quantile(normal)) for step in one.steps
                    ),
                )
                for one in self.streams
            ),
        )

    def visits(self) -> Iterator[tuple[Stream, Step]]:
        """Every step with its stream."""
        return ((stream, step) for stream in self.streams for step in stream.steps)


def loads(pipeline: Pipeline) -> Mapping[str, float]:
    """Utilisation that each station and each name of cores would need: above 1 it cannot hold the rate.

    Of stations: sum of rate x runs x mean / (servers x batch x speed); of cores: the same sum of all their
    stations over their capacity. Streams without a rate count nothing.
    """
    stations = {station.name: station for station in pipeline.stations}
    cores = {one.name: one for one in pipeline.cores}
    found = dict.fromkeys([*stations, *cores], 0.0)
    for stream, step in pipeline.visits():
        station = stations[step.station]
        offered = stream.count * (stream.fps or 0.0) * step.runs * step.service.mean_s / station.batch
        if station.cores:
            found[station.cores] += offered / cores[station.cores].capacity
        found[station.name] += offered / station.servers
    return found


def bottleneck(pipeline: Pipeline) -> str:
    """Name of the station or cores with the highest load."""
    found = loads(pipeline)
    return max(found, key=lambda name: found[name])
