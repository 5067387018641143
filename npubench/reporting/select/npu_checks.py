"""Requirements that the NPU has to meet: its time, the latency, operators and accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Kind
from npubench.domain.records import Result, Status
from npubench.reporting.data.figures import aside, mark
from npubench.reporting.data.figures import why as why_bound
from npubench.reporting.data.formatting import closeness, duration, significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select.bands import Uncertain, chance_within, total
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Check, Job, Outcome, kind_of, share_of, tightest
from npubench.reporting.select.choosing import Beyond, choose
from npubench.reporting.select.requirements import Requirements
from npubench.reporting.select.times import ModelTime, accuracy_of, accuracy_value

SURE = 0.9
"""Chance from which a sum with bands passes, and below 1 minus which it fails: ends of what is unknown."""


def jobs_of(asked: Requirements, candidate: Candidate, beyond: Beyond) -> list[Job]:
    """All models of all streams."""
    return [Job(stream, need, choose(need, candidate, beyond)) for stream, need in asked.models]


def npu_time(jobs: Sequence[Job]) -> Check:
    """The NPU's second shared among all models and streams.

    A figure of a part of the NPU bounds the whole: one after another the jobs take the sum of their times at
    most, and that sum with each time multiplied by its share at least, as the whole is no more than so many
    parts. The upper end can pass, the lower one can fail; what lies between is not known.
    """
    known = [job for job in jobs if job.time and job.loads]
    loads = [job.loads for job in known if job.loads]
    least = [job.loads.times(job.time.least) for job in known if job.time and job.loads]
    most, share = total(loads).median, share_of(jobs)
    lines = [_load_line(job) for job in jobs]
    if len(jobs) > 1:
        lines.append(translate("sum: {load} % of a second", load=percents(total(loads))))
    part = part_text(share)
    have = translate("100 % of the NPU") if share == 1 else f"100 % {part}"
    check = Check(
        *("npu_time", Outcome.FAIL, 1 - most, f"{significant(most * 100)} %", have, "", tuple(lines)),
        kind=kind_of(jobs),
        confidence=chance(loads, 1.0),
    )
    fails = 1 - chance_within(least, 1.0)
    if fails >= SURE:
        why = (
            translate("too slow even at the upper bound of the whole NPU")
            if least != loads
            else translate("too slow")
        )
        need = f"≥ {check.need}" if _incomplete(jobs) else check.need
        room = 1 - total(least).median
        return replace(check, headroom=room, need=need, why=why, confidence=_sure(least, 1 - fails))
    if unsure := _incomplete(jobs):
        need = f"≥ {check.need}" if most else "–"
        return replace(
            check, outcome=Outcome.UNKNOWN, headroom=None, confidence=None, need=need, why="; ".join(unsure)
        )
    if chance_within(loads, 1.0) >= SURE:
        why = translate("these figures are of a part of the chip: {part}", part=part) if share < 1 else ""
        return replace(check, outcome=Outcome.PASS, why=why)
    if least != loads:
        why = translate(
            "one after another they do not fit; side by side on all of the NPU they take {bound} % at best",
            bound=significant(total(least).median * 100),
        )
        return replace(check, outcome=Outcome.UNKNOWN, confidence=None, why=why)
    return replace(check, outcome=Outcome.UNKNOWN, why=_within_band(check.confidence))


def part_text(share: float) -> str:
    """`of half the NPU`, `of 0.33 of the NPU`."""
    if share == 0.5:
        return translate("of half the NPU")
    return translate("of {share} of the NPU", share=f"{share:.2g}")


def chance(parts: Sequence[Uncertain], limit: float) -> float | None:
    """The chance that the sum stays within the limit; None where no part has a band."""
    return chance_within(parts, limit) if any(part.sigma for part in parts) else None


def _sure(parts: Sequence[Uncertain], value: float) -> float | None:
    return value if any(part.sigma for part in parts) else None


def _within_band(confidence: float | None) -> str:
    return translate(
        "the band of the figures spans the limit: it holds with a chance of {chance} %",
        chance=significant(100 * (confidence or 0.0), 2),
    )


def percents(load: Uncertain) -> str:
    """`42.0`, with its 90 % band where it has one."""
    text = significant(load.median * 100)
    return f"{text} [{' … '.join(significant(end * 100) for end in load.band)}]" if load.sigma else text


def _load_line(job: Job) -> str:
    if job.time is None or job.load is None or job.loads is None:
        return f"{job.need.role}: {translate('unknown')}"
    each = each_text(job.time, job.time.time_us)
    streams, rate = job.stream.count, significant(job.need.rate)
    return f"{job.need.role}: {streams} × {rate}/s × {each} = {percents(job.loads)} %"


def each_text(time: ModelTime, us: float) -> str:
    """A time with its kind, and what bounds it."""
    at_least = time.at_least
    return f"{mark(at_least.bound) if at_least else ''}{duration(us)} ({kind_words(time)}){aside(at_least)}"


def kind_words(time: ModelTime) -> str:
    """`published`; with what it was for the publisher, and the part that ran, where those are told."""
    words = [translate(time.kind.value)]
    if time.origin is Kind.SIMULATED:
        words.append(translate("simulated"))
    return ", ".join([*words, *filter(None, [time.mode])])


def _incomplete(jobs: Sequence[Job]) -> list[str]:
    """Why a sum is not the whole: models without a time, and times that leave something out."""
    bounds = [
        translate(
            "{role}: only a lower bound ({why}): measure it on a board",
            role=job.need.role,
            why=why_bound(job.time.at_least),
        )
        for job in jobs
        if job.time and job.time.at_least
    ]
    return [*(job.missing.why for job in jobs if job.missing), *bounds]


@dataclass(frozen=True, slots=True)
class Queue:
    """All frames that come at once, one inference after another."""

    most: tuple[Uncertain, ...]  # microseconds of each model, with what may be in flight before it
    least: tuple[Uncertain, ...]  # microseconds of each model at best
    lines: tuple[str, ...]  # arithmetic
    unsure: tuple[str, ...]  # why the sum is not the whole


def queue_of(jobs: Sequence[Job], percentile: int | None) -> Queue:
    """The queue of a job, in the statistic that is asked."""
    most, least, lines, unsure = list[Uncertain](), list[Uncertain](), list[str](), _incomplete(jobs)
    for job in jobs:
        if job.time is None:
            continue
        value, name = _statistic(job.time, percentile)
        count, waiting = job.stream.count, 0 if job.time.latency else job.time.in_flight - 1
        each = Uncertain(value, job.time.sigma, job.time.uncertain.shared)
        most.append(each.times(count + waiting))
        least.append(each.times(count * job.time.least))
        line = f"{job.need.role}: {count} × {each_text(job.time, value)} ({name})"
        if waiting:
            line += f", {translate('at most {count} more in flight', count=waiting)}"
        lines.append(line)
        if percentile and name != f"p{percentile}":
            unsure.append(translate("{role}: no p{percentile}", role=job.need.role, percentile=percentile))
    lines.append(translate("decoding and what comes after the NPU are not in it"))
    return Queue(tuple(most), tuple(least), tuple(lines), tuple(unsure))


def latency(jobs: Sequence[Job], asked: Requirements, time: Check) -> Check | None:
    """From a frame in memory to the last answer when all frames come at once: one queue, no overtaking."""
    limit = asked.limits.latency_ms
    if limit is None:
        return None
    queue = queue_of(jobs, asked.limits.percentile)
    whole, at_best, within_us = total(queue.most), total(queue.least), limit * 1e3
    need, have = f"{significant(limit)} ms", _duration(whole)
    check = Check(
        *("latency", Outcome.FAIL, 1 - whole.median / within_us, need, have, "", queue.lines),
        kind=kind_of(jobs),
        confidence=chance(queue.most, within_us),
    )
    fails = 1 - chance_within(queue.least, within_us)
    unknown = replace(check, outcome=Outcome.UNKNOWN, headroom=None, confidence=None)
    if fails >= SURE:
        have = f"≥ {_duration(at_best)}" if queue.unsure or at_best != whole else have
        room = 1 - at_best.median / within_us
        return replace(check, have=have, headroom=room, confidence=_sure(queue.least, 1 - fails))
    if queue.unsure:
        have = f"≥ {have}" if queue.most else "–"
        return replace(unknown, have=have, why="; ".join(queue.unsure))
    if chance_within(queue.most, within_us) < SURE:
        return _late(unknown, jobs, check.confidence, at_best != whole)
    if time.outcome is not Outcome.PASS:
        why = translate("frames wait without bound where the NPU's time is not enough")
        return replace(unknown, outcome=time.outcome, confidence=time.confidence, have="–", why=why)
    return replace(check, outcome=Outcome.PASS)


def _late(unknown: Check, jobs: Sequence[Job], confidence: float | None, bounded: bool) -> Check:
    """Why a queue that is too late as far as known may be in time."""
    held = max((job.time.in_flight for job in jobs if job.time and not job.time.latency), default=0)
    if held:
        why = translate("a rate tells no latency: it lies below that of {count} in flight", count=held)
        return replace(unknown, have=f"≤ {unknown.have}", why=why)
    if bounded:
        # Half an NPU is too slow, which says nothing sure of the whole.
        why = translate("these figures are of a part of the NPU: the whole may be fast enough, measure it")
        return replace(unknown, have=f"≤ {unknown.have}", why=why)
    return replace(unknown, confidence=confidence, why=_within_band(confidence))


def _duration(whole: Uncertain) -> str:
    text = duration(whole.median)
    return f"{text} [{' … '.join(map(duration, whole.band))}]" if whole.sigma else text


def _statistic(time: ModelTime, percentile: int | None) -> tuple[float, str]:
    if time.latency is None:
        return time.time_us, "1/fps"
    name = f"p{percentile or 50}"
    value = getattr(time.latency, name)
    return (time.latency.mean, translate("mean")) if value is None else (value, name)


def operators(jobs: Sequence[Job]) -> Check | None:
    """Whether every model converts and runs; a failure names the operators at fault.

    None where nothing fails and a model was never tried on the chip, as its time is predicted: no pass.
    """
    missing = [job.missing for job in jobs if job.missing]
    failed = [one.why for one in missing if one.failed]
    unknown = [one.why for one in missing if not (one.failed or one.ran)]
    untried = untried_of(jobs)
    left = sorted({name for job in jobs if job.time for name in job.time.on_cpu})
    ran = sum(job.time is not None or job.row is not None for job in jobs) - len(untried)
    need, have = translate("{count} models", count=len(jobs)), translate("{count} run", count=ran)
    why = translate("on the CPU: {operators}", operators=", ".join(left)) if left else ""
    outcome = Outcome.FAIL if failed else Outcome.UNKNOWN if unknown else Outcome.PASS
    if untried and outcome is Outcome.PASS:
        return None
    have += f", {translate('{count} not tried', count=len(untried))}" if untried else ""
    return Check("operators", outcome, None, need, have, "; ".join(failed or unknown) or why)


def rows_of(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Keys of the rows that times, failures and accuracies were taken of."""
    found = [row for job in jobs for row in (job.row, job.missing.failed if job.missing else None)]
    found += [_compared(job) for job in jobs if job.need.minimum is not None]
    return tuple(dict.fromkeys(row.key for row in found if row))


