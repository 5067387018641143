"""Checks of what runs on the NPU: time, latency, operators, accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from npubench.domain.records import Result
from npubench.reporting.data.figures import aside, mark
from npubench.reporting.data.figures import why as why_bound
from npubench.reporting.data.formatting import closeness, duration, significant
from npubench.reporting.data.op_support import on_cpu
from npubench.reporting.data.translate import say
from npubench.reporting.select.candidate import (
    Candidate,
    Missing,
    SelectedResult,
    Shapes,
    accuracy_of,
    accuracy_value,
    choose,
)
from npubench.reporting.select.check import Check, Outcome, tightest, within
from npubench.reporting.select.requirements import ModelNeed, Requirements, StreamNeed


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
    loads = [job.load for job in jobs]
    return None if any(load is None for load in loads) else sum(load for load in loads if load is not None)


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
        lines.append(say("sum: {load} % of a second", load=significant(known * 100)))
    part = say("of half the NPU") if share == 0.5 else say("of {share} of the NPU", share=f"{share:.2g}")
    have = say("100 % of the NPU") if share == 1 else f"100 % {part}"
    need = f"{significant(known * 100)} %"
    check = Check("npu_time", Outcome.FAIL, 1 - known, need, have, "", tuple(lines), candidate.kind)
    if known * share > 1:
        check = replace(check, need=f"≥ {need}") if _lower_bounds(jobs) else check
        why = say("too slow even at the upper bound of the whole NPU") if share < 1 else say("too slow")
        return replace(check, why=why)
    unsure = [*missing, *_lower_bounds(jobs)]
    if unsure:
        need = f"≥ {need}" if known else "–"
        return replace(check, outcome=Outcome.UNKNOWN, headroom=None, need=need, why="; ".join(unsure))
    if known > 1:
        why = say(
            "a part of the NPU is not enough; the whole would be at {bound} % at best, which is an estimate",
            bound=significant(known * share * 100),
        )
        return replace(check, outcome=Outcome.UNKNOWN, why=why)
    why = say("these figures are of a part of the chip: {part}", part=part) if share < 1 else ""
    return replace(check, outcome=Outcome.PASS, why=why)


def _load_line(job: Job) -> str:
    if job.selected is None or job.load is None:
        return f"{job.need.role}: {say('unknown')}"
    each = _each(job.selected, job.selected.time_us)
    streams, rate = job.stream.count, significant(job.need.rate)
    return f"{job.need.role}: {streams} × {rate}/s × {each} = {significant(job.load * 100)} %"


def _each(selected: SelectedResult, us: float) -> str:
    at_least = selected.at_least
    return f"{mark(at_least.bound) if at_least else ''}{duration(us)}{aside(at_least)}"


def _lower_bounds(jobs: Sequence[Job]) -> list[str]:
    """Why times that leave something out pass nothing, and what to do next; a line a model."""
    return [
        say(
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
            missing.append(say("{role}: no p{percentile}", role=job.need.role, percentile=asked_of))
    lines.append(say("decoding and what comes after the NPU are not in it"))
    outcome, headroom = within(total, limit * 1e3)
    need, have = f"{significant(limit)} ms", duration(total)
    check = Check("latency", outcome, headroom, need, have, "", tuple(lines), candidate.kind)
    missing += _lower_bounds(jobs)
    if outcome is Outcome.FAIL and least <= limit * 1e3 < total:
        # Half an NPU is too slow, which says nothing sure of the whole.
        part = say("these figures are of a part of the NPU: the whole may be fast enough, measure it")
        have = f"{'' if missing else '≤ '}{have}"
        return replace(check, outcome=Outcome.UNKNOWN, headroom=None, have=have, why=part)
    if outcome is Outcome.FAIL:
        return replace(check, have=f"≥ {have}") if missing else check
    if missing:
        have = f"≥ {have}" if total else "–"
        return replace(check, outcome=Outcome.UNKNOWN, headroom=None, have=have, why="; ".join(missing))
    if time.outcome is not Outcome.PASS:
        why = say("frames wait without bound where the NPU's time is not enough")
        return replace(check, outcome=time.outcome, headroom=None, have="–", why=why)
    return check


def _statistic(found: SelectedResult, percentile: int | None) -> tuple[float, str]:
    latency_us = found.figures.latency_us
    if latency_us is None:
        return found.time_us, "1/fps"
    name = f"p{percentile or 50}"
    value = getattr(latency_us, name)
    return (latency_us.mean, say("mean")) if value is None else (value, name)


def operators(jobs: Sequence[Job]) -> Check:
    """Whether every model converts and runs; a failure names the operators at fault."""
    failed = [job.missing.why for job in jobs if job.missing and job.missing.failed]
    unknown = [job.missing.why for job in jobs if job.missing and not job.missing.failed and not job.row]
    left = sorted({name for job in jobs if job.selected for name in on_cpu(job.selected.figures)})
    ran = sum(job.row is not None for job in jobs)
    need, have = say("{count} models", count=len(jobs)), say("{count} run", count=ran)
    if failed:
        return Check("operators", Outcome.FAIL, None, need, have, "; ".join(failed))
    if unknown:
        return Check("operators", Outcome.UNKNOWN, None, need, have, "; ".join(unknown))
    why = say("on the CPU: {operators}", operators=", ".join(left)) if left else ""
    return Check("operators", Outcome.PASS, None, need, have, why)


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
        why = say("{role}: not compared with the reference", role=job.need.role)
        return Check("accuracy", Outcome.UNKNOWN, None, need, "–", why)
    outcome = Outcome.PASS if value >= minimum else Outcome.FAIL
    if metric == "psnr_db":
        headroom = 1 - minimum / value if value > 0 else -1.0
    else:
        headroom = 1 - (1 - value) / (1 - minimum) if minimum < 1 else value - 1
    return Check("accuracy", outcome, headroom, need, closeness(value), kind=kind)
