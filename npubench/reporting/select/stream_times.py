"""Service times of a chip for the simulation of streams: its figures, codec rows, facts, and what is told."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.figures import BoundReason, CodecFigures, Figures, Kind, Latency
from npubench.domain.specs import CaseKind
from npubench.published.chips import mode_of
from npubench.published.thread_sweeps import npu_slowdown
from npubench.reporting.data.figures import figures_of
from npubench.reporting.data.translate import translate
from npubench.reporting.select.bands import Uncertain
from npubench.reporting.select.board_checks import decoders
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Job, Outcome
from npubench.reporting.select.requirements import ModelNeed, Requirements, UserFacts
from npubench.reporting.select.streams import BoardCapacity, Lacking, StreamsVerdict, TimedModel, hold
from npubench.reporting.select.times import ModelTime
from npubench.streams.pipeline import ServiceTime, Spread, log_normal

LEAST_RUNS, MOST_RUNS = 1e-3, 100
"""Runs of a model for one frame between which a job is simulated: what is rarer takes hours of a camera."""

SOFTWARE = 0.5
"""Cores that a codec row keeps busy from which on the work counts as the processor's, below as hardware's."""


def streams_of(
    asked: Requirements, jobs: Sequence[Job], candidate: Candidate, known: UserFacts | None
) -> StreamsVerdict:
    """How many of the asked cameras hold their rate on a chip; rates beyond reason are not simulated."""
    if any(not LEAST_RUNS <= job.need.rate / job.stream.fps <= MOST_RUNS for job in jobs):
        why = Lacking(translate("a simulation of so many or so few runs a frame"), "")
        cameras = sum(stream.count for stream in asked.streams)
        return StreamsVerdict(Outcome.UNKNOWN, cameras, 0, 0, lacking=(why,))
    models = [timed(job, candidate, known) for job in jobs]
    return hold(asked, models, capacity_of(asked, models, candidate, known))


def timed(job: Job, candidate: Candidate, known: UserFacts | None) -> TimedModel:
    """A model with its times on a chip; what nothing tells is None."""
    time = job.time
    tail = None if known is None or known.tail_ms is None else ServiceTime(known.tail_ms / 1e3)
    if tail is None and time is not None and time.with_host:
        tail = ServiceTime(0.0)  # the published time holds it
    if time is None:
        return TimedModel(
            job.stream, job.need, None, preprocess=_before(job.need, candidate, known), tail=tail
        )
    batch = mode_of(time.mode).batch or 1
    left_out = time.at_least
    return TimedModel(
        job.stream,
        job.need,
        npu_service(time, batch),
        parts_of(time.share),
        batch,
        _before(job.need, candidate, known),
        tail,
        # A batch is simulated as one: what its time per sample leaves out, the wait for the others, is in it.
        in_flight=1 if time.latency else time.in_flight,
        leaves_out=left_out is not None and not (left_out.reason is BoundReason.BATCH and batch > 1),
    )


def parts_of(share: float) -> int:
    """How often a part of the NPU fits into the whole."""
    return max(1, math.floor(1 / share + 1e-6))


def npu_service(time: ModelTime, batch: int) -> ServiceTime:
    """A run's time of one server, with the spread and the band that are known.

    What a run takes longer than the rate says (several are under way) is waited for and keeps no server.
    """
    mean_s = time.time_us * batch / 1e6
    latency = time.latency
    service = _spread(latency, mean_s) if latency else ServiceTime(mean_s)
    low, high = Uncertain(mean_s, time.sigma).band
    return ServiceTime(
        mean_s,
        service.spread,
        service.sigma,
        max(0.0, latency.mean / 1e6 - mean_s) if latency else 0.0,
        low if time.sigma else None,
        high if time.sigma else None,
        time.kind,
    )


def _spread(latency: Latency, mean_s: float) -> ServiceTime:
    if latency.p50 and latency.p99:
        return log_normal(latency.p50 / 1e6, latency.p99 / 1e6, mean_s)
    if latency.std and latency.mean > 0:
        # Of a log-normal: variance / mean^2 = exp(sigma^2) - 1.
        sigma = math.sqrt(math.log1p((latency.std / latency.mean) ** 2))
        return ServiceTime(mean_s, Spread.LOG_NORMAL, sigma)
    return ServiceTime(mean_s)


@dataclass(frozen=True, slots=True)
class _Codec:
    """A measured row of the stage codec."""

    figures: Figures
    codec: CodecFigures
    fps: float


def _codec_rows(candidate: Candidate, operation: str) -> Iterator[_Codec]:
    for row in candidate.rows:
        figures = None if row.emulated else figures_of(row, Kind.MEASURED)
        told = figures.codec if figures and row.case_kind is CaseKind.CODEC else None
        if figures and told and told.operation == operation and figures.throughput_fps:
            yield _Codec(figures, told, figures.throughput_fps)


def _before(need: ModelNeed, candidate: Candidate, known: UserFacts | None) -> ServiceTime | None:
    """What the asker says, else the image operation of the board whose picture is nearest in size.

    Its time is taken for proportional to the pixels that come out.
    """
    if known is not None and known.preprocess_ms is not None:
        return ServiceTime(known.preprocess_ms / 1e3)
    if need.input_size is None:
        return None
    wanted = need.input_size[0] * need.input_size[1]
    sized = [
        (out, one)
        for one in _codec_rows(candidate, "image")
        if (out := math.prod(one.codec.output or ())) > 1 and one.codec.output
    ]
    if not sized:
        return None
    out, best = min(sized, key=lambda one: abs(math.log(one[0] / wanted)))
    cores = 1.0 if best.codec.cpu_cores is None else best.codec.cpu_cores
    return ServiceTime(cores / best.fps * wanted / out, kind=Kind.MEASURED)


def capacity_of(
    asked: Requirements, models: Sequence[TimedModel], candidate: Candidate, known: UserFacts | None
) -> BoardCapacity:
    """What the board brings besides its NPU."""
    codecs = dict.fromkeys(stream.codec for stream in asked.streams if stream.codec != "none")
    rates, measured = dict[str, float](), set[str]()
    for codec in codecs:
        if (told := decoders(codec, candidate).first) is not None:
            rates[codec] = told.value
            measured |= {codec} if told.how == "measured" else set()
    slowdown, source = npu_slowdown(candidate.chip, max((one.parts for one in models), default=1))
    return BoardCapacity(
        rates,
        cpu_cores(candidate, known),
        dict(_programs(candidate)),
        slowdown,
        source,
        frozenset(measured),
        candidate.specs[0].name if candidate.specs else "",
    )


def _programs(candidate: Candidate) -> Iterator[tuple[str, float]]:
    """Codecs that the processor decodes, and its seconds for a pixel; the dearest row of each."""
    rows = [
        one
        for one in _codec_rows(candidate, "decode")
        if one.codec.codec and one.codec.width and one.codec.height and (one.codec.cpu_cores or 0) >= SOFTWARE
    ]
    rows.sort(key=lambda one: _cpu_s_per_pixel(one))
    yield from ((one.codec.codec or "", _cpu_s_per_pixel(one)) for one in rows)


def _cpu_s_per_pixel(one: _Codec) -> float:
    pixels = (one.codec.width or 0) * (one.codec.height or 0)
    return (one.codec.cpu_cores or 0.0) / one.fps / pixels


_COUNTED = re.compile(r"(?<![\w.])(\d{1,3})\s*[x×]\s*(?=\S)", re.IGNORECASE)
_WORDS = {"single": 1, "dual": 2, "quad": 4, "hexa": 6, "octa": 8}
_NAMED = re.compile(r"\b(single|dual|quad|hexa|octa)[\s-]*core", re.IGNORECASE)


def cpu_cores(candidate: Candidate, known: UserFacts | None) -> int | None:
    """Of the asker, else of the board's own state, else of the facts; None: nothing tells."""
    if known is not None and known.cpu_cores:
        return known.cpu_cores
    for row in candidate.rows:
        for state in (row.board_before, row.board_after):
            if state is not None and state.cores:
                return state.cores
    return next((count for fact in candidate.facts.of("cpu") if (count := cores_said(fact.value))), None)


def cores_said(text: str) -> int | None:
    """Cores of a text such as `4x Cortex-A76 2.4 GHz + 4x Cortex-A55` or `quad-core Cortex-A7`."""
    counted = [int(one) for one in _COUNTED.findall(text)]
    named = [_WORDS[one.casefold()] for one in _NAMED.findall(text)]
    return sum(counted or named) or None
