"""Rows that have a simulation and no time of a board."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from npubench.domain.records import Figures, Kind, Result, Status
from npubench.domain.specs import CaseKind
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength


def missing_board_times(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a board, backend and kind of case, with all cases that lack what others there have."""
    groups: defaultdict[tuple[str, str, CaseKind], list[Result]] = defaultdict(list)
    for row in results:
        if row.status is Status.OK and row.case_kind in (CaseKind.MODEL, CaseKind.OPERATOR):
            groups[row.board, row.backend, row.case_kind].append(row)
    for (board, backend, case_kind), rows in groups.items():
        lacking = [row for row in rows if not _has_board_time(row)]
        if not lacking:
            continue
        some = len(lacking) < len(rows)
        simulated = sum(_has_simulation(row) for row in lacking)
        yield Doubt(
            DoubtClass.NO_BOARD_TIME,
            Strength.STRONG if some else Strength.WEAK,
            board,
            backend,
            ", ".join(sorted({row.precision.value for row in lacking})),
            tuple(dict.fromkeys(row.case for row in lacking)),
            say("built, but no time of a board: what runs in a simulation may not run, or not as fast")
            if some
            else say("nothing was timed on this board: there is a simulation only"),
            (
                say(
                    "{count} of {all} rows that worked have no board time ({kind})",
                    count=len(lacking),
                    all=len(rows),
                    kind=say(case_kind.value),
                ),
                say("of these {count} with a simulation", count=simulated),
            ),
        )


def _has_board_time(row: Result) -> bool:
    figures = row.figures
    if figures is None or (figures.latency_us is None and figures.throughput_fps is None):
        return False
    return Kind.MEASURED in (figures.kind, figures.origin)


def _has_simulation(row: Result) -> bool:
    return any(_is_simulated(figures) for figures in (row.figures, row.estimate) if figures is not None)


def _is_simulated(figures: Figures) -> bool:
    return Kind.SIMULATED in (figures.kind, figures.origin)
