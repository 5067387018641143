"""Requirements that the chip's board has to meet beside the NPU: decoders, memory, price and power."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

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
    said,
)
from npubench.reporting.select.chip_facts import Told as FactsTold
from npubench.reporting.select.requirements import Requirements, StreamNeed, UserFacts
from npubench.reporting.select.times import ORDER

FRAMES_HELD = 4
"""Decoded frames that a stream keeps: in the decoder, scaled, in work, shown. An assumption, and said so."""

NV12 = 1.5
"""Bytes a pixel of a decoded frame (8 bit, 4:2:0)."""


def decode(asked: Requirements, candidate: Candidate) -> Check | None:
    """Pixels a second of each codec against the decoder's; the codec with least room counts."""
    codecs = {stream.codec for stream in asked.streams} - {"none"}
    return tightest([_decode(codec, asked, candidate) for codec in sorted(codecs)])


def pixels_of(codec: str, asked: Requirements) -> float:
    """Pixels a second of all streams of a codec."""
    streams = [stream for stream in asked.streams if stream.codec == codec]
    return sum(one.count * one.width * one.height * one.fps for one in streams)


def _decode(codec: str, asked: Requirements, candidate: Candidate) -> Check:
    streams = [stream for stream in asked.streams if stream.codec == codec]
    pixels = pixels_of(codec, asked)
    lines = [
        f"{one.name}: {one.count} × {one.width}×{one.height} × {significant(one.fps)}/s" for one in streams
    ]
    name = codec.upper()
    check = Check("decode", Outcome.UNKNOWN, need=f"{name}: {significant(pixels / 1e6)} Mpx/s", have="–")
    all_told = decoders(codec, candidate)
    told = all_told.first
    if told is None:
        lines += [told_of.source for told_of in all_told.wordless[:1]]
        why = translate("no fact tells the decoder's rate")
        return replace(check, why=why, arithmetic=tuple(lines))
    kind = Kind.MEASURED if told.how == "measured" else Kind.PUBLISHED
    lines += sources(all_told, lambda one: f"{significant(one.value / 1e6)} Mpx/s")
    lines += [
        translate("{codec} is not named by {said}", codec=name, said=said(one)) for one in all_told.silent
    ]
    check = replace(check, kind=kind, arithmetic=tuple(lines))
    if told.value == 0:
        whys = [translate("no {codec} decoder among those listed", codec=name)]
        whys += [_otherwise(Outcome.UNKNOWN, said(fact)) for fact in all_told.wordless]
        check = replace(check, outcome=Outcome.FAIL, have="0", why="; ".join(whys))
        return contradicted(check, all_told, lambda one: within(pixels, one.value)[0])
    outcome, headroom = within(pixels, told.value)
    check = replace(check, outcome=outcome, headroom=headroom, have=f"{significant(told.value / 1e6)} Mpx/s")
    if outcome is Outcome.PASS and (large := _too_large(streams, told)):
        why = translate("listed up to {size}, and {name} is larger", size=_frame(told), name=large)
        return replace(check, outcome=Outcome.UNKNOWN, why=why)
    return contradicted(check, all_told, lambda one: within(pixels, one.value)[0])


def decoders(codec: str, candidate: Candidate) -> FactsTold:
    """What is told of a decoder: a measurement of the board first, then its facts."""
    told = decode_told(candidate.facts, codec)
    measured = _measured_decoder(codec, candidate)
    return replace(told, values=(measured, *told.values)) if measured else told


def _too_large(streams: Sequence[StreamNeed], told: FactValue) -> str:
    """The stream whose frames are larger than any that the decoder is told to take."""
    if not told.width or not told.height:
        return ""
    # A decoder of 4096 x 2304 may be listed as 4K: only what is larger both ways counts.
    large = (one.name for one in streams if one.width > told.width and one.height > told.height)
    return next(large, "")


def _frame(told: FactValue) -> str:
    return f"{told.width}×{told.height}"


def sources(told: FactsTold, shown: Callable[[FactValue], str]) -> list[str]:
    """Where the value that counts is from, and what others say."""
    first, *others = told.values
    lines = [translate("source: {source}", source=first.source)]
    # Options of one board stand in one fact.
    by_fact: dict[str, list[str]] = {}
    for one in others:
        by_fact.setdefault(one.said, []).append(shown(one))
    return lines + [
        translate("also told: {value}, {said}", value=" / ".join(values), said=said)
        for said, values in by_fact.items()
    ]


def contradicted(check: Check, told: FactsTold, verdict: Callable[[FactValue], Outcome]) -> Check:
    """The check with the facts, if any, by which it would come out otherwise."""
    others = told.others(verdict)
    if not others:
        return check
    why = "; ".join(_otherwise(verdict(one), one.said) for one in others)
    return replace(check, why="; ".join(filter(None, (check.why, why))), contested=True)


def _otherwise(outcome: Outcome, fact: str) -> str:
    return translate("{outcome} by another fact: {said}", outcome=translate(outcome.value), said=fact)


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


def frames_bytes(asked: Requirements) -> float:
    """Bytes of the decoded frames that all streams keep."""
    return sum(one.count * one.width * one.height * NV12 * FRAMES_HELD for one in asked.streams)


