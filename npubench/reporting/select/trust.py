"""How far the figures of a decision can be relied on: their kinds, bands, doubts and unstable rows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate, translate_count
from npubench.reporting.sanity.doubt import Strength
from npubench.reporting.select.verdict import ChipVerdict, Decision, Figure, Suspicion
from npubench.reporting.select.wording import kind_words

KindOf = tuple[Kind | None, Kind | None]
"""Kind of a figure, None where there is none, and what it was for its publisher."""

ORDER: tuple[KindOf, ...] = (
    *((kind, origin) for kind in Kind for origin in (None, Kind.SIMULATED)),
    (None, None),
)


@dataclass(frozen=True, slots=True)
class Doubted:
    """A figure that is doubted."""

    chip: str
    role: str  # of the model
    suspicion: Suspicion


@dataclass(frozen=True, slots=True)
class Trust:
    """Of the figures that speak for the models."""

    asked: int  # models times chips
    kinds: tuple[tuple[KindOf, int], ...]  # how many there are of each, the strongest first
    doubted: tuple[Doubted, ...]  # the strong first
    doubtful: int  # figures with a strong doubt
    unstable: tuple[str, ...]  # `CHIP: CASE VERDICT` of each row that is not stable
    contested: int  # requirements of chips whose outcome another fact would turn
    busy: int  # rows timed while other programs ran on their board
    widest: float | None  # upper over lower end of the widest 90 % band; None: there is none


def trust_of(decision: Decision) -> Trust:
    """All of it, of every chip that was weighed."""
    figures = [*_figures(decision)]
    counted = Counter((figure.kind, figure.origin) for _, figure in figures)
    doubted = [Doubted(one.chip, figure.role, told) for one, figure in figures for told in figure.doubts]
    bands = [f.high_us / f.low_us for _, f in figures if f.low_us and f.high_us and f.kind is Kind.PREDICTED]
    return Trust(
        asked=len(figures),
        kinds=tuple((kind, counted[kind]) for kind in ORDER if counted[kind]),
        doubted=tuple(sorted(doubted, key=lambda one: one.suspicion.strength is Strength.WEAK)),
        doubtful=sum(figure.is_doubtful for _, figure in figures),
        unstable=tuple(
            f"{one.chip}: {figure.case} {translate(figure.stability)}"
            for one, figure in figures
            if figure.is_unstable
        ),
        contested=sum(check.contested for one in decision.verdicts for check in one.checks),
        busy=len({figure.row for _, figure in figures if figure.busy}),
        widest=max(bands, default=None),
    )


def kinds_of(figures: Iterable[Figure]) -> tuple[KindOf, ...]:
    """Kinds that there is a figure of, the strongest first."""
    there = {(figure.kind, figure.origin) for figure in figures if figure.kind}
    return tuple(kind for kind in ORDER if kind in there)


def _figures(decision: Decision) -> Iterator[tuple[ChipVerdict, Figure]]:
    yield from ((one, figure) for one in decision.verdicts for figure in one.figures)


def trust_line(trust: Trust) -> str:
    """`72 figures of models: 49 % published, 48 % predicted (90 % bands up to × 12), 3 % unknown; ...`."""
    if not trust.asked:
        return ""
    parts = [f"{_share(count, trust.asked)} {_word(kind, trust)}" for kind, count in trust.kinds]
    figures = translate_count(trust.asked, "{count} figure of models", "{count} figures of models")
    said = translate("{said}: {next}", said=figures, next=translate(", ").join(parts))
    parts = [said, _doubts(trust), _unstable(trust)]
    if trust.contested:
        parts.append(
            translate_count(
                trust.contested,
                "{count} outcome would turn by another fact",
                "{count} outcomes would turn by another fact",
            )
        )
    if trust.busy:
        parts.append(
            translate_count(trust.busy, "{count} row on a busy machine", "{count} rows on a busy machine")
        )
    return translate("{parts}.", parts=translate("; ").join(parts))


def _word(kind: KindOf, trust: Trust) -> str:
    if kind[0] is None:
        return translate("unknown")
    if kind[0] is Kind.PREDICTED and trust.widest:
        band = translate("90 % bands up to × {factor} wide", factor=significant(trust.widest, 2))
        return f"{kind_words(*kind)} ({band})"
    return kind_words(*kind)


def _share(count: int, whole: int) -> str:
    """Never 0 % of what is there, nor 100 % where something else is, too."""
    share = 100 * count / whole
    if share < 1:
        return "< 1 %"
    return "> 99 %" if 99 < share < 100 else f"{share:.0f} %"


def _doubts(trust: Trust) -> str:
    weak = len({(one.chip, one.role) for one in trust.doubted}) - trust.doubtful
    if not trust.doubted:
        return translate("none is doubted")
    strong = translate_count(trust.doubtful, "{count} is doubtful", "{count} are doubtful")
    if not trust.doubtful:
        return translate("{count} with a weak doubt", count=weak)
    return strong + (translate(", {count} more with a weak doubt", count=weak) if weak > 0 else "")


def _unstable(trust: Trust) -> str:
    count = len(trust.unstable)
    if not count:
        return translate("no row is unstable")
    return translate_count(count, "{count} row is not stable", "{count} rows are not stable")


def rests_on(verdict: ChipVerdict) -> str:
    """What the figures of one chip are: `published`, or `1 published, 1 predicted` where they differ."""
    counted = Counter((figure.kind, figure.origin) for figure in verdict.figures)
    kinds = [(kind, counted[kind]) for kind in ORDER if counted[kind]]
    if len(kinds) == 1:
        return kind_words(*kinds[0][0]) if kinds[0][0][0] else translate("no figure")
    return translate(", ").join(
        f"{count} {kind_words(*kind) if kind[0] else translate('unknown')}" for kind, count in kinds
    )
