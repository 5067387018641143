"""What was decided of a chip and of all: what text, JSON and page are made of, and what is said of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.figures import Bound, Kind
from npubench.domain.records import Verdict
from npubench.published.atlas import publisher_of
from npubench.reporting.data.figures import latency_text, main_latency_us
from npubench.reporting.data.formatting import duration
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.doubt import Strength
from npubench.reporting.select.checks import TITLES, Check, Outcome, Step
from npubench.reporting.select.ranking import Term
from npubench.reporting.select.requirements import Requirements
from npubench.reporting.select.streams import StreamsVerdict
from npubench.reporting.select.times import Found, ModelTime


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a figure may not be what it says."""

    strength: Strength  # strong: look at it before the figure is used
    reason: str  # one sentence
    next_step: str  # what to do


@dataclass(frozen=True, slots=True)
class Figure:
    """What is known of one model on a chip, with its kind."""

    role: str  # what the model is for
    case: str = ""  # what its row calls it
    board: str = ""  # that it is of, or the table that has it
    kind: Kind | None = None  # where it comes from; None: nothing is known
    origin: Kind | None = None  # simulated: by the publisher's own compiler
    time_us: float | None = None  # NPU time of one inference
    low_us: float | None = None  # of its 90 % band; None: no band is known
    high_us: float | None = None  # of its 90 % band; None: no band is known
    share: float = 1.0  # of the NPU that it is of
    mode: str = ""  # the vendor's name of what ran
    precision: str = ""  # of the artifact
    source: str = ""  # publication, or what a prediction rests on
    bound: Bound = Bound.EXACT  # lower: it leaves something out
    why: str = ""  # there is none
    row: str = ""  # key of the row of a workspace that it is of
    places: tuple[str, ...] = ()  # `table:line` of published figures
    stability: str = ""  # how far the latency of its row can be relied on; empty: nobody judged
    busy: bool = False  # other programs ran on its board before it was timed
    doubts: tuple[Suspicion, ...] = ()  # the strong first

    @property
    def is_doubtful(self) -> bool:
        """Whether a doubt about it is strong."""
        return any(one.strength is Strength.STRONG for one in self.doubts)

    @property
    def is_unstable(self) -> bool:
        """Whether its row is known not to be stable."""
        return self.stability not in ("", Verdict.STABLE)


@dataclass(frozen=True, slots=True)
class ChipVerdict:
    """One chip judged."""

    board: str  # name of the board that it is named by
    boards: tuple[str, ...]  # all that carry it
    chip: str  # name
    backend: str  # names of what made its rows
    kind: Kind | None  # weakest of its figures, which names their sums; None: it has none
    origin: Kind | None  # simulated: by the publisher's own compiler
    outcome: Outcome  # of the worst check
    checks: tuple[Check, ...]  # a requirement each
    confidence: float | None  # chance that the verdict is right, of pass or fail; None: no band is known
    binding: str | None  # name of the check with least room
    headroom: float | None  # share of the capacity left there
    load: float | None  # share of the NPU's time that the job takes
    share: float  # of the NPU that the figures are of
    figures: tuple[Figure, ...]  # one a model, in the order of the requirements
    price_usd: float | None  # of `price_about`
    price_about: str  # chip, module or board
    power_w: float | None  # watts
    power_about: str  # chip, module or board
    accuracy: float | None  # least share of the allowed error that is left
    cases: tuple[str, ...]  # names of the rows that speak
    caveats: tuple[str, ...]  # how sure it is, a line each
    streams: StreamsVerdict | None = None  # cameras that hold their rate, simulated; None: not tried
    fewer_streams: str = ""  # the most of them with which nothing fails; empty: none, or nothing fails
    terms: tuple[Term, ...] = ()  # addends of the score
    score: float | None = None  # 0..1
    rank: int | None = None  # from 1 among those that do not fail
    bound: Bound = Bound.EXACT  # of `load`; lower: times leave something out
    load_band: tuple[float, float] | None = None  # ends of its 90 % band; None: no band is known
    rows: tuple[str, ...] = ()  # keys of the rows that had a part in it: times, accuracies, failures

    @property
    def steps(self) -> tuple[Step, ...]:
        """What would settle its unknowns, each once; nothing where it fails whatever they are."""
        if self.outcome is Outcome.FAIL:
            return ()
        return tuple(dict.fromkeys(step for check in self.checks for step in check.steps))

    @property
    def changes(self) -> tuple[str, ...]:
        """What would make its failures pass: of all together first, then check by check, each named."""
        own = [f"{translate(TITLES[check.name])}: {one}" for check in self.checks for one in check.changes]
        return tuple(dict.fromkeys(filter(None, (self.fewer_streams, *own))))

    @property
    def timed(self) -> float:
        """Share of the models with a time."""
        return sum(one.time_us is not None for one in self.figures) / len(self.figures)

    @property
    def jobs(self) -> float | None:
        """How many times the whole job fits into the time of `share` of the NPU."""
        return 1 / self.load if self.load else None


