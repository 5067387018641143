"""What would have to change for a failure to pass: streams, rates, the input, another model.

Each suggestion has the figure that it rests on. What others published of the chip is looked through for
networks of the same task; those of the same family stand first, and of each those nearest in time that pass.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.published.chips import canonical
from npubench.published.networks import Head, Network
from npubench.reporting.data.formatting import duration, significant, size
from npubench.reporting.data.translate import translate
from npubench.reporting.select.board_checks import (
    decode,
    decoders,
    frames_bytes,
    memory,
    memory_of,
    pixels_of,
)
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Check, Job, Outcome
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.npu_checks import kind_words, latency, npu_time
from npubench.reporting.select.requirements import Requirements, UserFacts
from npubench.reporting.select.times import Found, ModelTime

MOST_OTHERS = 3
"""Networks that are suggested of a chip."""


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate with what is asked of it and what is known."""

    asked: Requirements
    candidate: Candidate
    jobs: Sequence[Job]
    beyond: Beyond
    known: UserFacts | None = None


def changes_of(check: Check, case: Case) -> tuple[str, ...]:
    """What would make a failed check pass, the least change first; nothing of another outcome."""
    if check.outcome is not Outcome.FAIL:
        return ()
    if check.name == "streams":
        return ()
    if check.name in ("npu_time", "latency"):
        return tuple(dict.fromkeys(_of_times(check.name, case)))
    give = {"operators": _of_operators, "decode": _of_decoder, "memory": _of_memory}.get(check.name)
    found = give(case) if give else iter((translate("a bound of {have}", have=check.have),))
    return tuple(dict.fromkeys(found))


def fewer_streams(checks: Sequence[Check], case: Case) -> str:
    """The most streams of each kind with which no check fails any more; empty where no number does.

    One answer for all checks: what is enough for the decoder alone is none where the NPU needs fewer.
    """
    failed = {check.name for check in checks if check.outcome is Outcome.FAIL}
    if not failed or failed - {"npu_time", "latency", "decode", "memory", "streams"}:
        return ""
    most = max(stream.count for stream in case.asked.streams)
    count = _largest(lambda count: _holds(failed, case, count / most), most - 1)
    return _fewer(case, count / most) if count else ""


def _holds(failed: Collection[str], case: Case, share: float) -> bool:
    jobs = with_streams(case.jobs, share)
    streams = tuple(replace(one, count=_part(one.count, share)) for one in case.asked.streams)
    asked = replace(case.asked, streams=streams)
    board = (decode(asked, case.candidate), memory(jobs, asked, case.candidate, case.known))
    times = all(_passes(name, case, jobs) for name in ("npu_time", "latency") if name in failed)
    return times and all(check is None or check.outcome is not Outcome.FAIL for check in board)


def _of_times(name: str, case: Case) -> Iterator[str]:
    # Where a model has no figure these are what the others leave at most.
    percent = _largest(lambda one: _passes(name, case, with_rates(case.jobs, one / 100)), 99)
    if percent:
        yield translate("rates of at most {percent} % of those asked", percent=percent)
    others = [*_other_models(name, case)]
    yield from others
    excess = _excess(name, case)
    if not (percent or others) and excess > 1:
        yield translate("an NPU {factor} times as fast", factor=significant(excess))


def _excess(name: str, case: Case) -> float:
    """How many times the limit the check takes at best."""
    time = npu_time(case.jobs)
    check = time if name == "npu_time" else latency(case.jobs, case.asked, time)
    return 1 - (check.headroom or 0.0) if check else 1.0


