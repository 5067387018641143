"""From requirements and rows to a decision: a verdict per candidate, and a ranking of those that may do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from npubench.domain.records import Bound, Kind, Result
from npubench.domain.specs import BoardSpec
from npubench.reporting.select import board_checks, npu_checks
from npubench.reporting.select.candidate import Candidate, Chosen, Shapes, candidates
from npubench.reporting.select.caveats import caveats_of, warnings_of
from npubench.reporting.select.outcome import Check, Outcome
from npubench.reporting.select.ranking import Term, score_of, terms_of
from npubench.reporting.select.requirements import Requirements

_ORDER = {Outcome.PASS: 0, Outcome.UNKNOWN: 1, Outcome.FAIL: 2}


@dataclass(frozen=True, slots=True)
class ChipVerdict:
    """One candidate judged. `binding` names the check with least room, `headroom` is its share left.

    `jobs` is how many times the whole job fits into the NPU's time, from figures of `share` of the NPU.
    `rank` counts from 1 among those that do not fail; `score` in [0, 1]. `bound` is that of `load`: lower
    where times leave something out.
    """

    board: str
    chip: str
    backend: str
    kind: Kind | None
    origin: Kind | None
    outcome: Outcome
    checks: tuple[Check, ...]
    binding: str | None
    headroom: float | None
    load: float | None
    share: float
    price_usd: float | None
    price_about: str
    power_w: float | None
    cases: tuple[str, ...]
    caveats: tuple[str, ...]
    terms: tuple[Term, ...] = ()
    score: float | None = None
    rank: int | None = None
    bound: Bound = Bound.EXACT

    @property
    def jobs(self) -> float | None:
        """How many times the whole job fits."""
        return 1 / self.load if self.load else None


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that text, JSON and page show; all three are made of this alone."""

    asked: Requirements
    verdicts: tuple[ChipVerdict, ...]
    warnings: tuple[str, ...]


def decide(
    asked: Requirements,
    results: Sequence[Result],
    boards: Sequence[BoardSpec],
    known: Sequence[BoardSpec],
    shapes: Shapes,
) -> Decision:
    """Judge every board with rows, and those of `boards`: what passes first, best first; what fails last.

    `known` are the boards whose facts count, `shapes` the declared inputs of cases.
    """
    judged = [_judge(asked, candidate, shapes) for candidate in candidates(results, boards, known)]
    ranked = _ranked(judged, asked)
    return Decision(asked, tuple(ranked), warnings_of(ranked))


def _judge(asked: Requirements, candidate: Candidate, shapes: Shapes) -> ChipVerdict:
    jobs = npu_checks.jobs_of(asked, candidate, shapes)
    known = next((one for one in asked.known if one.board == candidate.board), None)
    told = board_checks.price_of(candidate, asked, known)
    power, watts = board_checks.power(asked, candidate, known)
    time = npu_checks.npu_time(jobs, candidate)
    found = (
        time,
        npu_checks.latency(jobs, asked, candidate, time),
        board_checks.decode(asked, candidate),
        board_checks.memory(jobs, asked, candidate, known),
        npu_checks.operators(jobs),
        npu_checks.accuracy(jobs),
        board_checks.price(asked, told),
        power,
    )
    checks = tuple(check for check in found if check is not None)
    outcome = max((check.outcome for check in checks), key=lambda one: _ORDER[one])
    binding = _binding(checks)
    chosen = [job.found for job in jobs if isinstance(job.found, Chosen)]
    return ChipVerdict(
        *(candidate.board, candidate.chip, candidate.backend, candidate.kind, candidate.origin),
        outcome=outcome,
        checks=checks,
        binding=binding.name if binding else None,
        headroom=binding.headroom if binding else None,
        load=npu_checks.load_of(jobs),
        share=npu_checks.share_of(jobs),
        price_usd=told.value if told else None,
        price_about=told.about if told else "",
        power_w=watts.value if watts else None,
        cases=tuple(dict.fromkeys(one.result.case for one in chosen)),
        caveats=caveats_of(candidate, chosen),
        bound=Bound.LOWER if any(one.at_least for one in chosen) else Bound.EXACT,
    )


def _binding(checks: Sequence[Check]) -> Check | None:
    """What decides: of the failed ones that with least room, else of all that have a head-room."""
    failed = [check for check in checks if check.outcome is Outcome.FAIL]
    known = [check for check in failed or checks if check.headroom is not None]
    if not known:
        return failed[0] if failed else None
    return min(known, key=lambda check: check.headroom if check.headroom is not None else 0.0)


def _ranked(judged: Sequence[ChipVerdict], asked: Requirements) -> list[ChipVerdict]:
    running = [one for one in judged if one.outcome is not Outcome.FAIL and one.kind is not None]
    cheapest = min((one.price_usd for one in running if one.price_usd), default=None)
    thriftiest = min((one.power_w for one in running if one.power_w), default=None)
    scored = []
    for one in judged:
        if one in running:
            facts = (one.checks, one.price_usd, cheapest, one.power_w, thriftiest)
            terms = terms_of(asked.weights, *facts)
            scored.append(replace(one, terms=terms, score=score_of(terms)))
        else:
            scored.append(one)
    scored.sort(
        key=lambda one: (_ORDER[one.outcome], -(one.score or 0.0), one.board, str(one.kind), str(one.origin))
    )
    ranks = iter(range(1, len(scored) + 1))
    return [replace(one, rank=next(ranks)) if one.score is not None else one for one in scored]
