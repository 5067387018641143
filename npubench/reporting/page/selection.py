"""The data of a selection's page: the decision, and the rows that it rests on, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Result
from npubench.reporting.data.provenance import pack_provenance
from npubench.reporting.data.summary import Environment, environments
from npubench.reporting.data.tables import LONG_FROM, ordered
from npubench.reporting.select.verdict import Decision
from npubench.reporting.select.view import SelectionView, view_of


@dataclass(frozen=True, slots=True)
class SelectionPage:
    """What the template is given."""

    view: SelectionView
    rows: Sequence[Result]  # that had a part in the decision
    numbers: dict[str, int]  # of a row's entry in the provenance, by its key
    environments: Sequence[Environment]  # of these rows
    facts: object  # of these rows, packed
    is_long: bool


def selection_page(results: Sequence[Result], decision: Decision) -> SelectionPage:
    """The page of a decision over these rows."""
    used = {key for one in decision.verdicts for key in one.rows}
    rows = ordered([row for row in results if row.key in used])
    return SelectionPage(
        view=view_of(decision),
        rows=rows,
        numbers={row.key: number for number, row in enumerate(rows)},
        environments=environments([row for row in rows if not row.board.startswith("published-")]),
        facts=pack_provenance(rows),
        is_long=len(rows) >= LONG_FROM,
    )
