"""What the page says first, and where its rows were measured."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from npubench.domain.figures import Bound, Kind
from npubench.domain.records import BoardState, Definition, Result, Status, earlier
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.data.accuracy import Lowest, lowest_of
from npubench.reporting.data.figures import figures_of, pairs, speedup
from npubench.reporting.data.formatting import significant, size
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.reliance import Reliance


@dataclass(frozen=True, slots=True)
class LowestOfAll:
    """The lowest accuracy of any INT8 row, of which it is, measured or simulated."""

    accuracy: Lowest
    case: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of rows; `gain` and `lowest` are of models on boards that are real.

    Of `gain_pairs` models in both precisions `gain_models` can be relied on, of which the gain is the median.
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
    gain_pairs: int
    lowest: LowestOfAll | None


LEAST_GAINS = 3
"""Models that it takes to say how much faster INT8 is: of fewer the median is one model's own."""


def summarise(results: Sequence[Result], relied: Sequence[Reliance] = ()) -> Summary:
    """Counts over all rows, and medians over those whose figures may be compared.

    Rows of an earlier quantisation have a part in these where there are no others. `relied` are of the rows,
    in their order: those that cannot be relied on have no part in the gain; without, all have.
    """
    leading = {id(row) for row, one in zip(results, relied, strict=True) if one.can_lead} if relied else None
    started = sorted(result.started_at for result in results if result.started_at)
    real = [r for r in results if r.case_kind is CaseKind.MODEL and not r.emulated]
    today = [r for r in real if Definition.QUANTISATION not in earlier(r)]
    if any(r.precision is Precision.INT8 for r in today):
        real = today
    both = [(pair, found) for pair in pairs(real) if (found := speedup(pair, Kind.MEASURED))]
    gains = [
        found.factor
        for pair, found in both
        if found.bound is Bound.EXACT
        and (leading is None or (id(pair.fp32) in leading and id(pair.int8) in leading))
    ]
    lowest = [LowestOfAll(found, r.case, kind) for r in real for kind, found in _lowest(r)]
    by_status = Counter(result.status for result in results)
    return Summary(
        rows=len(results),
        cases=len({(r.case, r.case_kind) for r in results}),
        models=len({r.case for r in results if r.case_kind is CaseKind.MODEL}),
        operators=len({r.case for r in results if r.case_kind is CaseKind.OPERATOR}),
        ok=by_status[Status.OK],
        failed=by_status[Status.FAILED],
        skipped=by_status[Status.SKIPPED],
        boards=tuple(sorted({r.board for r in results})),
        first=moment(started[0]) if started else "",
        last=moment(started[-1]) if started else "",
        gain=statistics.median(gains) if len(gains) >= LEAST_GAINS else None,
        gain_models=len(gains),
        gain_pairs=len(both),
        lowest=min(lowest, key=lambda one: (one.accuracy.value, one.case), default=None),
    )


def moment(text: str) -> str:
    """An ISO 8601 time to the minute, as UTC; what is not one stays as it is."""
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
    tools = _by_name(row.tools for row in rows)
    newest = max(rows, key=lambda row: row.started_at)
    return Environment(
        *(newest.board, newest.chip, newest.backend, newest.emulated, len(rows)),
        facts=tuple((translate(label), text) for label, text in _facts(states) if text),
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
    extras = _by_name(state.extra for state in states).items()
    told = [(_EXTRA.get(name, name), ", ".join(sorted(values, key=_by_number))) for name, values in extras]
    return [*facts, *told]


def _by_name(tables: Iterable[Mapping[str, str]]) -> dict[str, dict[str, None]]:
    """Every distinct value of each name, in the order in which they occur."""
    found: dict[str, dict[str, None]] = {}
    for table in tables:
        for name, value in table.items():
            found.setdefault(name, {})[value] = None
    return found


_EXTRA = {"running": "Tasks running"}


def _by_number(text: str) -> tuple[float, str]:
    return (float(text), "") if text.isascii() and text.isdigit() else (float("inf"), text)


def _distinct(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def _range(values: Sequence[float], unit: str, show: Callable[[float], str] = significant) -> str:
    if not values:
        return ""
    low, high = show(min(values)), show(max(values))
    return f"{low if low == high else translate('{first} to {last}', first=low, last=high)} {unit}".rstrip()
