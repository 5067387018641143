"""Where the rows were measured: each board's state over all its rows, and the tools used there."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from npubench.domain.records import BoardState, Result
from npubench.reporting.data.formatting import significant, size
from npubench.reporting.data.words import say


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
