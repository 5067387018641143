"""How many of the asked cameras hold their rate on a chip: decode, preprocessing, NPU and tail simulated.

What has no figure is not simulated and is named with what would tell it: then a number of cameras is at most
that, a failure stays one, and nothing passes.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from npubench.domain.figures import Kind
from npubench.reporting.data.translate import translate
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.requirements import ModelNeed, Requirements, StreamNeed
from npubench.streams.capacity import Asked, Trial, confidence, most_cameras, trial
from npubench.streams.pipeline import (
    Cores,
    Overflow,
    Pipeline,
    Queue,
    ServiceTime,
    Station,
    Step,
    Stream,
    loads,
)

WAITING = 2
"""Frames of each camera that may wait at a station; the newest wins. An assumption, and said so."""

QUEUE = Queue(WAITING, Overflow.OLDEST, of_each_camera=True)
CPU, DECODE, PREPROCESS, NPU, TAIL = "CPU", "decode", "preprocessing", "NPU", "tail"
DECODE_ON_CPU, NPU_CORES = "decode (CPU)", "NPU cores"
STATIONS = (DECODE, DECODE_ON_CPU, PREPROCESS, NPU, TAIL, CPU, NPU_CORES)
"""What can be the bottleneck; NPU cores of a model's own are `NPU`, a colon and the model's role."""

MOST_SPLITS = 12


@dataclass(frozen=True, slots=True)
class TimedModel:
    """A model of a stream with what each of its runs takes on a chip; None: not known."""

    stream: StreamNeed
    need: ModelNeed
    npu: ServiceTime | None  # of one run, or of a whole batch, on one of `parts`
    parts: int = 1  # equal parts of the NPU (cores, halves) that such runs fit into beside each other
    batch: int = 1  # samples of a run
    preprocess: ServiceTime | None = None  # seconds of one processor core; of mean 0: there is none
    tail: ServiceTime | None = None  # likewise, after the NPU
    leaves_out: bool = False  # the NPU's time is only a lower bound
    in_flight: int = (
        1  # runs that the NPU may hold at once where only a rate is known, which tells no latency
    )


@dataclass(frozen=True, slots=True)
class BoardCapacity:
    """What a board brings besides its NPU; None: not known."""

    decode_pixels_per_s: Mapping[str, float]  # by codec; 0: there is no such decoder
    cpu_cores: int | None = None
    decode_cpu_s_per_pixel: Mapping[str, float] = field(default_factory=dict)  # of decoders that are programs
    npu_slowdown: tuple[float, ...] = ()  # factor of the time with 1, 2, ... parts busy; empty: not measured
    slowdown_source: str = ""
    decode_measured: frozenset[str] = frozenset()  # codecs whose rate was measured on the board
    board: str = ""  # name, for commands


@dataclass(frozen=True, slots=True)
class Lacking:
    """A service time that nothing tells."""

    what: str  # station and model, or codec
    settle: str  # the command or fact that would


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a station is."""

    station: str  # a name of STATIONS, or an NPU core of one model
    share: float  # of its servers' time, in 0..1


@dataclass(frozen=True, slots=True)
class StreamsVerdict:
    """What came of the simulation; numbers of cameras are upper bounds where something is lacking."""

    outcome: Outcome
    cameras: int  # asked
    held: int  # of those asked, that hold their rate; 0 where nothing could be simulated
    most: int  # that would hold at once, in the same proportions
    simulated: tuple[str, ...] = ()  # stations that are in it
    on_time: float | None = None  # share of frames on time of the worst camera
    p50_ms: float | None = None  # from a frame's arrival to its last answer
    p99_ms: float | None = None
    p99_interval_ms: tuple[float, float] | None = None  # 95 %, of repeated seeds
    limit_ms: float | None = None  # that counts as on time
    dropped: float | None = None  # share of the frames that a model was to answer
    busy: tuple[Load, ...] = ()  # the busiest first
    bottleneck: str = ""  # station with the highest load
    split: str = ""  # best share of cores, in words
    confidence: float | None = None  # that all cameras hold; None: no figure has a band
    kind: Kind | None = None  # weakest of the figures
    lacking: tuple[Lacking, ...] = ()
    advice: tuple[str, ...] = ()  # what would have to change, of one that fails
    assumptions: tuple[str, ...] = ()

    @property
    def at_most(self) -> bool:
        """Whether numbers of cameras are upper bounds."""
        return bool(self.lacking)


