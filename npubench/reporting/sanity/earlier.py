"""Rows whose figures mean something else than those of today: measured before a definition changed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from npubench.domain.definitions import Definition, earlier
from npubench.domain.records import Result
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength


def earlier_definitions(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a board, backend, precision and what changed, with all cases that it is of."""
    groups: defaultdict[tuple[str, str, str, tuple[Definition, ...]], list[str]] = defaultdict(list)
    for row in results:
        if changed := earlier(row):
            groups[row.board, row.backend, row.precision.value, changed].append(row.case)
    for (board, backend, precision, changed), cases in groups.items():
        yield Doubt(
            DoubtClass.EARLIER_DEFINITION,
            Strength.WEAK,
            *(board, backend, precision, tuple(dict.fromkeys(cases))),
            say("old: of an earlier definition, to be measured again before it stands beside new rows"),
            tuple(_told(one) for one in changed),
        )


def _told(changed: Definition) -> str:
    if changed is Definition.THROUGHPUT:
        return say("fps counts samples by the earlier rule; latencies are as they were")
    return say("quantised alike for every processor: times and accuracy of INT8 are others today")
