"""Rounds that agree too well: repeated, copied or made up. No two rounds of a board take the same time."""

from collections.abc import Iterator, Sequence

from npubench.domain.records import Kind, Latency, Result
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of
from npubench.reporting.sanity.times import measured_of, typical_us

LEAST_ROUNDS = 3
LEAST_RUNS = 10
QUIETEST = 2e-4
"""Share of a time by which even the quietest boards' rounds differ; the steadiest published is 0.3 %."""

CERTAIN = 1e-5
"""A last digit of this share of the time and less cannot be the same in every round."""


def unlikely_spreads(results: Sequence[Result]) -> Iterator[Doubt]:
    """Measured rows without any spread, where the digits that are told would show one."""
    for row in results:
        figures = measured_of(row)
        # Of published rows one number is told; a simulation has no spread to begin with.
        if figures is None or figures.kind is not Kind.MEASURED or figures.latency_us is None:
            continue
        strong, evidence = _evidence(figures.latency_us)
        copied = _copied(figures.samples_us)
        if copied:
            strong, evidence = True, [*evidence, copied]
        if evidence:
            yield doubt_of(
                row,
                DoubtClass.UNLIKELY_SPREAD,
                Strength.STRONG if strong else Strength.WEAK,
                say("its runs agree better than runs of a board do: copied, cached or not measured"),
                *evidence,
            )


def _evidence(latency: Latency) -> tuple[bool, list[str]]:
    time = typical_us(latency)
    if time is None:
        return False, []
    evidence = []
    rounds = latency.rounds_p50
    if len(rounds) >= LEAST_ROUNDS and len(set(rounds)) == 1:
        evidence.append(
            say("{count} rounds, each with the median {us} us", count=len(rounds), us=f"{rounds[0]:.12g}")
        )
    elif not rounds and latency.spread == 0 and latency.n >= LEAST_RUNS:
        evidence.append(say("its spread is zero over {count} runs", count=latency.n))
    if latency.n >= LEAST_RUNS and (
        latency.std == 0 or (latency.min is not None and latency.min == latency.max)
    ):
        evidence.append(say("{count} runs, all of {us} us", count=latency.n, us=f"{latency.mean:.12g}"))
    if evidence:
        # A clock of coarse steps may well show nothing: then there is nothing to doubt.
        step = _step(latency) / time
        return step <= CERTAIN, evidence if step <= QUIETEST else []
    # A tool may print its runs more coarsely than their medians; nothing explains medians this close.
    return max(rounds, default=0.0) - min(rounds, default=0.0) <= CERTAIN * time, _finer(latency)


def _finer(latency: Latency) -> list[str]:
    """Medians of rounds that differ by less than the steps of the clock that the runs were read from."""
    rounds = latency.rounds_p50
    known = [one for one in (latency.min, latency.max, latency.p90, latency.p99) if one is not None]
    if len(rounds) < LEAST_ROUNDS or len(known) < 4 or len(set(known)) < 4:
        return []
    step, apart = _power_of_ten(known), max(rounds) - min(rounds)
    # A median is a run or the mean of two: half a step is the least there is.
    if not 0 < apart < 0.499 * step:
        return []
    return [
        say(
            "medians of rounds lie {apart} us apart, and the clock's steps are {step} us",
            apart=significant(apart),
            step=f"{step:.6g}",
        )
    ]


def _step(latency: Latency) -> float:
    """The last digit that is told, us: the largest power of ten that divides all figures of runs."""
    runs = (latency.min, latency.max, latency.p50, latency.p90, latency.p99, *latency.rounds_p50)
    known = [one for one in runs if one]
    return _power_of_ten(known or [latency.mean])


def _power_of_ten(values: Sequence[float]) -> float:
    for exponent in range(6, -7, -1):
        step = 10.0**exponent
        if all(
            abs(value / step - round(value / step)) < 1e-6 * max(1.0, abs(value / step) * 1e-6)
            for value in values
        ):
            return step
    return 1e-6


def _copied(rounds: Sequence[Sequence[float]]) -> str:
    """Two rounds with the same runs in the same order, and runs that differ."""
    seen: dict[tuple[float, ...], int] = {}
    for at, one in enumerate(rounds):
        runs = tuple(one)
        if len(runs) < LEAST_RUNS or len(set(runs)) < 3:
            continue
        if runs in seen:
            return say("round {other} has the very runs of round {one}", other=at + 1, one=seen[runs] + 1)
        seen[runs] = at
    return ""