def hold(asked: Requirements, models: Sequence[TimedModel], board: BoardCapacity) -> StreamsVerdict:
    """Simulate all streams of a job on one chip; deterministic, some tenths of a second.

    `models` are those of `asked.models`, in that order.

    A camera holds its rate when 99 % of the frames that a model is to answer are answered, within the limit
    of the latency where one is asked.
    """
    if len({one.parts for one in models if one.npu is not None}) > 1:
        return _hold_mixed(asked, models, board)
    lacking = tuple(_lacking(asked, models, board))
    cameras = sum(stream.count for stream in asked.streams)
    without = next((one for one in asked.streams if board.decode_pixels_per_s.get(one.codec) == 0), None)
    if without is not None:
        why = translate("another codec than {codec}: it has no decoder for it", codec=without.codec.upper())
        return StreamsVerdict(Outcome.FAIL, cameras, 0, 0, bottleneck=DECODE, lacking=lacking, advice=(why,))
    plain = _pipeline(asked, models, board, _Split())
    if plain is None:
        return StreamsVerdict(Outcome.UNKNOWN, cameras, 0, 0, lacking=lacking)
    limit_ms = asked.limits.latency_ms
    goal = Asked(None if limit_ms is None else limit_ms / 1e3)
    split, pipeline = _best(asked, models, board, goal, plain)
    found = trial(pipeline, goal)
    sure = _confidence(pipeline, goal)
    verdict = StreamsVerdict(
        outcome=_outcome(found, lacking),
        cameras=cameras,
        held=found.held,
        most=most_cameras(pipeline, goal, found),
        simulated=tuple(dict.fromkeys(_station_of(station.name) for station in pipeline.stations)),
        on_time=found.on_time,
        p50_ms=_ms(found.p50_s),
        p99_ms=_ms(found.p99_s),
        p99_interval_ms=found.p99_interval_s
        and (found.p99_interval_s[0] * 1e3, found.p99_interval_s[1] * 1e3),
        limit_ms=limit_ms,
        dropped=found.dropped,
        busy=_busy(found),
        bottleneck=found.bottleneck,
        split=split.words(models, board),
        confidence=sure,
        kind=_weakest(pipeline),
        lacking=lacking,
        assumptions=tuple(_assumptions(models, board)),
    )
    return _judged_by_parts(asked, models, board, goal, replace(verdict, advice=_advice(pipeline, found)))


def _hold_mixed(asked: Requirements, models: Sequence[TimedModel], board: BoardCapacity) -> StreamsVerdict:
    """Figures of the whole NPU and of a part of it: one run at a time is sure to be possible, and no more.

    What fails so is unknown as long as the shares of the NPU that all runs take add up to 1 at most.
    """
    verdict = hold(asked, [replace(one, parts=1) for one in models], board)
    share = sum(
        one.stream.count * one.need.rate * one.npu.mean_s / (one.batch * one.parts)
        for one in models
        if one.npu is not None
    )
    if verdict.outcome is not Outcome.FAIL or share > 1 or verdict.bottleneck != NPU:
        return verdict
    settle = translate("figures of all models with the same cores of the NPU")
    lacking = Lacking(translate("how runs on one core and on all cores of the NPU go together"), settle)
    return replace(
        verdict,
        outcome=Outcome.UNKNOWN,
        lacking=(*verdict.lacking, lacking),
        # What one run at a time comes to is no bound of what is possible: only the shares are.
        held=verdict.cameras,
        most=math.floor(verdict.cameras / share),
        on_time=None,
        p50_ms=None,
        p99_ms=None,
        p99_interval_ms=None,
        dropped=None,
        confidence=None,
        busy=(),
        advice=(),
    )


def _outcome(found: Trial, lacking: Sequence[Lacking]) -> Outcome:
    if not found.all_hold:
        return Outcome.FAIL
    return Outcome.UNKNOWN if lacking else Outcome.PASS


