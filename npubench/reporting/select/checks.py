"""What came of each requirement on a candidate: of the NPU, and of what the board brings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.reporting.data.figures import aside, figures_of, mark
from npubench.reporting.data.figures import why as why_bound
from npubench.reporting.data.formatting import closeness, duration, significant, size
from npubench.reporting.data.op_support import on_cpu
from npubench.reporting.data.translate import translate
from npubench.reporting.select.candidate import (
    Candidate,
    Missing,
    SelectedResult,
    Shapes,
    accuracy_of,
    accuracy_value,
    choose,
)
from npubench.reporting.select.chip_facts import (
    FactValue,
    decode_pixels_per_s,
    memory_bytes,
    power_w,
    price_usd,
)
from npubench.reporting.select.requirements import ModelNeed, Requirements, StreamNeed, UserFacts


class Outcome(StrEnum):
    """Unknown is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


TITLES: Mapping[str, str] = {
    "npu_time": "NPU time",
    "latency": "Latency",
    "decode": "Decode",
    "memory": "Memory",
    "operators": "Operator support",
    "accuracy": "Accuracy",
    "price": "Price",
    "power": "Power",
}
"""Requirements in the order in which they stand."""


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement and what there is to meet it."""

    name: str  # a key of TITLES
    outcome: Outcome  # whether it is met
    headroom: float | None = None  # share of the capacity that is left, negative: short
    need: str = ""  # what is asked, as text
    have: str = ""  # what there is, as text
    why: str = ""  # of an outcome that is no plain pass
    arithmetic: tuple[str, ...] = ()  # lines that lead to the figures
    kind: Kind | None = None  # of what there is; None: a chip fact


def within(need: float, have: float) -> tuple[Outcome, float]:
    """Whether `need` fits into `have`, and the share of it that is left."""
    return (Outcome.PASS if need <= have else Outcome.FAIL), 1 - need / have if have > 0 else -1.0


BY_OUTCOME: Mapping[Outcome, int] = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2}
"""The worst first."""


def tightest(checks: Sequence[Check]) -> Check | None:
    """Of several checks of one requirement the worst, with least room; None of none."""
    return min(
        checks,
        key=lambda one: (BY_OUTCOME[one.outcome], 2.0 if one.headroom is None else one.headroom),
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """One model of one stream, with what is known of it on a candidate."""

    stream: StreamNeed
    need: ModelNeed
    found: SelectedResult | Missing

    @property
    def load(self) -> float | None:
        """Share of a second of the NPU (or of its part) that all streams' runs of this model take."""
        if self.selected is None:
            return None
        return self.stream.count * self.need.rate * self.selected.time_us / 1e6

    @property
    def selected(self) -> SelectedResult | None:
        """The row that speaks for the model, where there is one."""
        return self.found if isinstance(self.found, SelectedResult) else None

    @property
    def missing(self) -> Missing | None:
        """Why there is none."""
        return self.found if isinstance(self.found, Missing) else None

    @property
    def row(self) -> Result | None:
        """What ran, also where its time is missing."""
        return self.found.ran if isinstance(self.found, Missing) else self.found.result


def jobs_of(asked: Requirements, candidate: Candidate, shapes: Shapes) -> list[Job]:
    """All models of all streams."""
    return [Job(stream, need, choose(need, candidate, shapes)) for stream, need in asked.models]


def load_of(jobs: Sequence[Job]) -> float | None:
    """Share of the NPU, or of its part, that the whole job takes; None when a model has no figure."""
    return sum(job.load or 0.0 for job in jobs) if all(job.selected for job in jobs) else None


def share_of(jobs: Sequence[Job]) -> float:
    """Smallest part of the NPU that a figure is of."""
    return min((job.selected.share for job in jobs if job.selected), default=1.0)