def _largest(passes: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that passes, where all smaller ones do; 0: none."""
    low = 0
    while low < most:
        middle = (low + most + 1) // 2
        low, most = (middle, most) if passes(middle) else (low, middle - 1)
    return low


def with_streams(jobs: Sequence[Job], share: float) -> list[Job]:
    """The jobs with that share of each kind of streams, at least one of each."""
    return [replace(job, stream=replace(job.stream, count=_part(job.stream.count, share))) for job in jobs]


def _part(count: int, share: float) -> int:
    return max(1, math.floor(count * share + 1e-9))


def with_rates(jobs: Sequence[Job], share: float) -> list[Job]:
    """The jobs with that share of each rate."""
    return [replace(job, need=replace(job.need, rate=job.need.rate * share)) for job in jobs]


def _passes(name: str, case: Case, jobs: Sequence[Job]) -> bool:
    """Whether the check of that name passes and none other fails; one without all figures must not fail."""
    time = npu_time(jobs)
    checks = [check for check in (time, latency(jobs, case.asked, time)) if check]
    whole = all(job.time for job in jobs)
    return all(
        check.outcome is Outcome.PASS if check.name == name and whole else check.outcome is not Outcome.FAIL
        for check in checks
    )


def _fewer(case: Case, share: float) -> str:
    parts = [
        translate("{count} of {all} of {name}", count=_part(one.count, share), all=one.count, name=one.name)
        for one in case.asked.streams
        if one.count > 1
    ]
    return translate("fewer streams: {parts}", parts=", ".join(parts))


def _other_models(name: str, case: Case) -> Iterator[str]:
    """Published networks of the costliest model's task on this chip that would do, each with its figure."""
    known = [job for job in case.jobs if job.time]
    if not known or case.beyond.atlas is None:
        return
    costly = max(known, key=lambda job: job.load or 0.0)
    others = _others(case, costly)
    shown = 0
    for network, time in sorted(others, key=lambda one: _nearness(costly, *one)):
        jobs = [replace(job, found=Found(time)) if job is costly else job for job in case.jobs]
        if shown < MOST_OTHERS and _passes(name, case, jobs):
            shown += 1
            load = significant(100 * sum(job.load or 0.0 for job in jobs))
            yield translate(
                "{role} by {network}: {time} ({kind}), {load} % of the NPU's time in all",
                role=costly.need.role,
                network=network.key,
                time=duration(time.time_us),
                kind=kind_words(time),
                load=load,
            )


def _others(case: Case, costly: Job) -> list[tuple[Network, ModelTime]]:
    """Of each other network of its task the fastest whole figure on this chip."""
    asked, atlas = costly.found.network, case.beyond.atlas
    if asked is None or atlas is None:
        return []
    task = asked.task or (atlas.named[asked.name].task if asked.name in atlas.named else "")
    best: dict[str, tuple[Network, ModelTime]] = {}
    for times in atlas.by_chip.get(canonical(case.candidate.chip), {}).values():
        for one in times:
            fitting = one.network.task == task and one.network.key != asked.key and not one.time.at_least
            if not fitting or one.network.head is Head.HOST or not task:
                continue
            known = best.get(one.network.key)
            if known is None or one.time.time_us < known[1].time_us:
                best[one.network.key] = one.network, one.time
    return [*best.values()]


def _nearness(costly: Job, network: Network, time: ModelTime) -> tuple[bool, bool, float]:
    """The same network at another input, then its family, then any; of each the slowest, which does most."""
    asked = costly.found.network
    name = asked.name if asked else ""
    return network.name != name, _family(network.name) != _family(name), -time.time_us


def _family(name: str) -> str:
    """`yolov8` of `yolov8s-seg`: the letters and the number that a name begins with."""
    head = name.partition("-")[0]
    letters = head.rstrip("nstmlx")
    return letters or head


def _of_operators(case: Case) -> Iterator[str]:
    for job in case.jobs:
        if job.missing and job.missing.failed:
            yield translate(
                "{role}: another model, or its part before what fails (npubench convert --cut auto)",
                role=job.need.role,
            )


def _of_decoder(case: Case) -> Iterator[str]:
    codecs = {stream.codec for stream in case.asked.streams} - {"none"}
    for codec in sorted(codecs):
        told, pixels = decoders(codec, case.candidate).first, pixels_of(codec, case.asked)
        if told is None or told.value >= pixels:
            continue
        if told.value == 0:
            yield translate("another codec than {codec}", codec=codec.upper())
            continue
        yield translate(
            "{codec} streams of at most {percent} % of the pixels a second: a lower frame rate or resolution",
            codec=codec.upper(),
            percent=significant(100 * told.value / pixels),
        )


def _of_memory(case: Case) -> Iterator[str]:
    told = memory_of(case.candidate, case.known).first
    frames = frames_bytes(case.asked)
    if told:
        yield translate(
            "a board with more than {size}; frames alone take {frames}",
            size=size(told.value),
            frames=size(frames),
        )
