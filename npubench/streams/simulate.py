"""The simulation: one run of a `Pipeline`, deterministic by its seed.

Events in the order of their time. Servers on shared cores follow processor sharing: a clock of service
advances at the speed that each of them gets, so that a change of speed moves no event but the next.
"""

import heapq
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from npubench.streams.pipeline import Cores, Overflow, Pipeline, Spread, Station, Stream

FRAMES = 100_000
"""Cameras start at any of so many frames."""


@dataclass(frozen=True, slots=True)
class CameraRun:
    """What became of the frames of one camera that arrived after the warm-up."""

    stream: str  # name
    asked: int  # frames that meet a model
    latencies_s: tuple[float, ...]  # of those answered, in the order of their answers; seconds
    dropped: int  # of those asked


@dataclass(frozen=True, slots=True)
class Run:
    """One simulated run."""

    seconds: float  # that were counted, after the warm-up
    cameras: tuple[CameraRun, ...]  # by stream, then number
    busy: Mapping[str, float]  # by station share of its servers that had work, by cores share that ran
    done: int  # frames that ended in the counted time, dropped ones left out

    @property
    def latencies_s(self) -> list[float]:
        """Of all cameras, ascending; seconds."""
        return sorted(latency for one in self.cameras for latency in one.latencies_s)

    @property
    def throughput_fps(self) -> float:
        """Frames that ended a second."""
        return self.done / self.seconds


class _Frame:
    __slots__ = ("arrived", "at", "camera", "counted", "dead", "index", "open", "waiting")

    def __init__(self, camera: "_Camera", index: int, arrived: float) -> None:
        self.camera, self.index, self.arrived = camera, index, arrived
        self.at, self.open, self.waiting = -1, 0, 0
        self.dead = self.counted = False


class _Camera:
    __slots__ = (
        *("asked", "dropped", "jitter", "latencies", "most_on_way", "next_index", "on_way"),
        *("period", "steps", "stream"),
    )

    def __init__(self, stream: Stream) -> None:
        self.stream, self.steps, self.jitter = stream.name, stream.steps, stream.jitter
        self.period = 1 / stream.fps if stream.fps else None
        self.most_on_way = math.inf if stream.on_way is None else stream.on_way
        self.next_index = self.asked = self.dropped = self.on_way = 0
        self.latencies: list[float] = []


class _Shared:
    """Servers in service on shared cores; `clock` is the service that each had since the start, seconds."""

    __slots__ = ("busy_s", "clock", "cores", "heap", "speed", "updated", "window")

    def __init__(self, cores: Cores, window: tuple[float, float]) -> None:
        self.cores, self.heap, self.window = cores, list[tuple[float, int, _Work]](), window
        self.clock = self.updated = self.busy_s = 0.0
        self.speed = 1.0

    def advance(self, now: float) -> None:
        self.clock += (now - self.updated) * self.speed
        if self.heap and now > self.window[0]:
            counted = min(now, self.window[1]) - max(self.updated, self.window[0])
            self.busy_s += max(0.0, counted) * min(len(self.heap), self.cores.count)
        self.updated = now

    def changed(self) -> None:
        self.speed = self.cores.speed(len(self.heap)) if self.heap else 1.0

    def next_end(self) -> float:
        return self.updated + (self.heap[0][0] - self.clock) / self.speed if self.heap else math.inf


class _Work:
    """What one server has in hand."""

    __slots__ = ("frames", "since", "station")

    def __init__(self, station: "_Place", frames: list[_Frame], since: float) -> None:
        self.station, self.frames, self.since = station, frames, since