def _judged_by_parts(
    asked: Requirements,
    models: Sequence[TimedModel],
    board: BoardCapacity,
    goal: Asked,
    verdict: StreamsVerdict,
) -> StreamsVerdict:
    """What passes only by what nobody measured is unknown: parts of an NPU at once, a rate's latency."""
    if verdict.outcome is not Outcome.PASS:
        return verdict
    lacking = list(verdict.lacking)

    def holds_with(changed: Sequence[TimedModel]) -> bool:
        made = _pipeline(asked, changed, board, _Split())
        return made is not None and trial(made, goal).all_hold

    apart = max(one.parts for one in models) > 1 and not board.npu_slowdown
    if apart and not holds_with([replace(one, parts=1) for one in models]):
        settle = translate("a measurement with all cores of the NPU busy at once")
        lacking.append(Lacking(translate("how much cores of the NPU slow each other"), settle))
    unsure = [one for one in models if one.in_flight > 1]
    if unsure and goal.limit_s is not None and not holds_with([_delayed(one) for one in models]):
        roles = ", ".join(one.need.role for one in unsure)
        lacking.append(Lacking(translate("latency of {roles}", roles=roles), _model_run(unsure[0], board)))
    outcome = Outcome.UNKNOWN if len(lacking) > len(verdict.lacking) else verdict.outcome
    return replace(verdict, outcome=outcome, lacking=tuple(lacking))


def _delayed(model: TimedModel) -> TimedModel:
    """With all runs before it that the NPU may hold, which is the latest that its rate allows."""
    if model.npu is None:
        return model
    delay_s = model.npu.delay_s + (model.in_flight - 1) * model.npu.mean_s
    return replace(model, npu=replace(model.npu, delay_s=delay_s))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _station_of(name: str) -> str:
    return name.split(":")[0]


def _busy(found: Trial) -> tuple[Load, ...]:
    busy = (Load(name, share) for name, share in found.busy.items())
    return tuple(sorted(busy, key=lambda one: (-one.share, one.station)))


def _confidence(pipeline: Pipeline, goal: Asked) -> float | None:
    banded = any(step.service.low_s is not None for _, step in pipeline.visits())
    return confidence(pipeline, goal) if banded else None


_WEAKER = (Kind.MEASURED, Kind.PUBLISHED, Kind.SIMULATED, Kind.PREDICTED)


def _weakest(pipeline: Pipeline) -> Kind | None:
    kinds = {step.service.kind for _, step in pipeline.visits()} - {None}
    return max((kind for kind in kinds if kind), key=_WEAKER.index, default=None)


# What is simulated.


@dataclass(frozen=True, slots=True)
class _Split:
    """How cores are shared out; empty: whoever is free takes the next frame."""

    npu: tuple[int, ...] = ()  # parts of the NPU of each model, in the order of the job
    preprocess: int = 0  # processor cores for preprocessing; the rest are for tails; 0: all share all

    def words(self, models: Sequence[TimedModel], board: BoardCapacity) -> str:
        """As a sentence for people; empty where there is nothing to share out."""
        parts = max(one.parts for one in models)
        said = []
        if self.npu:
            each = (f"{one.need.role}: {count}" for one, count in zip(models, self.npu, strict=True))
            said.append(translate("parts of the NPU by model: {parts}", parts=", ".join(each)))
        elif parts > 1:
            said.append(translate("all {count} parts of the NPU take any model", count=parts))
        if self.preprocess:
            cores = {"count": self.preprocess, "rest": (board.cpu_cores or 0) - self.preprocess}
            said.append(translate("{count} processor cores for preprocessing, {rest} for tails", **cores))
        elif board.cpu_cores and any(one.preprocess or one.tail for one in models):
            said.append(translate("all {count} processor cores take any work", count=board.cpu_cores))
        return "; ".join(said)


