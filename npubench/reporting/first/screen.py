"""All that the first screen of a run report shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Result
from npubench.reporting.data.tables import CaseTable
from npubench.reporting.first.answer import answer
from npubench.reporting.first.ranking import Ranking, ranked_table, rankings
from npubench.reporting.first.said import Said
from npubench.reporting.first.trust import trust
from npubench.reporting.sanity import Doubt
from npubench.reporting.sanity.reliance import reliances


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """The answer, how sure it is, and the rankings."""

    answer: tuple[Said, ...]  # clauses of one sentence
    trust: tuple[Said, ...]  # statements of one line
    rankings: tuple[Ranking, ...]  # one a field, measured before simulated


def first_screen(
    results: Sequence[Result], tables: Sequence[CaseTable], doubts: Sequence[Doubt]
) -> FirstScreen:
    """Of rows in the order of `tables`, which `case_tables` made of them; `doubts` are about them."""
    relied = reliances(results, doubts)
    found = rankings(ranked_table(tables), relied)
    return FirstScreen(tuple(answer(results, found, relied)), tuple(trust(results, doubts)), tuple(found))