def npu_time(jobs: Sequence[Job], candidate: Candidate) -> Check:
    """The NPU's second shared among all models and streams; a figure of half a chip is of half a chip."""
    share = share_of(jobs)
    known = sum(job.load or 0.0 for job in jobs)
    missing = [job.missing.why for job in jobs if job.missing]
    lines = [_load_line(job) for job in jobs]
    if len(jobs) > 1:
        lines.append(translate("sum: {load} % of a second", load=significant(known * 100)))
    part = (
        translate("of half the NPU")
        if share == 0.5
        else translate("of {share} of the NPU", share=f"{share:.2g}")
    )
    have = translate("100 % of the NPU") if share == 1 else f"100 % {part}"
    need = f"{significant(known * 100)} %"
    check = Check("npu_time", Outcome.FAIL, 1 - known, need, have, "", tuple(lines), candidate.kind)
    if known * share > 1:
        check = replace(check, need=f"≥ {need}") if _lower_bounds(jobs) else check
        why = (
            translate("too slow even at the upper bound of the whole NPU")
            if share < 1
            else translate("too slow")
        )
        return replace(check, why=why)
    unsure = [*missing, *_lower_bounds(jobs)]
    if unsure:
        need = f"≥ {need}" if known else "–"
        return replace(check, outcome=Outcome.UNKNOWN, headroom=None, need=need, why="; ".join(unsure))
    if known > 1:
        why = translate(
            "a part of the NPU is not enough; the whole would be at {bound} % at best, which is an estimate",
            bound=significant(known * share * 100),
        )
        return replace(check, outcome=Outcome.UNKNOWN, why=why)
    why = translate("these figures are of a part of the chip: {part}", part=part) if share < 1 else ""
    return replace(check, outcome=Outcome.PASS, why=why)


def _load_line(job: Job) -> str:
    if job.selected is None or job.load is None:
        return f"{job.need.role}: {translate('unknown')}"
    each = _each(job.selected, job.selected.time_us)
    streams, rate = job.stream.count, significant(job.need.rate)
    return f"{job.need.role}: {streams} × {rate}/s × {each} = {significant(job.load * 100)} %"


def _each(selected: SelectedResult, us: float) -> str:
    at_least = selected.at_least
    return f"{mark(at_least.bound) if at_least else ''}{duration(us)}{aside(at_least)}"


def _lower_bounds(jobs: Sequence[Job]) -> list[str]:
    """Why times that leave something out pass nothing, and what to do next; a line a model."""
    return [
        translate(
            "{role}: only a lower bound ({why}): measure it on a board",
            role=job.need.role,
            why=why_bound(job.selected.at_least),
        )
        for job in jobs
        if job.selected and job.selected.at_least
    ]


def latency(jobs: Sequence[Job], asked: Requirements, candidate: Candidate, time: Check) -> Check | None:
    """From a frame in memory to the last answer when all frames come at once: one queue, no overtaking."""
    limit = asked.limits.latency_ms
    if limit is None:
        return None
    asked_of = asked.limits.percentile
    total, least, lines = 0.0, 0.0, list[str]()
    missing = [job.missing.why for job in jobs if job.missing]
    for job in jobs:
        if job.selected is None:
            continue
        value, name = _statistic(job.selected, asked_of)
        total += job.stream.count * value
        least += job.stream.count * value * job.selected.share
        lines.append(f"{job.need.role}: {job.stream.count} × {_each(job.selected, value)} ({name})")
        if asked_of and name != f"p{asked_of}":
            missing.append(translate("{role}: no p{percentile}", role=job.need.role, percentile=asked_of))
    lines.append(translate("decoding and what comes after the NPU are not in it"))
    outcome, headroom = within(total, limit * 1e3)
    need, have = f"{significant(limit)} ms", duration(total)
    check = Check("latency", outcome, headroom, need, have, "", tuple(lines), candidate.kind)
    missing += _lower_bounds(jobs)
    if outcome is Outcome.FAIL and least <= limit * 1e3 < total:
        # Half an NPU is too slow, which says nothing sure of the whole.
        part = translate("these figures are of a part of the NPU: the whole may be fast enough, measure it")
        have = f"{'' if missing else '≤ '}{have}"
        return replace(check, outcome=Outcome.UNKNOWN, headroom=None, have=have, why=part)
    if outcome is Outcome.FAIL:
        return replace(check, have=f"≥ {have}") if missing else check
    if missing:
        have = f"≥ {have}" if total else "–"
        return replace(check, outcome=Outcome.UNKNOWN, headroom=None, have=have, why="; ".join(missing))
    if time.outcome is not Outcome.PASS:
        why = translate("frames wait without bound where the NPU's time is not enough")
        return replace(check, outcome=time.outcome, headroom=None, have="–", why=why)
    return check


