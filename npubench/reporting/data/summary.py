"""What the page says first: how many rows, how they ended, when and where, and the INT8 outcome."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.definitions import Definition, earlier
from npubench.domain.records import Bound, Kind, Result, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.charts.pairs import figures_of, pairs, speedup
from npubench.reporting.data.lacking import Lowest, lowest_of


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of rows; `gain` and `lowest_cosine` are of models on boards that are real.

    `lowest_cosine` is the lowest accuracy of any INT8 row, measured or simulated: a cosine, that of a worst
    slice where it is low, or 0 of outputs that are all one number; `lowest_text` says which of them.
    """

    rows: int
    cases: int
    models: int
    operators: int
    ok: int
    failed: int
    skipped: int
    boards: tuple[str, ...]
    first: str
    last: str
    gain: float | None
    gain_models: int
    lowest_cosine: float | None
    lowest_case: str
    lowest_text: str = ""
    lowest_kind: Kind = Kind.MEASURED
    lowest_is_low: bool = False


def summarise(results: Sequence[Result]) -> Summary:
    """Counts over all rows, and medians over those whose figures may be compared.

    Rows of an earlier quantisation have a part in these where there are no others.
    """
    started = sorted(result.started_at for result in results if result.started_at)
    real = [r for r in results if r.case_kind is CaseKind.MODEL and not r.emulated]
    today = [r for r in real if Definition.QUANTISATION not in earlier(r)]
    if any(r.precision is Precision.INT8 for r in today):
        real = today
    speedups = [found for pair in pairs(real) if (found := speedup(pair, Kind.MEASURED))]
    gains = [found.factor for found in speedups if found.bound is Bound.EXACT]
    lowest = min(
        ((found.value, r.case, kind, found) for r in real for kind, found in _lowest(r)),
        key=lambda one: one[:2],
        default=None,
    )
    return Summary(
        rows=len(results),
        cases=len({(r.case, r.case_kind) for r in results}),
        models=len({r.case for r in results if r.case_kind is CaseKind.MODEL}),
        operators=len({r.case for r in results if r.case_kind is CaseKind.OPERATOR}),
        ok=sum(r.status is Status.OK for r in results),
        failed=sum(r.status is Status.FAILED for r in results),
        skipped=sum(r.status is Status.SKIPPED for r in results),
        boards=tuple(sorted({r.board for r in results})),
        first=moment(started[0]) if started else "",
        last=moment(started[-1]) if started else "",
        gain=statistics.median(gains) if gains else None,
        gain_models=len(gains),
        lowest_cosine=lowest[0] if lowest else None,
        lowest_case=lowest[1] if lowest else "",
        lowest_text=lowest[3].text if lowest else "",
        lowest_kind=lowest[2] if lowest else Kind.MEASURED,
        lowest_is_low=lowest[3].low if lowest else False,
    )


def moment(text: str) -> str:
    """An ISO 8601 time to the minute, as UTC; what is not one stays as it is."""
    from datetime import UTC, datetime

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if time.tzinfo else f"{text}"


def _lowest(result: Result) -> Iterator[tuple[Kind, Lowest]]:
    if result.precision is not Precision.INT8:
        return
    for kind in (Kind.MEASURED, Kind.SIMULATED):
        figures = figures_of(result, kind)
        found = lowest_of(figures) if figures else None
        if found is not None:
            yield kind, found
