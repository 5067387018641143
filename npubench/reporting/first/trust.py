"""How sure a page is, in one line above its figures: unsteady rows, busy machines, doubts, bounds."""

from collections.abc import Iterator, Sequence

from npubench.domain.figures import Kind
from npubench.domain.notes import NoteCode
from npubench.domain.records import Result, Status
from npubench.reporting.data.figures import bounds_of
from npubench.reporting.data.tables import code_of
from npubench.reporting.first.answer import counted
from npubench.reporting.first.said import Said, said
from npubench.reporting.first.sentences import Sentence
from npubench.reporting.sanity.doubt import Doubt, Strength
from npubench.reporting.sanity.reliance import UNSTEADY, Standing, main_figures


def trust(results: Sequence[Result], doubts: Sequence[Doubt]) -> list[Said]:
    """Statements, each with the part of the page that tells more; one at least."""
    ran = [row for row in results if row.status is Status.OK]
    if not ran:
        return [said(Sentence.NOTHING_RAN if results else Sentence.NO_ROWS)]
    return [*_steadiness(ran), *_busy(ran), *_doubts(doubts), *_not_times(ran)]


def _steadiness(ran: Sequence[Result]) -> Iterator[Said]:
    measured = [row for row in ran if _is_measured(row)]
    if not measured:
        yield said(Sentence.NOT_MEASURED)
        return
    by_verdict = [Standing(row.verdict.value) for row in measured if row.verdict]
    unsteady = [one for one in by_verdict if one in UNSTEADY]
    if unsteady:
        text = Sentence.UNSTEADY
        known = {"count": len(unsteady), "all": len(measured), "reasons": counted(unsteady)}
        yield said(text, known, "ranking", "warn")
    unjudged = len(measured) - len(by_verdict)
    if unjudged:
        text = Sentence.UNJUDGED
        yield said(text, {"count": unjudged, "all": len(measured)}, "ranking", "warn")
    if not unsteady and not unjudged:
        one, many = Sentence.ONE_STABLE, Sentence.ALL_STABLE
        text = one if len(measured) == 1 else many
        yield said(text, {"count": len(measured)}, "", "good")


def _is_measured(row: Result) -> bool:
    figures = main_figures(row)
    timed = figures is not None and figures.kind is Kind.MEASURED and figures.latency_us is not None
    return timed and not row.emulated


def _busy(ran: Sequence[Result]) -> Iterator[Said]:
    busy = sum(any(code_of(note) is NoteCode.BUSY for note in row.warnings) for row in ran)
    if busy:
        text = Sentence.ROW_BUSY if busy == 1 else Sentence.ROWS_BUSY
        yield said(text, {"count": busy}, "ranking", "warn")


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


def _not_times(ran: Sequence[Result]) -> Iterator[Said]:
    """What stands in the page and is no time of a chip: bounds, and figures of emulated boards."""
    bounds = sum(bounds_of(main_figures(row)) is not None for row in ran)
    if bounds:
        text = Sentence.BOUND if bounds == 1 else Sentence.BOUNDS
        yield said(text, {"count": bounds}, "ranking", "warn")
    emulated = sorted({row.board for row in ran if row.emulated})
    if emulated:
        boards = ", ".join(emulated[:3]) + (", …" if len(emulated) > 3 else "")
        one, many = Sentence.EMULATED_BOARD, Sentence.EMULATED_BOARDS
        yield said(one if len(emulated) == 1 else many, {"boards": boards}, "ranking", "warn")