def _statistic(found: SelectedResult, percentile: int | None) -> tuple[float, str]:
    latency_us = found.figures.latency_us
    if latency_us is None:
        return found.time_us, "1/fps"
    name = f"p{percentile or 50}"
    value = getattr(latency_us, name)
    return (latency_us.mean, translate("mean")) if value is None else (value, name)


def operators(jobs: Sequence[Job]) -> Check:
    """Whether every model converts and runs; a failure names the operators at fault."""
    missing = [job.missing for job in jobs if job.missing]
    failed = [one.why for one in missing if one.failed]
    unknown = [one.why for one in missing if not (one.failed or one.ran)]
    left = sorted({name for job in jobs if job.selected for name in on_cpu(job.selected.figures)})
    ran = sum(job.row is not None for job in jobs)
    need, have = translate("{count} models", count=len(jobs)), translate("{count} run", count=ran)
    why = translate("on the CPU: {operators}", operators=", ".join(left)) if left else ""
    outcome = Outcome.FAIL if failed else Outcome.UNKNOWN if unknown else Outcome.PASS
    return Check("operators", outcome, None, need, have, "; ".join(failed or unknown) or why)


def accuracy(jobs: Sequence[Job]) -> Check | None:
    """Of all models with a minimum the one with least room: the share of the allowed error that is left."""
    return tightest([_accuracy(job) for job in jobs if job.need.minimum is not None])


def _accuracy(job: Job) -> Check:
    minimum, metric = job.need.minimum or 0.0, job.need.metric
    need = f"{job.need.role}: {metric} ≥ {minimum:.6g}"
    if job.row is None:
        return Check("accuracy", Outcome.UNKNOWN, None, need, "–", job.missing.why if job.missing else "")
    value, known = accuracy_value(job.row, metric), accuracy_of(job.row)
    kind = known[1] if known else None
    if value is None:
        why = translate("{role}: not compared with the reference", role=job.need.role)
        return Check("accuracy", Outcome.UNKNOWN, None, need, "–", why)
    outcome = Outcome.PASS if value >= minimum else Outcome.FAIL
    if metric == "psnr_db":
        headroom = 1 - minimum / value if value > 0 else -1.0
    else:
        headroom = 1 - (1 - value) / (1 - minimum) if minimum < 1 else value - 1
    return Check("accuracy", outcome, headroom, need, closeness(value), kind=kind)


FRAMES_HELD = 4
"""Decoded frames that a stream keeps: in the decoder, scaled, in work, shown. An assumption, and said so."""

NV12 = 1.5
"""Bytes a pixel of a decoded frame (8 bit, 4:2:0)."""


def decode(asked: Requirements, candidate: Candidate) -> Check | None:
    """Pixels a second of each codec against the decoder's; the codec with least room counts."""
    codecs = {stream.codec for stream in asked.streams} - {"none"}
    return tightest([_decode(codec, asked, candidate) for codec in sorted(codecs)])


def _decode(codec: str, asked: Requirements, candidate: Candidate) -> Check:
    streams = [stream for stream in asked.streams if stream.codec == codec]
    pixels = sum(one.count * one.width * one.height * one.fps for one in streams)
    lines = tuple(
        f"{one.name}: {one.count} × {one.width}×{one.height} × {significant(one.fps)}/s" for one in streams
    )
    name = codec.upper()
    need = f"{name}: {significant(pixels / 1e6)} Mpx/s"
    told = _measured_decoder(codec, candidate) or decode_pixels_per_s(candidate.facts, codec)
    if told is None:
        why = translate("no fact tells the decoder's rate")
        return Check("decode", Outcome.UNKNOWN, None, need, "–", why, lines)
    source = translate("source: {source}", source=told.source)
    if told.value == 0:
        why = translate("no {codec} decoder among those listed", codec=name)
        return Check("decode", Outcome.FAIL, None, need, "0", why, (*lines, source), Kind.PUBLISHED)
    outcome, headroom = within(pixels, told.value)
    have = f"{significant(told.value / 1e6)} Mpx/s"
    kind = Kind.MEASURED if told.source == translate("measured on the board") else Kind.PUBLISHED
    return Check("decode", outcome, headroom, need, have, "", (*lines, source), kind)


