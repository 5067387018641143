"""From requirements and rows to a decision: a verdict per chip, its caveats, and a ranking."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from npubench.domain.figures import Bound, Kind
from npubench.domain.notes import Note, NoteCode, note_of
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec
from npubench.published.chips import same_chip
from npubench.reporting.data.translate import translate
from npubench.reporting.select.bands import total
from npubench.reporting.select.board_checks import (
    Told,
    decode,
    level_of,
    memory,
    nearest_level,
    power,
    powers_of,
    price,
    prices_of,
)
from npubench.reporting.select.candidate import Candidate, candidates
from npubench.reporting.select.changes import Case, changes_of, fewer_streams
from npubench.reporting.select.checks import Check, Job, Outcome, load_of, share_of, worst
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.npu_checks import (
    accuracy,
    accuracy_room,
    jobs_of,
    latency,
    npu_time,
    operators,
    rows_of,
    untried_of,
)
from npubench.reporting.select.ranking import Ranked, binding, place, score_of, terms_of
from npubench.reporting.select.requirements import Requirements, UserFacts
from npubench.reporting.select.steps import steps_of
from npubench.reporting.select.stream_times import streams_of
from npubench.reporting.select.stream_wording import streams_check
from npubench.reporting.select.ties import are_even
from npubench.reporting.select.times import ORDER, weakest
from npubench.reporting.select.verdict import (
    ChipVerdict,
    Decision,
    Figure,
    Levels,
    caveats_of,
    level_warnings,
    warnings_of,
)


def decide(
    asked: Requirements,
    results: Sequence[Result],
    boards: Sequence[BoardSpec],
    known: Sequence[BoardSpec],
    beyond: Beyond,
    chips: Iterable[str] = (),
) -> Decision:
    """Judge every chip with rows, those of `boards`, and `chips`: what passes first, what fails last.

    `known` are the boards whose facts count, `beyond` is what is known beside the rows.
    """
    found = candidates(results, boards, known, chips)
    user = [_known_of(one, asked) for one in found]
    found = [_with_given(one, own) for one, own in zip(found, user, strict=True)]
    told = [
        (prices_of(one, own, "board"), powers_of(one, own, "board"))
        for one, own in zip(found, user, strict=True)
    ]
    levels = Levels(
        level_of(asked.limits.price_of, [prices for prices, _ in told]),
        level_of(asked.limits.power_of, [powers for _, powers in told]),
    )
    judged = [_judge(asked, one, own, levels, beyond) for one, own in zip(found, user, strict=True)]
    ranked = _ranked(judged, asked, levels)
    warnings = (*warnings_of(ranked), *level_warnings(ranked, levels, asked))
    return Decision(asked, tuple(ranked), warnings, levels)


def _known_of(candidate: Candidate, asked: Requirements) -> UserFacts | None:
    """What the asker knows of its boards and of the chip in any spelling, together: the first of each."""
    boards = {board.casefold() for board in candidate.boards}
    found = [
        one
        for one in asked.known
        if one.board.casefold() in boards or (one.board and same_chip(one.board, candidate.chip))
    ]
    if not found:
        return None
    priced = next((one for one in found if one.price_usd), found[0])
    powered = next((one for one in found if one.power_w), found[0])
    memory = next((one.memory_bytes for one in found if one.memory_bytes), None)
    return replace(
        priced,
        power_w=powered.power_w,
        power_of=powered.power_of,
        memory_bytes=memory,
        facts=tuple(fact for one in found for fact in one.facts),
    )


def _with_given(candidate: Candidate, known: UserFacts | None) -> Candidate:
    """What the asker knows counts before any other fact."""
    facts = candidate.facts
    given = known.facts if known else ()
    return replace(candidate, facts=replace(facts, own=(*given, *facts.own)))


def _judge(
    asked: Requirements, candidate: Candidate, known: UserFacts | None, levels: Levels, beyond: Beyond
) -> ChipVerdict:
    jobs = jobs_of(asked, candidate, beyond)
    prices = prices_of(candidate, known, levels.price)
    powers = powers_of(candidate, known, levels.power)
    case = Case(asked, candidate, jobs, beyond, known)
    found = _checks(case, prices, powers, levels)
    streams = streams_of(asked, jobs, candidate, known)
    # The simulation has its say where the NPU's time is enough and nothing else fails.
    if found[0].outcome is Outcome.PASS and worst(found) is not Outcome.FAIL:
        found = [*found, *streams_check(streams)]
    checks = tuple(_advised(check, case) for check in found)
    fewer = fewer_streams(checks, case)
    decides = binding(checks)
    times = [job.time for job in jobs if job.time]
    least, cost, watts = (
        weakest(times),
        nearest_level(prices, levels.price),
        nearest_level(powers, levels.power),
    )
    return ChipVerdict(
        *(candidate.board, candidate.boards, candidate.chip, ", ".join(candidate.backends)),
        kind=least.kind if least else None,
        origin=least.origin if least else None,
        outcome=worst(checks),
        checks=checks,
        confidence=confidence_of(checks),
        binding=decides.name if decides else None,
        headroom=decides.headroom if decides else None,
        load=load_of(jobs),
        share=share_of(jobs),
        figures=tuple(map(figure_of, jobs)),
        price_usd=cost.value if cost else None,
        price_about=cost.about if cost else "",
        power_w=watts.value if watts else None,
        power_about=watts.about if watts else "",
        accuracy=accuracy_room(jobs),
        cases=tuple(dict.fromkeys(one.case for one in times)),
        caveats=(*caveats_of([job.found for job in jobs]), *untried_lines(jobs)),
        bound=Bound.LOWER if any(one.at_least for one in times) else Bound.EXACT,
        streams=streams,
        fewer_streams=fewer,
        load_band=_band_of(jobs),
        rows=rows_of(jobs),
    )


def _checks(case: Case, prices: Told, powers: Told, levels: Levels) -> list[Check]:
    """Every requirement that is asked."""
    asked, candidate, jobs = case.asked, case.candidate, case.jobs
    time = npu_time(jobs)
    found = (
        time,
        latency(jobs, asked, time),
        decode(asked, candidate),
        memory(jobs, asked, candidate, case.known),
        operators(jobs),
        accuracy(jobs),
        price(asked, prices, levels.price),
        power(asked, powers, levels.power),
    )
    return [check for check in found if check is not None]


def _advised(check: Check, case: Case) -> Check:
    """With what would settle it, or make it pass."""
    steps = steps_of(check, case.jobs, case.candidate, case.asked, case.beyond)
    return replace(check, steps=steps, changes=(*check.changes, *changes_of(check, case)))


def confidence_of(checks: Sequence[Check]) -> float | None:
    """Of the verdict: what the least sure of the checks with a band leaves, as their errors are the same.

    Of a failure it is the chance that the surest of the failing ones is right. None where no band is known.
    """
    outcome = worst(checks)
    deciding = (
        [check for check in checks if check.outcome is Outcome.FAIL] if outcome is Outcome.FAIL else checks
    )
    known = [check.confidence for check in deciding if check.confidence is not None]
    if outcome is Outcome.FAIL:
        sure = any(check.confidence is None for check in deciding)
        return None if sure or not known else 1 - min(known)
    return min(known, default=None)


def _band_of(jobs: Sequence[Job]) -> tuple[float, float] | None:
    """Of the load of all models; None where a model has no time, or none has a band."""
    loads = [job.loads for job in jobs if job.loads]
    whole = total(loads) if len(loads) == len(jobs) else None
    return whole.band if whole and whole.sigma else None


def untried_lines(jobs: Sequence[Job]) -> tuple[str, ...]:
    """That models were never tried on the chip; nothing where all were."""
    names = untried_of(jobs)
    if not names:
        return ()
    return (
        translate(
            "not tried on this chip, so whether they convert is not known: {names}", names=", ".join(names)
        ),
    )


def figure_of(job: Job) -> Figure:
    """What the tables show of one model."""
    time = job.time
    if time is None:
        return Figure(job.need.role, why=job.missing.why if job.missing else "")
    low, high = time.ends or time.uncertain.band
    return Figure(
        *(job.need.role, time.case, time.board, time.kind, time.origin, time.time_us),
        low_us=low if time.sigma else None,
        high_us=high if time.sigma else None,
        share=time.share,
        mode=time.mode,
        precision=time.precision,
        source=time.source,
        bound=Bound.LOWER if time.at_least else Bound.EXACT,
        row=time.result.key if time.result else "",
        places=time.places,
        stability=str(time.result.verdict or "") if time.result and time.kind is Kind.MEASURED else "",
        busy=time.kind is Kind.MEASURED and _was_busy(time.result),
    )


def _was_busy(row: Result | None) -> bool:
    notes = [note_of(one) if isinstance(one, str) else one for one in (row.warnings if row else ())]
    return any(isinstance(one, Note) and one.code is NoteCode.BUSY for one in notes)


def _ranked(judged: Sequence[ChipVerdict], asked: Requirements, levels: Levels) -> list[ChipVerdict]:
    running = [one for one in judged if one.outcome is not Outcome.FAIL and one.kind is not None]
    scored = [one for one in judged if one not in running]
    rankings = [_ranked_by(one, levels) for one in running]
    for one, own in zip(running, rankings, strict=True):
        terms = terms_of(asked.weights, own, rankings)
        scored.append(replace(one, terms=terms, score=score_of(terms)))
    # Of what comes out even the better known stands first.
    scored.sort(
        key=lambda one: (*place(one.checks, one.score, one.timed), *_strength(one), one.chip, one.board)
    )
    ranked: list[ChipVerdict] = []
    for one in scored:
        ranked.append(replace(one, rank=_rank(one, ranked)))
    return ranked


def _strength(one: ChipVerdict) -> tuple[int, int]:
    shaky = sum(figure.is_unstable or figure.busy for figure in one.figures)
    return len(ORDER) if one.kind is None else ORDER[one.kind], shaky


def _rank(one: ChipVerdict, above: Sequence[ChipVerdict]) -> int | None:
    """From 1; what comes out even shares a rank, what fails and what nothing is known of has none."""
    if one.outcome is Outcome.FAIL or one.kind is None:
        return None
    even = next((other.rank for other in above if are_even(other, one)), None)
    return even or len(above) + 1


def _ranked_by(one: ChipVerdict, levels: Levels) -> Ranked:
    """Prices and powers of another level than the one that is compared do not rank."""
    price_usd = one.price_usd if one.price_about == levels.price else None
    power_w = one.power_w if one.power_about == levels.power else None
    return Ranked(one.checks, price_usd, power_w, one.accuracy)
