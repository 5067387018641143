"""What the page says first: how many rows, how they ended, when and where, and the INT8 outcome."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from npubench.definitions import Definition, earlier
from npubench.records import Kind, Result, Status
from npubench.reporting.pairs import figures_of, pairs, speedup
from npubench.specs import CaseKind, Precision


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of rows; `gain` and `lowest_cosine` are measured, of models on boards that are real."""

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


def summarise(results: Sequence[Result]) -> Summary:
    """Counts over all rows, and medians over those whose figures may be compared.

    Rows of an earlier quantisation have a part in these where there are no others.
    """
    started = sorted(result.started_at for result in results if result.started_at)
    real = [r for r in results if r.case_kind is CaseKind.MODEL and not r.emulated]
    today = [r for r in real if Definition.QUANTISATION not in earlier(r)]
    if any(r.precision is Precision.INT8 for r in today):
        real = today
    gains = [found.factor for pair in pairs(real) if (found := speedup(pair, Kind.MEASURED))]
    cosines = [(cosine, r.case) for r in real if (cosine := _cosine(r)) is not None]
    lowest = min(cosines, default=(None, ""))
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
        lowest_cosine=lowest[0],
        lowest_case=lowest[1],
    )


def moment(text: str) -> str:
    """An ISO 8601 time to the minute, as UTC; what is not one stays as it is."""
    from datetime import UTC, datetime

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if time.tzinfo else f"{text}"


def _cosine(result: Result) -> float | None:
    figures = figures_of(result, Kind.MEASURED)
    if result.precision is not Precision.INT8 or figures is None or figures.accuracy is None:
        return None
    return figures.accuracy.cosine