def _pipeline(
    asked: Requirements, models: Sequence[TimedModel], board: BoardCapacity, split: _Split
) -> Pipeline | None:
    """Of all that is known; None where that is nothing."""
    streams, named = [], iter(zip(models, _own_npus(models), strict=True))
    for stream in asked.streams:
        steps = [*_decode_steps(stream, board)]
        for model, name in itertools.islice(named, len(stream.models)):
            steps += _model_steps(model, name if split.npu or model.batch > 1 else NPU, board)
        if steps:
            streams.append(Stream(stream.name, stream.count, stream.fps, tuple(steps)))
    used = {step.station for stream in streams for step in stream.steps}
    stations = [one for one in _stations(models, board, split) if one.name in used]
    if not any(one.name.startswith(NPU) for one in stations):
        return None
    parts = max(one.parts for one in models)
    cores = (Cores(CPU, board.cpu_cores or 1), Cores(NPU_CORES, parts, board.npu_slowdown))
    needed = {station.cores for station in stations}
    return Pipeline(tuple(stations), tuple(streams), tuple(one for one in cores if one.name in needed))


def _decode_steps(stream: StreamNeed, board: BoardCapacity) -> Iterator[Step]:
    pixels = stream.width * stream.height
    rate = board.decode_pixels_per_s.get(stream.codec)
    on_cpu = board.decode_cpu_s_per_pixel.get(stream.codec) if board.cpu_cores else None
    if on_cpu and stream.codec != "none":
        yield Step(DECODE_ON_CPU, ServiceTime(pixels * on_cpu, kind=Kind.MEASURED), model=False)
    elif rate and stream.codec != "none":
        kind = Kind.MEASURED if stream.codec in board.decode_measured else Kind.PUBLISHED
        yield Step(DECODE, ServiceTime(pixels / rate, kind=kind), model=False)


def _own_npus(models: Sequence[TimedModel]) -> list[str]:
    """Names of the stations of NPU cores that a model has for itself; two models may have one role."""
    roles = [one.need.role for one in models]
    return [
        f"{NPU}: {role}" if roles.count(role) == 1 else f"{NPU}: {role} {at + 1}"
        for at, role in enumerate(roles)
    ]


def _model_steps(model: TimedModel, npu: str, board: BoardCapacity) -> Iterator[Step]:
    runs = model.need.rate / model.stream.fps
    times = ((PREPROCESS, model.preprocess), (npu, model.npu), (TAIL, model.tail))
    for station, service in times:
        if service is not None and service.mean_s > 0 and (station == npu or board.cpu_cores):
            yield Step(station, service, runs)


def _stations(models: Sequence[TimedModel], board: BoardCapacity, split: _Split) -> Iterator[Station]:
    cores = board.cpu_cores or 1
    # A station of its own, as a batch needs, must not be an NPU of its own.
    npu_cores = NPU_CORES if board.npu_slowdown or any(one.batch > 1 for one in models) else ""
    yield Station(DECODE, 1, queue=QUEUE)
    yield Station(DECODE_ON_CPU, cores, CPU, QUEUE)
    first, rest = (split.preprocess, cores - split.preprocess) if split.preprocess else (cores, cores)
    yield Station(PREPROCESS, first, CPU, QUEUE)
    yield Station(NPU, max(one.parts for one in models), npu_cores, QUEUE)
    for at, (model, name) in enumerate(zip(models, _own_npus(models), strict=True)):
        servers = split.npu[at] if split.npu else model.parts
        yield Station(name, servers, npu_cores, QUEUE, model.batch)
    yield Station(TAIL, rest, CPU, QUEUE)


def _best(
    asked: Requirements, models: Sequence[TimedModel], board: BoardCapacity, goal: Asked, plain: Pipeline
) -> tuple[_Split, Pipeline]:
    """Of a few ways to share cores out the one that holds the most of the asked cameras, then the soonest."""
    splits = list(itertools.islice(_splits(models, board), MOST_SPLITS))
    if not splits:
        return _Split(), plain
    ways = [(_Split(), plain)]
    ways += [(split, made) for split in splits if (made := _pipeline(asked, models, board, split))]
    # Loads are reckoned, not simulated: what they rule out needs no run, unless all are ruled out.
    fitting = [way for way in ways if max(loads(way[1]).values()) <= 1]
    if len(fitting) <= 1:
        return min(ways, key=lambda way: max(loads(way[1]).values()))

    def order(way: tuple[_Split, Pipeline]) -> tuple[float, float]:
        found = trial(way[1], goal, (1,))
        return -found.held, math.inf if found.p99_s is None else found.p99_s

    return min(fitting, key=order)