@dataclass(frozen=True, slots=True)
class Levels:
    """What all prices and all powers that are compared are of: chip, module or board."""

    price: str
    power: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that text, JSON and page show; all three are made of this alone."""

    asked: Requirements  # what it answers
    verdicts: tuple[ChipVerdict, ...]  # what passes first, best first; what fails last
    warnings: tuple[str, ...]  # what holds for the whole comparison
    levels: Levels = Levels("board", "board")  # of prices and powers


_PUBLISHED_SIMULATION = "times that the publisher's compiler simulated, not measured by anybody"
_BASES = {
    Kind.MEASURED: "times of the board itself",
    Kind.SIMULATED: "times of the vendor's simulator, not checked on a board",
    Kind.PREDICTED: "times that npubench predicts, not checked on a board",
    Kind.PUBLISHED: "times that somebody published, not measured here",
}


def caveats_of(found: Sequence[Found]) -> tuple[str, ...]:
    """One line each, the bases first, of several kinds each with the models that it is of."""
    chosen = [one.best for one in found if one.best]
    if not chosen:
        return (translate("no row of it has a figure"),)
    bases: dict[str, list[str]] = {}
    for one in chosen:
        basis = _PUBLISHED_SIMULATION if one.origin is Kind.SIMULATED else _BASES[one.kind]
        bases.setdefault(basis, []).append(one.case)
    several = len(bases) > 1
    lines = [
        f"{', '.join(dict.fromkeys(names))}: {translate(basis)}" if several else translate(basis)
        for basis, names in bases.items()
    ]
    modes = sorted({one.mode for one in chosen if one.share < 1})
    if modes:
        lines.append(
            translate("figures of a part of the NPU (mode {modes}), not of the chip", modes=", ".join(modes))
        )
    shaky = [one.result for one in chosen if one.kind is Kind.MEASURED and one.result]
    shaky = [row for row in shaky if row.verdict not in (None, Verdict.STABLE)]
    if shaky:
        names = ", ".join(f"{row.case} {translate(str(row.verdict))}" for row in shaky)
        lines.append(translate("not stable: {names}", names=names))
    lines += [_left_out(one) for one in chosen if one.at_least]
    lines += [line for one in found for line in _otherwise(one)]
    if any(one.result and one.result.emulated for one in chosen):
        lines.append(translate("the board is emulated: only its simulator's times count"))
    return tuple(lines)


APART = 1.25
"""Figures of two publishers of one network on one chip that differ by more than this factor are told."""


def _otherwise(found: Found) -> list[str]:
    """The slowest of other publishers' figures of the same precision and part, where it is far off."""
    best = found.best
    if best is None or best.kind is not Kind.PUBLISHED:
        return []
    others = [
        one
        for one in found.others
        if publisher_of(one.source) != publisher_of(best.source)
        and (one.kind, one.precision, one.share) == (best.kind, best.precision, best.share)
        and not one.at_least
        and one.time_us > APART * best.time_us
    ]
    slowest = max(others, key=lambda one: one.time_us, default=None)
    if slowest is None:
        return []
    return [
        translate(
            "{case}: {other} publishes {time}, {best} {own}",
            case=best.case,
            other=publisher_of(slowest.source),
            time=duration(slowest.time_us),
            best=publisher_of(best.source),
            own=duration(best.time_us),
        )
    ]


def _left_out(one: ModelTime) -> str:
    figures = next((f for f in (one.result.all_figures if one.result else ()) if f.kind is one.kind), None)
    told = latency_text(figures, main_latency_us(figures) or one.time_us) if figures else ""
    return translate(
        "{case}: {latency}: a lower bound may fail a requirement and passes none", case=one.case, latency=told
    )


def warnings_of(judged: Sequence[ChipVerdict]) -> tuple[str, ...]:
    """What holds for the whole comparison."""
    lines = []
    simulated = [one for one in judged if any(Kind.SIMULATED in (f.kind, f.origin) for f in one.figures)]
    backends = sorted({one.backend for one in simulated})
    if len(backends) > 1:
        lines.append(
            translate(
                "simulators of several vendors ({names}) stand side by side: each has its own model of clock "
                "and memory, so their times are no comparison of chips",
                names=", ".join(backends),
            )
        )
    if len({(f.kind, f.origin) for one in judged for f in one.figures if f.kind}) > 1:
        lines.append(translate("figures of several kinds: each names its own, and a sum its weakest"))
    return tuple(lines)


def level_warnings(judged: Sequence[ChipVerdict], levels: Levels, asked: Requirements) -> tuple[str, ...]:
    """Which prices and powers are of another level than the one that is compared and do not rank."""
    ranking = {name for name, _ in asked.weights}
    lines = []
    if "price" in ranking or asked.limits.price_usd:
        lines += _other_level("price", levels.price, [(v.chip, v.price_about) for v in judged if v.price_usd])
    if "power" in ranking or asked.limits.power_w:
        lines += _other_level("power", levels.power, [(v.chip, v.power_about) for v in judged if v.power_w])
    return tuple(lines)


def _other_level(what: str, level: str, told: Sequence[tuple[str, str]]) -> list[str]:
    other = [f"{chip} ({translate(about)})" for chip, about in told if about != level]
    if not other:
        return []
    return [
        translate(
            "{what} is compared of one level, the {level}: not of {names}",
            what=translate(what),
            level=translate(level),
            names=", ".join(other),
        )
    ]
