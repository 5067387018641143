"""From requirements and rows to a decision: a verdict per candidate, its caveats, and a ranking.

The score of a candidate is weights times values between 0 and 1, all of them shown.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npubench import published
from npubench.catalog import Catalog
from npubench.domain.errors import UsageError
from npubench.domain.figures import Bound, Kind
from npubench.domain.records import Result, Verdict
from npubench.domain.specs import BoardSpec
from npubench.domain.text import did_you_mean
from npubench.reporting.data.figures import latency_text, main_latency_us
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select import checks as by
from npubench.reporting.select.candidate import Candidate, SelectedResult, Shapes, candidates
from npubench.reporting.select.checks import BY_OUTCOME, Check, Outcome
from npubench.reporting.select.requirements import Requirements, read_requirements
from npubench.storage.store import Store


@dataclass(frozen=True, slots=True)
class Term:
    """One addend of a score."""

    name: str  # a key of TITLES
    weight: float  # share of all weights
    value: float | None  # 0..1; None: unknown, counts 0
    how: str  # where it comes from, as text

    @property
    def points(self) -> float:
        """What it adds to the score."""
        return self.weight * (self.value or 0.0)


@dataclass(frozen=True, slots=True)
class ChipVerdict:
    """One candidate judged."""

    board: str  # name
    chip: str  # name
    backend: str  # name
    kind: Kind | None  # of its figures; None: it has none
    origin: Kind | None  # simulated: by the publisher's own compiler
    outcome: Outcome  # of the worst check
    checks: tuple[Check, ...]  # a requirement each
    binding: str | None  # name of the check with least room
    headroom: float | None  # share of the capacity left there
    load: float | None  # share of the NPU's time that the job takes
    share: float  # of the NPU that the figures are of
    price_usd: float | None  # of `price_about`
    price_about: str  # chip, module or board
    power_w: float | None  # watts
    cases: tuple[str, ...]  # names of the rows that speak
    caveats: tuple[str, ...]  # how sure it is, a line each
    terms: tuple[Term, ...] = ()  # addends of the score
    score: float | None = None  # 0..1
    rank: int | None = None  # from 1 among those that do not fail
    bound: Bound = Bound.EXACT  # of `load`; lower: times leave something out

    @property
    def jobs(self) -> float | None:
        """How many times the whole job fits into the time of `share` of the NPU."""
        return 1 / self.load if self.load else None


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that text, JSON and page show; all three are made of this alone."""

    asked: Requirements  # what it answers
    verdicts: tuple[ChipVerdict, ...]  # what passes first, best first; what fails last
    warnings: tuple[str, ...]  # what holds for the whole comparison


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
    jobs = by.jobs_of(asked, candidate, shapes)
    known = next((one for one in asked.known if one.board == candidate.board), None)
    price, watts = by.price_of(candidate, asked, known), by.power_of(candidate, known)
    time = by.npu_time(jobs, candidate)
    found = (
        time,
        by.latency(jobs, asked, candidate, time),
        by.decode(asked, candidate),
        by.memory(jobs, asked, candidate, known),
        by.operators(jobs),
        by.accuracy(jobs),
        by.price(asked, price),
        by.power(asked, watts),
    )
    checks = tuple(check for check in found if check is not None)
    outcome = min((check.outcome for check in checks), key=BY_OUTCOME.__getitem__)
    binding = _binding(checks)
    chosen = [job.selected for job in jobs if job.selected]
    return ChipVerdict(
        *(candidate.board, candidate.chip, candidate.backend, candidate.kind, candidate.origin),
        outcome=outcome,
        checks=checks,
        binding=binding.name if binding else None,
        headroom=binding.headroom if binding else None,
        load=by.load_of(jobs),
        share=by.share_of(jobs),
        price_usd=price.value if price else None,
        price_about=price.about if price else "",
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
    return min(known, key=lambda check: check.headroom or 0.0)


def _ranked(judged: Sequence[ChipVerdict], asked: Requirements) -> list[ChipVerdict]:
    running = [one for one in judged if one.outcome is not Outcome.FAIL and one.kind is not None]
    cheapest = min((one.price_usd for one in running if one.price_usd), default=None)
    thriftiest = min((one.power_w for one in running if one.power_w), default=None)
    scored = [one for one in judged if one not in running]
    for one in running:
        terms = terms_of(asked.weights, one.checks, one.price_usd, cheapest, one.power_w, thriftiest)
        scored.append(replace(one, terms=terms, score=score_of(terms)))

    def order(one: ChipVerdict) -> tuple[float | str, ...]:
        score = one.score or 0.0
        return -BY_OUTCOME[one.outcome], -score, one.board, str(one.kind), str(one.origin)

    scored.sort(key=order)
    ranks = itertools.count(1)
    return [replace(one, rank=next(ranks)) if one.score is not None else one for one in scored]


TITLES: Mapping[str, str] = {
    "headroom": "least head-room",
    "price": "price",
    "latency": "latency head-room",
    "accuracy": "accuracy head-room",
    "power": "power",
}


def terms_of(
    weights: Sequence[tuple[str, float]],
    checks: Sequence[Check],
    price: float | None,
    cheapest: float | None,
    power: float | None,
    thriftiest: float | None,
) -> tuple[Term, ...]:
    """The addends in the order of the weights."""
    whole = sum(weight for _, weight in weights)
    room = {check.name: check.headroom for check in checks if check.headroom is not None}
    values = {
        "headroom": _share(min(room.values(), default=None)),
        "latency": _share(room.get("latency")),
        "accuracy": _share(room.get("accuracy")),
        "price": (cheapest / price if price and cheapest else None, _ratio(cheapest, price, "USD")),
        "power": (thriftiest / power if power and thriftiest else None, _ratio(thriftiest, power, "W")),
    }
    return tuple(Term(name, weight / whole, *values[name]) for name, weight in weights)


def score_of(terms: Sequence[Term]) -> float:
    """The sum of all points."""
    return sum(term.points for term in terms)


def _share(headroom: float | None) -> tuple[float | None, str]:
    if headroom is None:
        return None, translate("unknown counts 0")
    return min(1.0, max(0.0, headroom)), f"{significant(headroom * 100)} %"


def _ratio(best: float | None, own: float | None, unit: str) -> str:
    if not best or not own:
        return translate("unknown counts 0")
    return f"{best:.6g} {unit} / {own:.6g} {unit}"


_PUBLISHED_SIMULATION = "times that the publisher's compiler simulated, not measured by anybody"
_BASES = {
    Kind.MEASURED: "times of the board itself",
    Kind.SIMULATED: "times of the vendor's simulator, not checked on a board",
    Kind.PREDICTED: "times that npubench predicts, not checked on a board",
    Kind.PUBLISHED: "times that somebody published, not measured here",
}


def caveats_of(candidate: Candidate, chosen: Sequence[SelectedResult]) -> tuple[str, ...]:
    """One line each, the basis first."""
    if candidate.kind is None:
        return (translate("no row of it has a figure"),)
    simulated = candidate.origin is Kind.SIMULATED
    lines = [translate(_PUBLISHED_SIMULATION) if simulated else translate(_BASES[candidate.kind])]
    modes = sorted({c.figures.npu_mode for c in chosen if c.share < 1})
    if modes:
        lines.append(
            translate("figures of a part of the NPU (mode {modes}), not of the chip", modes=", ".join(modes))
        )
    shaky = [c.result for c in chosen if c.result.verdict not in (None, Verdict.STABLE)]
    if shaky and candidate.kind is Kind.MEASURED:
        names = ", ".join(f"{row.case} {translate(str(row.verdict))}" for row in shaky)
        lines.append(translate("not stable: {names}", names=names))
    for one in chosen:
        if one.at_least is not None:
            told = latency_text(one.figures, main_latency_us(one.figures) or one.time_us)
            text = {"case": one.result.case, "latency": told}
            lines.append(
                translate("{case}: {latency}: a lower bound may fail a requirement and passes none", **text)
            )
    if any(c.result.emulated for c in chosen):
        lines.append(translate("the board is emulated: only its simulator's times count"))
    return tuple(lines)


def warnings_of(judged: Sequence[ChipVerdict]) -> tuple[str, ...]:
    """What holds for the whole comparison."""
    lines = []
    backends = sorted({one.backend for one in judged if Kind.SIMULATED in (one.kind, one.origin)})
    if len(backends) > 1:
        lines.append(
            translate(
                "simulators of several vendors ({names}) stand side by side: each has its own model of clock "
                "and memory, so their times are no comparison of chips",
                names=", ".join(backends),
            )
        )
    if len({(one.kind, one.origin) for one in judged if one.kind}) > 1:
        lines.append(translate("figures of several kinds: compare within a kind before you compare across"))
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """What `select` is asked."""

    requirements: Path  # streams, models, bounds and weights, as TOML
    out: Path  # a folder of results; it may be missing where `published` is weighed
    others: tuple[Path, ...] = ()  # further folders of results
    published: bool = False  # whether the published results that come with npubench are weighed, too
    boards: tuple[str, ...] = ()  # only these, also without results; nothing is all that have some


@dataclass(frozen=True, slots=True)
class Selected:
    """A decision and what it was made of."""

    decision: Decision  # which chips do the job, and why the others do not
    rows: Sequence[Result]  # that were weighed
    boards: Sequence[BoardSpec]  # every known one, those that were asked for first


def choose(options: SelectOptions, catalog: Catalog) -> Selected:
    """Decide; the texts are in the language of now.

    Raises UsageError for requirements that do not read, a folder without results, and an unknown board.
    """
    asked = read_requirements(options.requirements)
    rows = _rows(options)
    named = dict.fromkeys([*options.boards, *(one.board for one in asked.known)])
    specs = [catalog.boards[name] for name in named if name in catalog.boards]
    known = {row.board for row in rows} | set(catalog.boards)
    for board in options.boards:
        if board not in known:
            hint = did_you_mean(board, known)
            raise UsageError(
                f"no board is called {board!r}{hint}, and no result is of one: see npubench list boards"
            )
    boards = [*specs, *(spec for spec in catalog.boards.values() if spec not in specs)]
    shapes = {model.name: [one.shape for one in model.inputs] for model in catalog.models.values()}
    return Selected(decide(asked, rows, specs, boards, shapes), rows, boards)


def _rows(options: SelectOptions) -> list[Result]:
    rows: list[Result] = []
    spared = options.published and not (options.out / "results.db").is_file()
    for folder in (*(() if spared else (options.out,)), *options.others):
        with Store.read(folder / "results.db") as store:
            rows += store.latest()
    rows += published.results() if options.published else []
    return [row for row in rows if not options.boards or row.board in options.boards]