def _measured_decoder(codec: str, candidate: Candidate) -> FactValue | None:
    """Pixels a second that a codec row of this board held: of many streams at once, else of one."""
    best = 0.0
    for row in candidate.rows:
        figures = None if row.emulated else figures_of(row, Kind.MEASURED)
        told = figures.codec if figures and row.case_kind is CaseKind.CODEC else None
        if figures and told and (told.operation, told.codec) == ("decode", codec):
            held = (told.streams or 0) * (told.streams_fps or 0)
            rate = held or figures.throughput_fps or 0.0
            best = max(best, rate * (told.width or 0) * (told.height or 0))
    return FactValue(best, translate("measured on the board"), "measured") if best else None


def memory(jobs: Sequence[Job], asked: Requirements, candidate: Candidate, known: UserFacts | None) -> Check:
    """Models and held frames against the board's memory; a model counts with what it took, else its file."""
    frames = sum(one.count * one.width * one.height * NV12 * FRAMES_HELD for one in asked.streams)
    lines = [translate("frames: {size}, {count} a stream held", size=size(frames), count=FRAMES_HELD)]
    total, unknown = frames, []
    for job in jobs:
        taken = _taken(job)
        if taken is None:
            unknown.append(job.need.role)
        else:
            total += taken
            lines.append(f"{job.need.role}: {size(taken)}")
    told = _memory_of(candidate, known)
    need = f"{'≥ ' if unknown else ''}{size(total)}"
    if told is None:
        why = translate("no fact tells the memory")
        return Check("memory", Outcome.UNKNOWN, None, need, "–", why, tuple(lines))
    lines.append(translate("source: {source}", source=told.source))
    have = f"{translate('up to')} {size(told.value)}" if told.about else size(told.value)
    outcome, headroom = within(total, told.value)
    if unknown and outcome is Outcome.PASS:
        why = translate("not known of: {names}", names=", ".join(unknown))
        return Check("memory", Outcome.UNKNOWN, None, need, have, why, tuple(lines))
    return Check("memory", outcome, headroom, need, have, "", tuple(lines))


def _taken(job: Job) -> float | None:
    took = job.selected.figures.memory_bytes if job.selected else None
    return took or (job.row.artifact_bytes if job.row else None)


def _memory_of(candidate: Candidate, known: UserFacts | None) -> FactValue | None:
    if known and known.memory_bytes:
        return FactValue(known.memory_bytes, known.source)
    states = [state for row in candidate.rows for state in (row.board_before, row.board_after) if state]
    totals = [state.memory_total_bytes for state in states if state.memory_total_bytes]
    if totals:
        return FactValue(min(totals), translate("the board's own state"))
    return memory_bytes(candidate.facts)


def price_of(candidate: Candidate, asked: Requirements, known: UserFacts | None) -> FactValue | None:
    """In USD: what the asker knows, else the facts."""
    if known and known.price_usd:
        return FactValue(known.price_usd, known.source)
    return price_usd(candidate.facts, asked.limits.price_of)


def price(asked: Requirements, told: FactValue | None) -> Check | None:
    """Against the bound, when there is one."""
    return _bound("price", asked.limits.price_usd, told, "USD", translate("no fact tells a price in USD"))


def power_of(candidate: Candidate, known: UserFacts | None) -> FactValue | None:
    """In watts: what the asker knows, else the facts."""
    if known and known.power_w:
        return FactValue(known.power_w, known.source)
    return power_w(candidate.facts)


def power(asked: Requirements, told: FactValue | None) -> Check | None:
    """Against the bound, when there is one."""
    return _bound("power", asked.limits.power_w, told, "W", translate("no fact tells the power"))


def _bound(name: str, limit: float | None, told: FactValue | None, unit: str, unknown: str) -> Check | None:
    if limit is None:
        return None
    need = f"≤ {limit:.6g} {unit}"
    if told is None:
        return Check(name, Outcome.UNKNOWN, None, need, "–", unknown)
    outcome, headroom = within(told.value, limit)
    about = f" ({translate(_ABOUT[told.about])})" if told.about in _ABOUT else ""
    have = f"{told.value:.6g} {unit}{about}"
    line = translate("source: {source}", source=told.source)
    return Check(name, outcome, headroom, need, have, "", (line,), Kind.PUBLISHED)


_ABOUT: Mapping[str, str] = {"chip": "chip alone", "module": "core module", "board": "whole board"}