class _Place:
    """A station while it runs."""

    __slots__ = (
        *("blocked", "busy_s", "free", "limit", "lines", "per_camera", "shared", "spec", "wait", "waiting"),
    )

    def __init__(self, spec: Station, shared: _Shared) -> None:
        self.spec, self.shared, self.free = spec, shared, spec.servers
        self.waiting: deque[_Frame] = deque()  # one a run, dropped ones among them
        self.lines: dict[_Camera | None, deque[_Frame]] = {}  # distinct frames that wait
        self.blocked: deque[_Work] = deque()  # works of others that wait for room here
        self.busy_s, self.limit = 0.0, spec.queue.frames
        self.wait, self.per_camera = spec.queue.overflow is Overflow.WAIT, spec.queue.of_each_camera

    def line_of(self, frame: _Frame) -> deque[_Frame]:
        """Frames that wait and count against the same limit as this one."""
        camera = frame.camera if self.per_camera else None
        return self.lines.setdefault(camera, deque())

    def has_room(self, frame: _Frame) -> bool:
        """Whether a further frame may come, with all its runs."""
        return self.limit is None or self.free > 0 or len(self.line_of(frame)) < self.limit

    def add(self, frame: _Frame, runs: int) -> None:
        self.waiting.extend([frame] * runs)
        frame.waiting = runs
        self.line_of(frame).append(frame)

    def take(self, most: int) -> list[_Frame]:
        """The next frames in the order in which they came, without those that were dropped."""
        taken: list[_Frame] = []
        while self.waiting and len(taken) < most:
            frame = self.waiting.popleft()
            if not frame.dead:
                taken.append(frame)
                frame.waiting -= 1
                if not frame.waiting:
                    self.line_of(frame).remove(frame)
        return taken


