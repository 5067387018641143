"""Checks of what the board brings: decoder, memory, price, power."""

from collections.abc import Mapping, Sequence

from npubench.domain.records import Kind
from npubench.domain.specs import CaseKind
from npubench.reporting.data.figures import figures_of
from npubench.reporting.data.formatting import significant, size
from npubench.reporting.data.translate import say
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.check import Check, Outcome, tightest, within
from npubench.reporting.select.chip_facts import (
    FactValue,
    decode_pixels_per_s,
    memory_bytes,
    power_w,
    price_usd,
)
from npubench.reporting.select.npu_checks import Job
from npubench.reporting.select.requirements import Requirements, UserFacts

FRAMES_HELD = 4
"""Decoded frames that a stream keeps: in the decoder, scaled, in work, shown. An assumption, and said so."""

NV12 = 1.5
"""Bytes a pixel of a decoded frame (8 bit, 4:2:0)."""


def decode(asked: Requirements, candidate: Candidate) -> Check | None:
    """Pixels a second of each codec against the decoder's; the codec with least room counts."""
    codecs = sorted({stream.codec for stream in asked.streams if stream.codec != "none"})
    return tightest([_decode(codec, asked, candidate) for codec in codecs])


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
        why = say("no fact tells the decoder's rate")
        return Check("decode", Outcome.UNKNOWN, None, need, "–", why, lines)
    source = say("source: {source}", source=told.source)
    if told.value == 0:
        why = say("no {codec} decoder among those listed", codec=name)
        return Check("decode", Outcome.FAIL, None, need, "0", why, (*lines, source), Kind.PUBLISHED)
    outcome, headroom = within(pixels, told.value)
    have = f"{significant(told.value / 1e6)} Mpx/s"
    kind = Kind.MEASURED if told.source == say("measured on the board") else Kind.PUBLISHED
    return Check("decode", outcome, headroom, need, have, "", (*lines, source), kind)


def _measured_decoder(codec: str, candidate: Candidate) -> FactValue | None:
    """Pixels a second that a codec row of this board held: of many streams at once, else of one."""
    best = 0.0
    for row in candidate.rows:
        figures = None if row.emulated else figures_of(row, Kind.MEASURED)
        if row.case_kind is not CaseKind.CODEC or figures is None:
            continue
        told = figures.codec
        if told is not None and (told.operation, told.codec) == ("decode", codec):
            held = (told.streams or 0) * (told.streams_fps or 0)
            rate = held or figures.throughput_fps or 0.0
            best = max(best, rate * (told.width or 0) * (told.height or 0))
    return FactValue(best, say("measured on the board"), "measured") if best else None


def memory(jobs: Sequence[Job], asked: Requirements, candidate: Candidate, known: UserFacts | None) -> Check:
    """Models and held frames against the board's memory; a model counts with what it took, else its file."""
    frames = sum(one.count * one.width * one.height * NV12 * FRAMES_HELD for one in asked.streams)
    lines = [say("frames: {size}, {count} a stream held", size=size(frames), count=FRAMES_HELD)]
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
        why = say("no fact tells the memory")
        return Check("memory", Outcome.UNKNOWN, None, need, "–", why, tuple(lines))
    lines.append(say("source: {source}", source=told.source))
    have = f"{say('up to')} {size(told.value)}" if told.about else size(told.value)
    outcome, headroom = within(total, told.value)
    if unknown and outcome is Outcome.PASS:
        why = say("not known of: {names}", names=", ".join(unknown))
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
        return FactValue(min(totals), say("the board's own state"))
    return memory_bytes(candidate.facts)


def price_of(candidate: Candidate, asked: Requirements, known: UserFacts | None) -> FactValue | None:
    """In USD: what the asker knows, else the facts."""
    if known and known.price_usd:
        return FactValue(known.price_usd, known.source)
    return price_usd(candidate.facts, asked.limits.price_of)


def price(asked: Requirements, told: FactValue | None) -> Check | None:
    """Against the bound, when there is one."""
    limit = asked.limits.price_usd
    return None if limit is None else _bound("price", limit, told, "USD", say("no fact tells a price in USD"))


def power(
    asked: Requirements, candidate: Candidate, known: UserFacts | None
) -> tuple[Check | None, FactValue | None]:
    """Against the bound, when there is one; and the power itself."""
    limit = asked.limits.power_w
    told = FactValue(known.power_w, known.source) if known and known.power_w else power_w(candidate.facts)
    if limit is None:
        return None, told
    return _bound("power", limit, told, "W", say("no fact tells the power")), told


def _bound(name: str, limit: float, told: FactValue | None, unit: str, unknown: str) -> Check:
    need = f"≤ {limit:.6g} {unit}"
    if told is None:
        return Check(name, Outcome.UNKNOWN, None, need, "–", unknown)
    outcome, headroom = within(told.value, limit)
    about = f" ({say(_ABOUT[told.about])})" if told.about in _ABOUT else ""
    have = f"{told.value:.6g} {unit}{about}"
    line = say("source: {source}", source=told.source)
    return Check(name, outcome, headroom, need, have, "", (line,), Kind.PUBLISHED)


_ABOUT: Mapping[str, str] = {"chip": "chip alone", "module": "core module", "board": "whole board"}