def untried_of(jobs: Sequence[Job]) -> list[str]:
    """Models whose time is predicted and of which no row tells that they run on the chip."""
    return [
        job.need.role
        for job in jobs
        if job.time and job.time.kind is Kind.PREDICTED
        if not any(row.status is Status.OK for row in job.found.rows)
    ]


def accuracy(jobs: Sequence[Job]) -> Check | None:
    """Of all models with a minimum the one with least room. A ranking term, so it has no head-room."""
    checks = [_accuracy(job) for job in jobs if job.need.minimum is not None]
    found = tightest(checks)
    return replace(found, headroom=None) if found else None


def accuracy_room(jobs: Sequence[Job]) -> float | None:
    """Least share of the allowed error that is left, of the models whose accuracy is known; -: too little.

    A model without a minimum counts with its cosine; a model of which nothing is known makes it None.
    """
    room = [_accuracy(job).headroom for job in jobs]
    known = [one for one in room if one is not None]
    return min(known) if known and len(known) == len(jobs) else None


def _accuracy(job: Job) -> Check:
    minimum, metric = job.need.minimum or 0.0, job.need.metric
    need = f"{job.need.role}: {metric} ≥ {minimum:.6g}"
    row = _compared(job)
    if row is None:
        why = (
            job.missing.why
            if job.missing and job.row is None
            else translate("{role}: not compared with the reference", role=job.need.role)
        )
        return Check("accuracy", Outcome.UNKNOWN, None, need, "–", why)
    value, known = accuracy_value(row, metric), accuracy_of(row)
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


def _compared(job: Job) -> Result | None:
    """The row whose accuracy counts: that of the time, else one of the same model, chip and precision."""
    own = [job.row] if job.row else []
    precision = job.time.precision if job.time else None
    same = [row for row in job.found.rows if precision is None or str(row.precision) == precision]
    told = (row for row in (*own, *same) if accuracy_value(row, job.need.metric) is not None)
    return next(told, None)
