"""Requirements that the chip's board has to meet beside the NPU: decoders, memory, price and power."""

from collections.abc import Mapping, Sequence

from npubench.domain.figures import Bound, Kind
from npubench.domain.specs import CaseKind
from npubench.reporting.data.figures import figures_of
from npubench.reporting.data.formatting import significant, size
from npubench.reporting.data.translate import translate
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Check, Job, Outcome, tightest, within
from npubench.reporting.select.chip_facts import (
    LEVELS,
    FactValue,
    decode_told,
    memory_told,
    power_told,
    price_told,
)
from npubench.reporting.select.requirements import Requirements, UserFacts

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
    told = _measured_decoder(codec, candidate) or decode_told(candidate.facts, codec).first
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
    return FactValue(best, translate("measured on the board"), how="measured") if best else None


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
    most = told.bound is Bound.UPPER
    have = f"{translate('up to')} {size(told.value)}" if most else size(told.value)
    outcome, headroom = within(total, told.value)
    if unknown and outcome is Outcome.PASS:
        why = translate("not known of: {names}", names=", ".join(unknown))
        return Check("memory", Outcome.UNKNOWN, None, need, have, why, tuple(lines))
    return Check("memory", outcome, headroom, need, have, "", tuple(lines))


def _taken(job: Job) -> float | None:
    took = job.time.memory_bytes if job.time else None
    return took or (job.row.artifact_bytes if job.row else None)


def _memory_of(candidate: Candidate, known: UserFacts | None) -> FactValue | None:
    if known and known.memory_bytes:
        return FactValue(known.memory_bytes, known.source)
    states = [state for row in candidate.rows for state in (row.board_before, row.board_after) if state]
    totals = [state.memory_total_bytes for state in states if state.memory_total_bytes]
    if totals:
        return FactValue(min(totals), translate("the board's own state"))
    return memory_told(candidate.facts).first


Told = Mapping[str, FactValue]
"""Level to what is told of it."""


def prices_of(candidate: Candidate, known: UserFacts | None, level: str) -> Told:
    """In USD by level: the facts, and what the asker knows, which is of the level that counts."""
    facts = {one: price_told(candidate.facts, one).first for one in LEVELS}
    found = {one: told for one, told in facts.items() if told}
    if known and known.price_usd:
        about = known.price_of or level
        found[about] = FactValue(known.price_usd, known.source, about)
    return found


def price(asked: Requirements, told: Told, level: str) -> Check | None:
    """Against the bound, when there is one."""
    limit = asked.limits.price_usd
    return bounded("price", limit, told, level, "USD", translate("no fact tells a price in USD"))


def powers_of(candidate: Candidate, known: UserFacts | None, level: str) -> Told:
    """In watts by level: the facts, and what the asker knows, which is of the level that counts."""
    if known and known.power_w:
        about = known.power_of or level
        return {about: FactValue(known.power_w, known.source, about)}
    facts = {one: power_told(candidate.facts, one).first for one in LEVELS}
    return {one: told for one, told in facts.items() if told}


def power(asked: Requirements, told: Told, level: str) -> Check | None:
    """Against the bound, when there is one."""
    return bounded("power", asked.limits.power_w, told, level, "W", translate("no fact tells the power"))


def level_of(asked: str | None, told: Sequence[Told]) -> str:
    """The one level that is compared: what is asked, else what most candidates tell, the larger of equals."""
    if asked:
        return asked
    return max(LEVELS, key=lambda level: (sum(level in one for one in told), LEVELS.index(level)))


def nearest_level(told: Told, level: str) -> FactValue | None:
    """What is told of the level, else of the next larger one, else of the next smaller one."""
    at = LEVELS.index(level)
    order = (*LEVELS[at:], *reversed(LEVELS[:at]))
    return next((told[one] for one in order if one in told), None)


def bounded(name: str, limit: float | None, told: Told, level: str, unit: str, unknown: str) -> Check | None:
    """Against the bound. A chip is a part of its module and that of its board, so that what is told of a
    larger one bounds the asked one from above, which can pass, and of a smaller one from below: it can fail.

    Price and power rank; they are no capacity, so the check has no head-room.
    """
    if limit is None:
        return None
    need = f"≤ {limit:.6g} {unit} ({translate(ABOUT[level])})"
    at = LEVELS.index(level)
    less = [told[one] for one in LEVELS[:at] if one in told and told[one].value > limit]
    more = [told[one] for one in LEVELS[at + 1 :] if one in told and told[one].value <= limit]
    decides = told.get(level) or next(iter((*less, *more)), None)
    shown = decides or nearest_level(told, level)
    if shown is None:
        return Check(name, Outcome.UNKNOWN, None, need, "–", unknown)
    have = f"{shown.value:.6g} {unit} ({translate(ABOUT[shown.about])})"
    line = translate("source: {source}", source=shown.source)
    if decides is None:
        why = translate("told of another level only")
        return Check(name, Outcome.UNKNOWN, None, need, have, why, (line,), Kind.PUBLISHED)
    outcome = Outcome.PASS if decides.value <= limit else Outcome.FAIL
    return Check(name, outcome, None, need, have, "", (line,), Kind.PUBLISHED)


ABOUT: Mapping[str, str] = {"chip": "chip alone", "module": "core module", "board": "whole board"}
