"""How sure a page is, in one line above its figures: unsteady rows, busy machines, doubts, bounds."""

from collections.abc import Iterator, Sequence

from npubench.domain.figures import Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind
from npubench.reporting.data.figures import bounds_of
from npubench.reporting.data.tables import was_busy
from npubench.reporting.data.translate import listed
from npubench.reporting.first.answer import counted
from npubench.reporting.first.said import Said, said
from npubench.reporting.first.sentences import Sentence
from npubench.reporting.sanity.doubt import Doubt, Strength
from npubench.reporting.sanity.reliance import UNSTEADY, Standing, main_figures


def trust(results: Sequence[Result], doubts: Sequence[Doubt], ranked: CaseKind | None) -> list[Said]:
    """Statements, each with the part of the page that tells more; at least one; `ranked`: what is ranked."""
    ran = [row for row in results if row.status is Status.OK]
    if not ran:
        return [said(Sentence.NOTHING_RAN if results else Sentence.NO_ROWS)]
    return [*_steadiness(ran, ranked), *_busy(ran, ranked), *_doubts(doubts), *_not_times(ran, ranked)]


def _place_of(rows: Sequence[Result], ranked: CaseKind | None) -> str:
    """The part of the page that has these rows: the ranking, or the table of what stands in none."""
    return "ranking" if any(row.case_kind is ranked for row in rows) else rows[0].case_kind.value


def _steadiness(ran: Sequence[Result], ranked: CaseKind | None) -> Iterator[Said]:
    measured = [row for row in ran if _is_measured(row)]
    if not measured:
        yield said(Sentence.NOT_MEASURED)
        return
    shaky = [row for row in measured if row.verdict and Standing(row.verdict.value) in UNSTEADY]
    if shaky:
        text = Sentence.UNSTEADY
        known = {"count": len(shaky), "all": len(measured), "reasons": _verdicts(shaky)}
        yield said(text, known, _place_of(shaky, ranked), "warn")
    unjudged = [row for row in measured if row.verdict is None]
    if unjudged:
        text = Sentence.UNJUDGED
        known = {"count": len(unjudged), "all": len(measured)}
        yield said(text, known, _place_of(unjudged, ranked), "warn")
    if not shaky and not unjudged:
        one, many = Sentence.ONE_STABLE, Sentence.ALL_STABLE
        text = one if len(measured) == 1 else many
        yield said(text, {"count": len(measured)}, "", "good")


def _verdicts(rows: Sequence[Result]) -> str:
    return counted([Standing(row.verdict.value) for row in rows if row.verdict])


def _is_measured(row: Result) -> bool:
    figures = main_figures(row)
    timed = figures is not None and figures.kind is Kind.MEASURED and figures.latency_us is not None
    return timed and not row.emulated


def _busy(ran: Sequence[Result], ranked: CaseKind | None) -> Iterator[Said]:
    busy = [row for row in ran if was_busy(row)]
    if busy:
        text = Sentence.ROW_BUSY if len(busy) == 1 else Sentence.ROWS_BUSY
        yield said(text, {"count": len(busy)}, _place_of(busy, ranked), "warn")


def _doubts(doubts: Sequence[Doubt]) -> Iterator[Said]:
    strong = sum(doubt.strength is Strength.STRONG for doubt in doubts)
    weak = len(doubts) - strong
    if strong:
        text = Sentence.STRONG_DOUBT if strong == 1 else Sentence.STRONG_DOUBTS
        yield said(text, {"count": strong}, "doubts", "bad")
    if weak:
        text = Sentence.WEAK_DOUBT if weak == 1 else Sentence.WEAK_DOUBTS
        yield said(text, {"count": weak}, "doubts", "warn")
    if not doubts:
        yield said(Sentence.NO_DOUBTS, level="good")


def _not_times(ran: Sequence[Result], ranked: CaseKind | None) -> Iterator[Said]:
    """What stands in the page and is no time of a chip: bounds, and figures of emulated boards."""
    bounds = [row for row in ran if bounds_of(main_figures(row)) is not None]
    if bounds:
        text = Sentence.BOUND if len(bounds) == 1 else Sentence.BOUNDS
        yield said(text, {"count": len(bounds)}, _place_of(bounds, ranked), "warn")
    emulated = [row for row in ran if row.emulated]
    if emulated:
        names = sorted({row.board for row in emulated})
        boards = listed([*names[:3], *(["…"] if len(names) > 3 else [])])
        text = Sentence.EMULATED_BOARD if len(names) == 1 else Sentence.EMULATED_BOARDS
        yield said(text, {"boards": boards}, _place_of(emulated, ranked), "warn")
