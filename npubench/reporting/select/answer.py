"""The answer in one sentence: which chip does the job, which is second, what is not known and what tells it.

A command stands between backticks; the page shows it as code, a terminal and Markdown as it is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from npubench.domain.figures import Kind
from npubench.reporting.data.translate import translate, translate_count
from npubench.reporting.select.checks import TITLES, Outcome, Step
from npubench.reporting.select.matrix import SHORT
from npubench.reporting.select.stream_wording import cameras_text
from npubench.reporting.select.ties import are_even, bands_overlap
from npubench.reporting.select.verdict import ChipVerdict, Decision
from npubench.reporting.select.wording import confidence_text, kind_text, price_text, whole_percent

_TICK, _COMMAND = "\x01", "\x02"
"""Stand for the backticks around a command, and for it, until all else of the sentence is there."""

NAMED = 2
"""Chips of which a sentence says the names; the others are counted."""

DOES: Mapping[tuple[Kind | None, Kind | None], str] = {
    (Kind.MEASURED, None): "{chip} does the job",
    (Kind.PUBLISHED, None): "{chip} does the job by published figures",
    (Kind.PUBLISHED, Kind.SIMULATED): "{chip} does the job by what its publisher simulated",
    (Kind.SIMULATED, None): "{chip} does the job by its vendor's simulator",
    (Kind.PREDICTED, None): "{chip} is predicted to do the job",
}
"""How a pass is said by the weakest kind of the figures and what it was for its publisher."""


def summary_of(decision: Decision) -> str:
    """The answer: of what does the job the first two, else what comes nearest; and what would tell more."""
    if not decision.verdicts:
        return translate("No chip is known to npubench here: give results, or --published.")
    first = decision.verdicts[0]
    said = {Outcome.PASS: _answer, Outcome.UNKNOWN: _nearest, Outcome.FAIL: _least_short}[first.outcome]
    # A backtick of a name is none that begins a command.
    return said(decision).replace("`", "'").replace(_TICK, "`")


def _answer(decision: Decision) -> str:
    first, *others = decision.verdicts
    parts = [_does(first)]
    passing = [one for one in others if one.outcome is Outcome.PASS]
    parts += [_second(first, passing)] if passing else []
    told = next_step([one for one in others if one.outcome is Outcome.UNKNOWN])
    parts += [_tells(*told)] if told else []
    return translate("{parts}.", parts=translate("; ").join(parts))


def binding_word(one: ChipVerdict) -> str:
    """What decides, within a sentence."""
    if one.binding is None:
        return "–"
    return translate("NPU time") if one.binding == "npu_time" else translate(SHORT[one.binding])


def _second(first: ChipVerdict, passing: Sequence[ChipVerdict]) -> str:
    """Who follows; where nothing that is known ranks it behind the first, that is said."""
    second = passing[0]
    words = {"chip": second.chip, "kind": kind_text(second), "room": _room(second)}
    even = [one for one in passing if are_even(first, one)]
    if even:
        return _even(even)
    if bands_overlap(first, second):
        return translate(
            "{chip} ({kind}) {room}, and their bands overlap: which of the two is better is not known",
            **words,
        )
    return translate("second {chip} ({kind}) {room}", **words)


def _even(others: Sequence[ChipVerdict]) -> str:
    names = _names(others)
    return translate("it is even with {chips}: nothing known ranks one before the other", chips=names)


def _does(best: ChipVerdict) -> str:
    said = translate(DOES.get((best.kind, best.origin), "{chip} does the job"), chip=best.chip)
    asides = []
    if best.confidence is not None:
        asides.append(translate("{sure} sure", sure=confidence_text(best.confidence)))
    if count := sum(one.is_doubtful for one in best.figures):
        asides.append(translate_count(count, "{count} figure is doubtful", "{count} figures are doubtful"))
    if count := sum(one.is_unstable for one in best.figures):
        asides.append(translate_count(count, "{count} row is not stable", "{count} rows are not stable"))
    asides += _contested(best)
    if best.price_usd is None:
        asides.append(translate("price not known"))
    else:
        said = translate("{does} for {price}", does=said, price=price_text(best))
    aside = translate(" ({asides})", asides=translate(", ").join(asides)) if asides else ""
    return translate("{does} {room}", does=said, room=_room(best)) + aside


def _contested(one: ChipVerdict) -> list[str]:
    names = ", ".join(translate(SHORT[check.name]) for check in one.checks if check.contested)
    return [translate("facts on {names} contradict each other", names=names)] if names else []


def _room(one: ChipVerdict) -> str:
    """`with 38 % of its NPU free`, or the room of what binds."""
    if one.headroom is None:
        return translate("with room that is not known")
    words = {"room": whole_percent(one.headroom)}
    if one.binding == "npu_time" and one.share == 1:
        return translate("with {room} of its NPU free", **words)
    return translate("with {room} of room, bound by {binding}", **words, binding=binding_word(one))


def _names(verdicts: Sequence[ChipVerdict]) -> str:
    named = ", ".join(one.chip for one in verdicts[:NAMED])
    more = len(verdicts) - NAMED
    return translate("{chips} and {count} more", chips=named, count=more) if more > 0 else named


def next_step(verdicts: Sequence[ChipVerdict]) -> tuple[ChipVerdict, Step] | None:
    """The first command that would settle an unknown of one of them, else the first fact; None: nothing."""
    steps = [(one, step) for one in verdicts for step in one.steps]
    return next((pair for pair in steps if pair[1].command), steps[0] if steps else None)


def _tells(of: ChipVerdict, step: Step) -> str:
    if step.command:
        told = translate("`{command}` tells of {chip}", command=_COMMAND, chip=of.chip)
        return told.replace(f"`{_COMMAND}`", f"{_TICK}{step.command}{_TICK}")
    return translate("{chip} lacks {fact}", chip=of.chip, fact=step.brief or step.what)


def _nearest(decision: Decision) -> str:
    """Of unknown ones: what holds of the nearest, what is not known, and what would tell it."""
    open_ones = [one for one in decision.verdicts if one.outcome is Outcome.UNKNOWN]
    best = open_ones[0]
    if all(one.kind is None for one in open_ones):
        return _nothing(decision, open_ones)
    missing = [check for check in best.checks if check.outcome is Outcome.UNKNOWN]
    words = {
        "chip": best.chip,
        "held": len(best.checks) - len(missing),
        "all": len(best.checks),
        "missing": ", ".join(translate(TITLES[check.name]) for check in missing),
    }
    said = translate(
        "No chip is known to do the job; {chip} comes nearest: {held} of {all} requirements hold, "
        "not known: {missing}",
        **words,
    )
    if best.confidence is not None:
        said += translate(
            " ({asides})", asides=translate("{sure} sure", sure=confidence_text(best.confidence))
        )
    parts = [said]
    if even := [one for one in open_ones[1:] if are_even(best, one)]:
        parts.append(_even(even))
    parts += [_tells(*told)] if (told := next_step([best])) else []
    return translate("{parts}.", parts=translate("; ").join(parts))


def _nothing(decision: Decision, verdicts: Sequence[ChipVerdict]) -> str:
    """Where no model has a figure on any chip that may do it: the command is the answer."""
    models = dict.fromkeys(need.names[0] for _, need in decision.asked.models)
    words = {"models": ", ".join(models), "chips": _names(verdicts)}
    said = translate("Nothing is known of {models} on {chips}", **words)
    told = next_step(verdicts)
    return translate(
        "{parts}.", parts=translate("{said}: {next}", said=said, next=_tells(*told)) if told else said
    )


def _least_short(decision: Decision) -> str:
    """Of failing ones: by what the nearest falls short, and what would have to change."""
    best = decision.verdicts[0]
    words = {"chip": best.chip, "binding": binding_word(best)}
    if best.headroom is None:
        said = translate("No chip does the job; {chip} comes nearest and fails by {binding}", **words)
    else:
        said = translate(
            "No chip does the job; {chip} comes nearest and is short of {binding} by {percent}",
            **words,
            percent=whole_percent(-best.headroom),
        )
    said += translate(" ({asides})", asides=_contested(best)[0]) if _contested(best) else ""
    change = next(iter(best.changes), "")
    parts = [said, translate("what would do: {change}", change=change)] if change else [said]
    return translate("{parts}.", parts=translate("; ").join(parts))


def counts_of(decision: Decision) -> str:
    """How many were weighed and what came of them."""
    counts = Counter(one.outcome for one in decision.verdicts)
    passing, open_ones, failing = (counts[one] for one in (Outcome.PASS, Outcome.UNKNOWN, Outcome.FAIL))
    said = (
        (passing, translate_count(passing, "{count} passes", "{count} pass")),
        (
            open_ones,
            translate_count(open_ones, "{count} is not fully known", "{count} are not fully known"),
        ),
        (failing, translate_count(failing, "{count} fails", "{count} fail")),
    )
    parts = [text for count, text in said if count]
    chips = translate_count(len(decision.verdicts), "{count} chip weighed", "{count} chips weighed")
    return translate("{chips}: {outcomes}.", chips=chips, outcomes=translate(", ").join(parts))


def cameras_of(decision: Decision) -> str:
    """How many such cameras the first chip keeps up with; empty where that was not simulated."""
    best = next(iter(decision.verdicts), None)
    if best is None or best.outcome is Outcome.FAIL or best.streams is None or not best.streams.simulated:
        return ""
    words = {"chip": best.chip, "cameras": cameras_text(best.streams)}
    return translate("{chip} keeps up with {cameras} such cameras (simulated).", **words)