class _Simulation:
    def __init__(self, pipeline: Pipeline, seed: int, seconds: float, warm_up: float) -> None:
        self.random = Random(seed)
        self.now, self.from_s, self.until = 0.0, warm_up, warm_up + seconds
        self.order = self.done = 0
        window = (self.from_s, self.until)
        self.cores = {one.name: _Shared(one, window) for one in pipeline.cores}
        self.places = {
            one.name: _Place(one, self.cores.get(one.cores) or _Shared(Cores(one.name, math.inf), window))
            for one in pipeline.stations
        }
        self.shared = list({id(one.shared): one.shared for one in self.places.values()}.values())
        self.timers: list[tuple[float, int, _Camera | _Frame]] = []
        self.idle: deque[_Camera] = deque()
        self.cameras = [_Camera(one) for one in pipeline.streams for _ in range(one.count)]

    def run(self) -> Run:
        for camera in self.cameras:
            # Cameras start at different frames, so what each does every k-th frame comes not all at once.
            camera.next_index = self.random.randrange(FRAMES)
            if camera.period is None:
                self.idle.append(camera)
            else:
                self._later(self.random.random() * camera.period, camera)
        self._feed()
        saturated = bool(self.idle)
        while True:
            ending = min(self.shared, key=_Shared.next_end)
            end = ending.next_end()
            due = self.timers[0][0] if self.timers else math.inf
            self.now = min(end, due)
            if self.now == math.inf or (saturated and self.now >= self.until):
                break
            if due <= end:
                self._due(heapq.heappop(self.timers)[2])
            else:
                self._ended(ending)
            if saturated:
                self._feed()
        return self._result()

    def _result(self) -> Run:
        runs = (CameraRun(one.stream, one.asked, tuple(one.latencies), one.dropped) for one in self.cameras)
        seconds = self.until - self.from_s
        busy = {name: one.busy_s / (seconds * one.spec.servers) for name, one in self.places.items()}
        busy |= {name: one.busy_s / (seconds * one.cores.count) for name, one in self.cores.items()}
        return Run(seconds, tuple(runs), busy, self.done)

    def _later(self, when: float, what: _Camera | _Frame) -> None:
        self.order += 1
        heapq.heappush(self.timers, (when, self.order, what))

    def _due(self, what: _Camera | _Frame) -> None:
        if isinstance(what, _Frame):
            self._run_done(what)
            return
        assert what.period is not None
        gap = what.period
        if what.jitter is Spread.EXPONENTIAL:
            gap = self.random.expovariate(1 / what.period)
        if self.now + gap < self.until:
            self._later(self.now + gap, what)
        self._arrive(what)

    def _feed(self) -> None:
        """Frames of cameras without a rate, as long as the first station can take one at once."""
        for _ in range(len(self.idle)):
            camera = self.idle.popleft()
            self.idle.append(camera)
            place = self.places[camera.steps[0].station]
            while place.free > 0 and camera.on_way < camera.most_on_way:
                self._arrive(camera)

    def _arrive(self, camera: _Camera) -> None:
        frame = _Frame(camera, camera.next_index, self.now)
        camera.next_index += 1
        camera.on_way += 1
        asked = any(step.model and step.runs_of(frame.index) for step in camera.steps)
        frame.counted = asked and self.from_s <= self.now < self.until
        camera.asked += frame.counted
        self._next_step(frame)

    def _next_step(self, frame: _Frame) -> None:
        """To the next station that the frame visits, or out; its queue has room, or drops."""
        runs = 0
        while not runs:
            frame.at += 1
            if frame.at == len(frame.camera.steps):
                self._answered(frame)
                return
            runs = frame.camera.steps[frame.at].runs_of(frame.index)
        frame.open = runs
        place = self.places[frame.camera.steps[frame.at].station]
        if not place.wait and not place.has_room(frame):
            self._overflow(place, frame)
        if not frame.dead:
            place.add(frame, runs)
            self._start(place)

    def _overflow(self, place: _Place, frame: _Frame) -> None:
        if place.spec.queue.overflow is Overflow.NEWEST:
            self._drop(frame)
            return
        line = place.line_of(frame)
        self._drop(line[0] if line else frame)

    def _drop(self, frame: _Frame) -> None:
        frame.dead = True
        frame.camera.on_way -= 1
        frame.camera.dropped += frame.counted
        place = self.places[frame.camera.steps[frame.at].station]
        if frame.waiting:
            place.line_of(frame).remove(frame)
        self._room(place)

    def _answered(self, frame: _Frame) -> None:
        frame.camera.on_way -= 1
        self.done += self.from_s <= self.now < self.until
        if frame.counted:
            frame.camera.latencies.append(self.now - frame.arrived)

    def _start(self, place: _Place) -> None:
        """Servers that are free take what waits."""
        while place.free > 0 and (frames := place.take(place.spec.batch)):
            place.free -= 1
            service = frames[0].camera.steps[frames[0].at].service
            shared = place.shared
            shared.advance(self.now)
            self.order += 1
            work = _Work(place, frames, self.now)
            heapq.heappush(shared.heap, (shared.clock + service.draw(self.random), self.order, work))
            shared.changed()
            self._room(place)

    def _room(self, place: _Place) -> None:
        """Works that waited for room in this queue hand their frames on."""
        while place.blocked and place.has_room(place.blocked[0].frames[0]):
            self._hand_on(place.blocked.popleft())

    def _ended(self, shared: _Shared) -> None:
        shared.advance(self.now)
        _, _, work = heapq.heappop(shared.heap)
        shared.changed()
        self._hand_on(work)

    def _hand_on(self, work: _Work) -> None:
        """A server that is done gives its frames away, or keeps the first that finds no room and waits."""
        while work.frames:
            frame = work.frames[0]
            following = self._following(frame)
            if following is not None and following.wait and not following.has_room(frame):
                following.blocked.append(work)
                return
            work.frames.pop(0)
            delay = frame.camera.steps[frame.at].service.delay_s
            if delay:
                self._later(self.now + delay, frame)
            else:
                self._run_done(frame)
        place = work.station
        counted = min(self.now, self.until) - max(work.since, self.from_s)
        place.busy_s += max(0.0, counted)
        place.free += 1
        self._start(place)
        self._room(place)

    def _following(self, frame: _Frame) -> _Place | None:
        if frame.dead or frame.open > 1:
            return None
        for step in frame.camera.steps[frame.at + 1 :]:
            if step.runs_of(frame.index):
                return self.places[step.station]
        return None

    def _run_done(self, frame: _Frame) -> None:
        frame.open -= 1
        if not frame.dead and frame.open == 0:
            self._next_step(frame)


def simulate(pipeline: Pipeline, seed: int, seconds: float, warm_up: float = 0.0) -> Run:
    """Frames that arrive in `warm_up` seconds fill the queues, those of `seconds` after that count.

    Cameras start at a random frame and phase of their period. All frames come to their end, except where a
    stream has no rate: then the run ends with the counted time.
    """
    return _Simulation(pipeline, seed, seconds, warm_up).run()
