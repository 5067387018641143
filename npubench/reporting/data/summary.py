"""What the page says first, and where its rows were measured."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Bound, Kind
from npubench.domain.records import BoardState, Definition, Result, Status, earlier
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.data.accuracy import Lowest, lowest_of
from npubench.reporting.data.figures import figures_of, pairs, speedup
from npubench.reporting.data.formatting import significant, size
from npubench.reporting.data.translate import say


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


@dataclass(frozen=True, slots=True)
class Environment:
    """One board with one backend; `facts` and `tools` are labels and texts."""

    board: str
    chip: str
    backend: str
    emulated: bool
    rows: int
    facts: tuple[tuple[str, str], ...]
    tools: tuple[tuple[str, str], ...]


def environments(results: Sequence[Result]) -> list[Environment]:
    """One per board and backend, in the order of their names."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.board, result.backend), []).append(result)
    return [_environment(groups[key]) for key in sorted(groups)]


def _environment(rows: Sequence[Result]) -> Environment:
    states = [state for row in rows for state in (row.board_before, row.board_after) if state]
    tools: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, version in row.tools.items():
            tools.setdefault(name, {})[version] = None
    newest = max(rows, key=lambda row: row.started_at)
    return Environment(
        *(newest.board, newest.chip, newest.backend, newest.emulated, len(rows)),
        facts=tuple((say(label), text) for label, text in _facts(states) if text),
        tools=tuple((name, ", ".join(versions)) for name, versions in sorted(tools.items())),
    )


def _facts(states: Sequence[BoardState]) -> list[tuple[str, str]]:
    clocks = [clock for state in states for clock in state.clocks_mhz]
    available = [s.memory_available_bytes for s in states if s.memory_available_bytes is not None]
    facts = [
        ("Host", _distinct(state.hostname for state in states)),
        ("Processor", _distinct(state.cpu_model for state in states)),
        ("Cores", _distinct(str(state.cores) if state.cores else None for state in states)),
        ("System", _distinct(state.distribution for state in states)),
        ("Kernel", _distinct(state.kernel for state in states)),
        ("Governor", _distinct(state.governor for state in states)),
        ("Clocks", _range(clocks, "MHz")),
        ("Temperature", _range([s.temperature_c for s in states if s.temperature_c is not None], "°C")),
        ("Load, 1 min", _range([s.load_1min for s in states if s.load_1min is not None], "")),
        ("Memory", _distinct(size(s.memory_total_bytes) if s.memory_total_bytes else None for s in states)),
        ("Memory free", _range(available, "", size)),
    ]
    extras: dict[str, dict[str, None]] = {}
    for state in states:
        for name, value in state.extra.items():
            extras.setdefault(name, {})[value] = None
    return [
        *facts,
        *(
            (_EXTRA.get(name, name), ", ".join(sorted(values, key=_by_number)))
            for name, values in extras.items()
        ),
    ]


_EXTRA = {"running": "Tasks running"}


def _by_number(text: str) -> tuple[float, str]:
    return (float(text), "") if text.isascii() and text.isdigit() else (float("inf"), text)


def _distinct(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def _range(values: Sequence[float], unit: str, show: Callable[[float], str] = significant) -> str:
    if not values:
        return ""
    low, high = show(min(values)), show(max(values))
    return f"{low if low == high else say('{first} to {last}', first=low, last=high)} {unit}".rstrip()