def memory(jobs: Sequence[Job], asked: Requirements, candidate: Candidate, known: UserFacts | None) -> Check:
    """Models and held frames against the board's memory.

    A model counts with what it took, else with its file, else with what its graph holds at least: weights and
    the largest activation.
    """
    total = frames_bytes(asked)
    lines = [translate("frames: {size}, {count} a stream held", size=size(total), count=FRAMES_HELD)]
    unknown, kinds = list[str](), list[Kind]()
    for job in jobs:
        taken = memory_taken(job)
        if taken is None:
            unknown.append(job.need.role)
        else:
            total += taken[0]
            kinds.append(taken[1])
            lines.append(f"{job.need.role}: {size(taken[0])} ({translate(taken[1].value)})")
    all_told = memory_of(candidate, known)
    told = all_told.first
    check = Check("memory", Outcome.UNKNOWN, None, f"{'≥ ' if unknown else ''}{size(total)}", "–")
    if told is None:
        of_host = all_told.of_host
        why = translate(
            "the host's memory counts, which no fact tells" if of_host else "no fact tells the memory"
        )
        return replace(check, why=why, arithmetic=tuple(lines))
    lines += sources(all_told, lambda one: size(one.value))
    most = told.bound is Bound.UPPER
    have = f"{translate('up to')} {size(told.value)}" if most else size(told.value)
    outcome, headroom = within(total, told.value)
    kind = max(kinds, key=lambda one: ORDER[one], default=None)
    check = replace(check, have=have, arithmetic=tuple(lines), kind=kind)
    if unknown and outcome is Outcome.PASS:
        return replace(check, why=translate("not known of: {names}", names=", ".join(unknown)))
    check = replace(check, outcome=outcome, headroom=headroom)
    return contradicted(check, all_told, lambda one: within(total, one.value)[0])


def memory_taken(job: Job) -> tuple[float, Kind] | None:
    """Bytes that a model takes, with what kind of figure that is; None: nothing tells."""
    if job.time and job.time.memory_bytes:
        return job.time.memory_bytes, job.time.kind
    if job.row and job.row.artifact_bytes:
        return float(job.row.artifact_bytes), Kind.MEASURED
    return (job.found.graph_bytes, Kind.PREDICTED) if job.found.graph_bytes else None


def memory_of(candidate: Candidate, known: UserFacts | None) -> FactsTold:
    """What is told of the memory: by the asker, by the board itself, by facts."""
    told = memory_told(candidate.facts)
    if known and known.memory_bytes:
        return replace(told, values=(FactValue(known.memory_bytes, known.source), *told.values))
    states = [state for row in candidate.rows for state in (row.board_before, row.board_after) if state]
    totals = [state.memory_total_bytes for state in states if state.memory_total_bytes]
    if totals:
        return FactsTold((FactValue(min(totals), translate("the board's own state")),))
    return told


Told = Mapping[str, FactValue]
"""Level to what is told of it."""


def prices_of(candidate: Candidate, known: UserFacts | None, level: str) -> Told:
    """In USD by level: the facts, and what the asker knows, which is of the level that counts."""
    facts = {one: price_told(candidate.facts, one).first_with_others for one in LEVELS}
    found = {one: told for one, told in facts.items() if told}
    if not (known and known.price_usd):
        return found
    of = known.price_of or level
    return {**found, of: FactValue(known.price_usd, known.source, of)}


def price(asked: Requirements, told: Told, level: str) -> Check | None:
    """Against the bound, when there is one."""
    limit = asked.limits.price_usd
    return bounded("price", limit, told, level, "USD", translate("no fact tells a price in USD"))


def powers_of(candidate: Candidate, known: UserFacts | None, level: str) -> Told:
    """In watts by level: the facts, and what the asker knows, which is of the level that counts."""
    facts = {one: power_told(candidate.facts, one).first_with_others for one in LEVELS}
    found = {one: told for one, told in facts.items() if told}
    if not (known and known.power_w):
        return found
    of = known.power_of or level
    return {**found, of: FactValue(known.power_w, known.source, of)}


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
    less = [told[one] for one in LEVELS[:at] if one in told and stays(told[one], limit) is Outcome.FAIL]
    more = [told[one] for one in LEVELS[at + 1 :] if one in told and stays(told[one], limit) is Outcome.PASS]
    decides = told.get(level) or next(iter((*less, *more)), None)
    shown = decides or nearest_level(told, level)
    if shown is None:
        return Check(name, Outcome.UNKNOWN, None, need, "–", unknown)
    have = f"{amount_text(shown)} {unit} ({translate(ABOUT[shown.about])})"
    lines = sources(FactsTold((shown, *shown.others)), lambda one: f"{amount_text(one)} {unit}")
    check = Check(name, Outcome.UNKNOWN, None, need, have, "", tuple(lines), Kind.PUBLISHED)
    if decides is None:
        return replace(check, why=translate("told of another level only"))
    outcome = stays(decides, limit)
    why = translate("what is told spans the limit") if outcome is Outcome.UNKNOWN else ""
    everything = FactsTold((decides, *decides.others))
    return contradicted(replace(check, outcome=outcome, why=why), everything, lambda one: stays(one, limit))


def stays(value: FactValue, limit: float) -> Outcome:
    """Whether a value stays within a limit: a bound decides one way only, a range if both of its ends do."""
    low = value.value if value.low is None else value.low
    if value.value <= limit and value.bound is not Bound.LOWER:
        return Outcome.PASS
    return Outcome.FAIL if low > limit and value.bound is not Bound.UPPER else Outcome.UNKNOWN


def amount_text(value: FactValue) -> str:
    """`59.9`, `7 … 25`, `≤ 8`."""
    bound = {Bound.UPPER: "≤ ", Bound.LOWER: "≥ ", Bound.EXACT: ""}[value.bound]
    return f"{bound}{'' if value.low is None else f'{value.low:.6g} … '}{value.value:.6g}"


ABOUT: Mapping[str, str] = {"chip": "chip alone", "module": "core module", "board": "whole board"}