def _splits(models: Sequence[TimedModel], board: BoardCapacity) -> Iterator[_Split]:
    parts = {one.parts for one in models}
    if len(models) > 1 and len(parts) == 1 and all(one.npu for one in models):
        (count,) = parts
        yield from (_Split(npu=own) for own in _compositions(count, len(models)))
    cores = board.cpu_cores or 1
    if any(one.preprocess for one in models) and any(one.tail for one in models):
        yield from (_Split(preprocess=count) for count in range(1, cores))


def _compositions(whole: int, into: int) -> Iterator[tuple[int, ...]]:
    """Every way to write a number as a sum of so many positive ones, in order."""
    if into == 1:
        yield (whole,)
        return
    for first in range(1, whole - into + 2):
        for rest in _compositions(whole - first, into - 1):
            yield first, *rest


# What is said.


def _lacking(asked: Requirements, models: Sequence[TimedModel], board: BoardCapacity) -> Iterator[Lacking]:
    codecs = dict.fromkeys(stream.codec for stream in asked.streams if stream.codec != "none")
    for codec in codecs:
        if codec not in board.decode_pixels_per_s:
            yield Lacking(translate("decode of {codec}", codec=codec.upper()), _codec_run(board, "decode"))
    for model in models:
        settle = _model_run(model, board)
        if model.npu is None:
            yield Lacking(translate("NPU time of {role}", role=model.need.role), settle)
        elif model.leaves_out:
            yield Lacking(translate("what the NPU time of {role} leaves out", role=model.need.role), settle)
    works = [one.preprocess for one in models] + [one.tail for one in models]
    if board.cpu_cores is None and any(one is None or one.mean_s > 0 for one in works):
        yield Lacking(translate("cores of the processor"), "[[chip]] cpu_cores")
    if before := [one.need.role for one in models if one.preprocess is None]:
        what = translate("preprocessing of {roles}", roles=", ".join(before))
        yield Lacking(what, _codec_run(board, "preprocess_ms"))
    if after := [one.need.role for one in models if one.tail is None]:
        yield Lacking(translate("tail of {roles}", roles=", ".join(after)), "[[chip]] tail_ms")


def _model_run(model: TimedModel, board: BoardCapacity) -> str:
    run = f"npubench run --board {board.board} {model.need.file or model.need.names[0]}"
    return run if board.board else translate("a row in a table of your own (docs/atlas.md)")


def _codec_run(board: BoardCapacity, key: str) -> str:
    """The stage that measures decoders and scalers of a board that there is a file of, or the fact."""
    fact = f"[[chip]] {key}"
    return f"npubench run --board {board.board} --stages codec; {fact}" if board.board else fact


def _assumptions(models: Sequence[TimedModel], board: BoardCapacity) -> Iterator[str]:
    yield translate(
        "each camera has at most {count} frames waiting at a station, of which the oldest goes", count=WAITING
    )
    parts = max(one.parts for one in models)
    if parts > 1 and not board.npu_slowdown:
        yield translate("parts of the NPU run beside each other as fast as alone: not measured")
    elif parts > 1:
        factor = {"factor": f"{board.npu_slowdown[-1]:.3g}", "source": board.slowdown_source or "–"}
        yield translate("with all cores busy each is {factor} times slower ({source})", **factor)
    if rates := [one.need.role for one in models if one.in_flight > 1]:
        yield translate("a rate tells no latency: 1 / rate is taken of {roles}", roles=", ".join(rates))
    if len({one.stream.name for one in models}) < len(models):
        yield translate("models of one frame run after each other, in the order of the job")


def _advice(pipeline: Pipeline, found: Trial) -> tuple[str, ...]:
    """What would have to change, of one that fails."""
    if found.all_hold:
        return ()
    busiest = loads(pipeline)
    name = max(busiest, key=lambda one: busiest[one])
    if busiest[name] > 1:
        factor = {"station": translate(_station_of(name)), "factor": f"{busiest[name]:.2f}"}
        return (translate("{station} {factor} times as fast, or so many fewer frames a second", **factor),)
    return (
        translate(
            "a later limit of the latency, or cameras that do not send at once: no station is overloaded"
        ),
    )
