"""All that the first screen of a run report shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.reporting.data.tables import CaseTable
from npubench.reporting.first.answer import answer
from npubench.reporting.first.ranking import Ranking, ranked_table, rankings
from npubench.reporting.first.said import Said
from npubench.reporting.first.sentences import Heading
from npubench.reporting.first.trust import trust
from npubench.reporting.sanity import Doubt
from npubench.reporting.sanity.reliance import reliances

HEADINGS = {
    CaseKind.MODEL: (Heading.MODELS, Heading.MODELS_UNTIMED),
    CaseKind.OPERATOR: (Heading.OPERATORS, Heading.OPERATORS_UNTIMED),
    CaseKind.BENCHMARK: (Heading.BENCHMARKS, Heading.BENCHMARKS_UNTIMED),
    CaseKind.CODEC: (Heading.CODECS, Heading.CODECS_UNTIMED),
}


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """The answer, how sure it is, and the rankings."""

    answer: tuple[Said, ...]  # clauses of one sentence
    trust: tuple[Said, ...]  # statements of one line
    rankings: tuple[Ranking, ...]  # one a field, measured before simulated

    @property
    def heading(self) -> Heading | None:
        """Of the rankings; None without any."""
        if not self.rankings:
            return None
        timed, untimed = HEADINGS[self.rankings[0].table.kind]
        return timed if any(one.has_times for one in self.rankings) else untimed


def first_screen(
    results: Sequence[Result], tables: Sequence[CaseTable], doubts: Sequence[Doubt]
) -> FirstScreen:
    """Of rows in the order of `tables`, which `case_tables` made of them; `doubts` are about them."""
    relied = reliances(results, doubts)
    found = rankings(ranked_table(tables), relied)
    sure = trust(results, doubts, found[0].table.kind if found else None)
    return FirstScreen(tuple(answer(results, found, relied)), tuple(sure), tuple(found))
