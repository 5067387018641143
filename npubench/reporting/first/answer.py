"""The answer of a run in one sentence: what is fastest where, and what failed. Kinds are never compared."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.data.failure_words import class_word
from npubench.reporting.data.figures import latency_text, time_us
from npubench.reporting.data.tables import was_busy
from npubench.reporting.data.translate import listed, translate
from npubench.reporting.first.ranking import Place, Ranking
from npubench.reporting.first.said import Said, said
from npubench.reporting.first.sentences import Sentence
from npubench.reporting.sanity.reliance import Reliance, Standing, main_figures

BOARDS = 3
"""Boards that the sentence speaks of: more are told by the rankings."""

FAILURES = 2
"""Failures that it names; of more it tells the classes."""


@dataclass(frozen=True, slots=True)
class _OnBoard:
    """Places of a ranking on one board of it."""

    ranking: Ranking
    board: str
    timed: tuple[Place, ...]
    """In the order of their times."""


def answer(
    results: Sequence[Result], rankings: Sequence[Ranking], reliances: Sequence[Reliance]
) -> list[Said]:
    """The clauses of the sentence, in their order."""
    if not results:
        return [said(Sentence.NOTHING)]
    real = [one for ranking in rankings for one in _boards(ranking) if not ranking.field.emulated]
    # What can be answered comes before what cannot.
    real.sort(key=lambda one: not any(place.rank for place in one.timed))
    clauses = [*_joined([_fastest(one, reliances) for one in real[:BOARDS]])]
    if len(real) > BOARDS:
        more = len(real) - BOARDS
        text = Sentence.MORE_BOARD if more == 1 else Sentence.MORE_BOARDS
        clauses.append(said(text, {"count": more}, "ranking"))
    return [*clauses, *_failures(results)]


def _boards(ranking: Ranking) -> Iterator[_OnBoard]:
    kind = ranking.field.kind
    if kind is None:
        return
    rows = [(place, ranking.table.rows[place.at][1]) for place in ranking.places]
    for board in ranking.boards:
        own = [(place, row) for place, row in rows if row.board == board]
        if all(row.status is not Status.OK for _, row in own):
            continue
        timed = tuple(place for place, row in own if time_us(row, kind, ranking.statistic))
        yield _OnBoard(ranking, board, timed)


_ON = {
    Sentence.FASTEST: Sentence.FASTEST_ON,
    Sentence.FASTEST_RELIED: Sentence.FASTEST_RELIED_ON,
}


def _joined(clauses: Sequence[Said]) -> Iterator[Said]:
    """A model that is fastest on several boards is named once, each board with its own figure and kind."""
    alike: dict[tuple[Sentence, str], list[Said]] = {}
    for at, one in enumerate(clauses):
        alike.setdefault((one.text, one.values["model"] if one.text in _ON else str(at)), []).append(one)
    for (text, model), several in alike.items():
        if len(several) == 1:
            yield several[0]
            continue
        boards = listed(translate("{board} ({time} {kind}, {precision})", **one.values) for one in several)
        yield said(_ON[text], {"model": model, "boards": boards}, "ranking")


def _fastest(one: _OnBoard, reliances: Sequence[Reliance]) -> Said:
    leader = _leader(one, reliances)
    kind = one.ranking.field.kind
    if kind is None or not one.timed:
        return said(Sentence.NO_TIME, {"board": one.board}, "ranking")
    if leader is None:
        standings = [reliances[_number(one, place)].standing for place in one.timed]
        known = {"board": one.board, "kind": translate(kind.value)}
        if len(standings) == 1:
            alone = {"reasons": translate(standings[0].value)}
            return said(Sentence.NOT_RELIED, known | alone, "ranking")
        several = {"reasons": counted(standings), "count": len(standings)}
        return said(Sentence.NONE_RELIED, known | several, "ranking")
    row = _row(one, leader)
    figures, time = main_figures(row), time_us(row, kind, one.ranking.statistic)
    assert figures is not None, "a leader has figures"
    assert time is not None, "a leader has a time"
    texts = {"model": row.case, "board": one.board, "time": latency_text(figures, time)}
    more = {"kind": translate(kind.value), "precision": _how(row)}
    judged = reliances[_number(one, leader)].can_lead
    return said(_words(one, leader, judged), texts | more, f"r{_number(one, leader)}")


def _how(row: Result) -> str:
    """The precision, or what measured it where no model has one; and that others ran beside it."""
    how = row.backend if row.precision is Precision.NONE else row.precision.upper()
    return translate(", ").join([how, translate("timed on a busy machine")]) if was_busy(row) else how


def _words(one: _OnBoard, leader: Place, judged: bool) -> Sentence:
    """A key by how much there is to be faster than, and whether something stands before it."""
    if len({_row(one, place).case for place in one.timed}) == 1:
        return Sentence.TAKES if judged else Sentence.TAKES_UNJUDGED
    if not judged:
        return Sentence.FASTEST_UNJUDGED
    if one.timed[0] is leader:
        return Sentence.FASTEST
    return Sentence.FASTEST_RELIED


def _leader(one: _OnBoard, reliances: Sequence[Reliance]) -> Place | None:
    """The first that a headline may be made of, else the first of which nothing tells how steady it is."""
    ranked = [place for place in one.timed if place.rank]
    steady = [place for place in ranked if reliances[_number(one, place)].can_lead]
    return next(iter([*steady, *ranked]), None)


def _number(one: _OnBoard, place: Place) -> int:
    return one.ranking.table.rows[place.at][0]


def _row(one: _OnBoard, place: Place) -> Result:
    return one.ranking.table.rows[place.at][1]


def counted(standings: Sequence[Standing]) -> str:
    """`3 noisy, 1 bound`: how many there are of each, in the language of now."""
    counts = Counter(standings)
    return listed(f"{counts[one]} {translate(one.value)}" for one in Standing if counts[one])


_OF = {
    CaseKind.MODEL: (Sentence.MODEL_FAILED, Sentence.MODELS_FAILED),
    CaseKind.OPERATOR: (
        Sentence.OPERATOR_FAILED,
        Sentence.OPERATORS_FAILED,
    ),
}
_OTHERS = (Sentence.CASE_FAILED, Sentence.CASES_FAILED)


def _failures(results: Sequence[Result]) -> Iterator[Said]:
    """What failed of models, of operators and of the rest; else that nothing did."""
    failed = [row for row in results if row.status is Status.FAILED]
    ran = len({(row.case_kind, row.case) for row in results if row.status is Status.OK})
    if not failed and ran:
        text = Sentence.CASE_RAN if ran == 1 else Sentence.CASES_RAN
        yield said(text, {"count": ran})
    for kind in CaseKind:
        own = [row for row in failed if row.case_kind is kind]
        if own:
            all_cases = {row.case for row in results if row.case_kind is kind}
            one, many = _OF.get(kind, _OTHERS)
            known = {
                "failed": len({row.case for row in own}),
                "all": len(all_cases),
                "which": _which(own, results),
            }
            yield said(one if len(all_cases) == 1 else many, known, "failures", "bad")
    skipped = sum(row.status is Status.SKIPPED for row in results)
    if skipped:
        text = Sentence.ROW_SKIPPED if skipped == 1 else Sentence.ROWS_SKIPPED
        yield said(text, {"count": skipped}, "skipped")


def _which(failed: Sequence[Result], results: Sequence[Result]) -> str:
    """`yolox_s (unsupported_operator)`, or the classes of many, and what else of them ran."""
    kind = failed[0].case_kind
    ran = [row for row in results if row.status is Status.OK and row.case_kind is kind]
    cases = list(dict.fromkeys(row.case for row in failed))
    if len(cases) <= FAILURES:
        return listed(_one(case, failed, ran) for case in cases)
    counts = Counter(_why(row) for row in failed)
    told = [f"{count} × {why}" for why, count in counts.most_common(FAILURES + 1)]
    names = listed([*told, *(["…"] if len(counts) > len(told) else [])])
    partly = len({row.case for row in ran}.intersection(cases))
    if not partly:
        return names
    return names + translate(" ({count} of them ran in another precision or on another board)", count=partly)


def _one(case: str, failed: Sequence[Result], ran: Sequence[Result]) -> str:
    """A case with why it failed; with where it did, if it ran elsewhere."""
    own = [row for row in failed if row.case == case]
    others = [row for row in ran if row.case == case]
    why = _why(own[0])
    if not others:
        return translate("{case} ({why})", case=case, why=why)
    precisions = {row.precision for row in own}
    if precisions.isdisjoint(row.precision for row in others):
        where = listed(one.upper() for one in Precision if one in precisions)
    else:
        where = listed(dict.fromkeys(f"{row.board} {row.precision.upper()}" for row in own))
    return translate("{case} ({where}: {why})", case=case, where=where, why=why)


def _why(row: Result) -> str:
    failure = row.failure
    if failure is None:
        return translate("no reason was recorded")
    return class_word(failure.failure_class)
