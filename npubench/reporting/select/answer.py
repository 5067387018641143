"""The answer in sentences: which chip does the job, else which comes nearest and what is missing of it."""

from collections import Counter

from npubench.domain.figures import Kind
from npubench.reporting.data.translate import translate, translate_count
from npubench.reporting.select.checks import TITLES, Outcome
from npubench.reporting.select.stream_wording import cameras_text
from npubench.reporting.select.verdict import ChipVerdict, Decision
from npubench.reporting.select.wording import binding_text, confidence_text, kind_text, kind_words, percent


def summary_of(decision: Decision) -> str:
    """The answer in a few sentences; of what does not do it the nearest, with what is missing or too much."""
    if not decision.verdicts:
        return translate("No chip is known to npubench here: give results, or --published.")
    counts = Counter(one.outcome for one in decision.verdicts)
    first = decision.verdicts[0]
    head = {Outcome.PASS: _answer, Outcome.UNKNOWN: _nearest, Outcome.FAIL: _least_short}[first.outcome](
        first
    )
    rest = [
        translate_count(counts[Outcome.PASS], "{count} candidate passes", "{count} candidates pass"),
        translate_count(counts[Outcome.UNKNOWN], "{count} is not fully known", "{count} are not fully known"),
        translate_count(counts[Outcome.FAIL], "{count} fails", "{count} fail"),
    ]
    return " ".join(filter(None, (head, _cameras(first), f"{', '.join(rest)}.")))


def _answer(best: ChipVerdict) -> str:
    words = {"chip": best.chip, "kind": kind_text(best), "room": percent(best.headroom)}
    words["binding"] = binding_text(best)
    if best.confidence is None:
        return translate("{chip} ({kind}) does the job with {room} of room, bound by {binding}.", **words)
    return translate(
        "{chip} ({kind}) does the job with {sure} confidence and {room} of room, bound by {binding}.",
        **words,
        sure=confidence_text(best.confidence),
    )


def _nearest(best: ChipVerdict) -> str:
    """Of an unknown one: what holds of it, what is not known, and the command or fact that would tell it."""
    missing = [check for check in best.checks if check.outcome is Outcome.UNKNOWN]
    step = next(iter(best.steps), None)
    words = {
        "chip": best.chip,
        "held": len(best.checks) - len(missing),
        "all": len(best.checks),
        "missing": ", ".join(translate(TITLES[check.name]) for check in missing),
    }
    if best.confidence is not None:
        held = translate(
            "No candidate is known to do the job. {chip} comes nearest: {held} of {all} requirements hold "
            "({sure} sure), not known: {missing}.",
            **words,
            sure=confidence_text(best.confidence),
        )
    else:
        held = translate(
            "No candidate is known to do the job. {chip} comes nearest: {held} of {all} requirements hold, "
            "not known: {missing}.",
            **words,
        )
    return f"{held} {translate('Next: {step}.', step=step.command or step.what)}" if step else held


def _least_short(best: ChipVerdict) -> str:
    """Of a failing one: by what, and what would have to change."""
    words = {"chip": best.chip, "binding": binding_text(best)}
    if best.headroom is None:
        text = translate("No candidate does the job. {chip} comes nearest and fails by {binding}.", **words)
    else:
        text = translate(
            "No candidate does the job. {chip} comes nearest and is short of {binding} by {percent}.",
            **words,
            percent=percent(-best.headroom),
        )
    change = next(iter(best.changes), "")
    return f"{text} {translate('What would do: {change}.', change=change)}" if change else text


def _cameras(best: ChipVerdict) -> str:
    """How many such cameras the first chip keeps up with, where that was simulated."""
    if best.outcome is Outcome.FAIL or best.streams is None or not best.streams.simulated:
        return ""
    words = {"chip": best.chip, "cameras": cameras_text(best.streams)}
    return translate("{chip} keeps up with {cameras} such cameras (simulated).", **words)


def weighed_by(decision: Decision) -> str:
    """What was weighed: chips, and the figures that speak for their models, by kind."""
    kinds = Counter((f.kind, f.origin) for one in decision.verdicts for f in one.figures if f.kind)
    order = [(kind, origin) for kind in Kind for origin in (None, Kind.SIMULATED)]
    parts = [f"{kinds[key]} {kind_words(*key)}" for key in order if kinds[key]]
    asked = sum(len(one.figures) for one in decision.verdicts)
    if missing := asked - sum(kinds.values()):
        parts.append(f"{missing} {translate('unknown')}")
    chips = translate_count(len(decision.verdicts), "{count} chip weighed", "{count} chips weighed")
    return f"{chips}; {translate('figures of models: {parts}', parts=', '.join(parts))}" if parts else chips
