"""The op-support matrix as Markdown: operators and cases by board, and why not, from rows alone."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.reporting.data.coverage import table
from npubench.reporting.data.op_support import (
    CPU,
    CRASH,
    CUSTOM,
    FAILED,
    HOST,
    LEAST_COSINE,
    NPU,
    ROUNDINGS,
    UNPLACED,
    UNSUPPORTED,
    WORST_FIRST,
    WRONG,
    cell,
    reason,
    told,
    worst,
)

KINDS = (NPU, CPU, CUSTOM, HOST, UNPLACED, UNSUPPORTED, WRONG, CRASH, FAILED)
_MEANS = (
    f"*{NPU}*: all of it runs there. *{CPU}*: the tool left some of it to the CPU. *{UNSUPPORTED}*: the tool"
    f" says that it cannot. *{CRASH}*: it went down or hung. *{WRONG}*: converted, and its outputs have a"
    f" cosine below {LEAST_COSINE} with FP32, or of its integers fewer are FP32's than {LEAST_COSINE}"
    f" s^{ROUNDINGS} (s: the share that FP32 keeps when only its inputs are rounded to 8 bits, which swaps"
    f" what is nearly equal). *{FAILED}*: for a reason that the log tells. *{HOST}*: measured on a CPU."
    f" *{UNPLACED}*: the tool does not tell where. Blank: not run."
)


def document(results: Iterable[Result], linked: bool = False) -> str | None:
    """The matrix as Markdown; None where nothing was run.

    `linked` makes every cell a link to its log, from the folder of the results.
    """
    told_of = [one for one in results if one.case_kind is CaseKind.OPERATOR and cell(one) is not None]
    if not told_of:
        return None
    rows, several = _worst(told_of)
    boards = sorted({(one.backend, one.board) for one in rows})
    names = list(dict.fromkeys(board for _, board in boards))
    by_case: dict[tuple[str, str], dict[str, Result]] = {}
    for one in rows:
        by_case.setdefault((one.op, one.case), {})[one.board] = one
    parts = [
        "# Operator support",
        "Written by `npubench op-support` from rows of real compilers; nothing here is written by hand."
        f" {_MEANS} `npubench show CASE --board BOARD --out FOLDER` prints the log of a cell.",
        _tools(rows, boards),
        _counts(rows, names),
        _merged(several),
        _operators(by_case, names),
        _cases(by_case, names, linked),
        _reasons(rows, linked),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _worst(rows: Sequence[Result]) -> tuple[list[Result], list[tuple[Result, list[str]]]]:
    """Of the rows of a case on a board the worst one, in the order of the first ones; and where there were
    several that differ, their cells."""
    grouped: dict[tuple[str, str, str], list[Result]] = {}
    for one in rows:
        grouped.setdefault((one.op, one.case, one.board), []).append(one)
    kept, several = [], []
    for group in grouped.values():
        cells = [str(cell(one)) for one in group]
        # Of equally bad ones the newest: rows come oldest first.
        standing = group[len(cells) - 1 - cells[::-1].index(worst(cells))]
        kept.append(standing)
        if len(set(cells)) > 1:
            several.append((standing, cells))
    return kept, several


def _merged(several: Sequence[tuple[Result, Sequence[str]]]) -> str:
    """Cases whose rows do not agree: the worst stands in the matrix."""
    if not several:
        return ""
    lines = []
    for one, cells in sorted(several, key=lambda pair: (pair[0].board, pair[0].op, pair[0].case)):
        counted = [f"{cells.count(kind)} {kind}" for kind in WORST_FIRST if kind in cells]
        lines.append([one.board, one.op, one.case, len(cells), ", ".join(counted)])
    head = table(["board", "operator", "case", "rows", "of which"], lines)
    return f"## Rows that do not agree\n\nThe worst of them stands for its case.\n\n{head}"


def _tools(rows: Sequence[Result], boards: Sequence[tuple[str, str]]) -> str:
    found = []
    for backend, board in boards:
        tools = next(one.tools for one in reversed(rows) if one.board == board)
        found.append([board, backend, ", ".join(f"{name} {version}" for name, version in tools.items())])
    return f"## Tools\n\n{table(['board', 'backend', 'versions'], found)}"


def _counts(rows: Sequence[Result], boards: Sequence[str]) -> str:
    counted = []
    for board in boards:
        cells = [cell(one) for one in rows if one.board == board]
        counted.append([board, len(cells), *(cells.count(kind) or "" for kind in KINDS)])
    used = [kind for place, kind in enumerate(KINDS) if any(line[2 + place] for line in counted)]
    kept = [[*line[:2], *(line[2 + KINDS.index(kind)] for kind in used)] for line in counted]
    return f"## Counts\n\n{table(['board', 'cases', *used], kept)}"


def _operators(by_case: Mapping[tuple[str, str], Mapping[str, Result]], boards: Sequence[str]) -> str:
    """An operator a row; of one with several cases how many became what, where that differs."""
    lines = []
    for op in sorted({op for op, _ in by_case}):
        found = [results for (name, _), results in by_case.items() if name == op]
        cells = [
            _summary([cell(results[board]) for results in found if board in results]) for board in boards
        ]
        lines.append([op, len(found), *cells])
    return f"## Operators\n\n{table(['operator', 'cases', *boards], lines)}"


def _summary(cells: Sequence[str | None]) -> str:
    kinds = [kind for kind in KINDS if kind in cells]
    return kinds[0] if len(kinds) == 1 else ", ".join(f"{cells.count(kind)} {kind}" for kind in kinds)


def _cases(
    by_case: Mapping[tuple[str, str], Mapping[str, Result]], boards: Sequence[str], linked: bool
) -> str:
    """Every case with its logs; without them only those that are not on the NPU everywhere."""
    lines, left_out = [], 0
    for (op, case), found in sorted(by_case.items()):
        if not linked and all(cell(one) in (NPU, HOST) for one in found.values()):
            left_out += 1
            continue
        cells = [
            _linked(told(found[board]), found[board], linked) if board in found else "" for board in boards
        ]
        lines.append([op, case, *cells])
    note = f"Left out: {left_out} cases that are on the NPU wherever they were run.\n\n" if left_out else ""
    return f"## Cases\n\n{note}{table(['operator', 'case', *boards], lines)}" if lines else ""


def _linked(text: str, result: Result, linked: bool) -> str:
    return f"[{text}]({quote(result.log_path)})" if linked and result.log_path else text


def _reasons(rows: Sequence[Result], linked: bool) -> str:
    """Why not, for whatever is not on the NPU: cases of one board with one reason together."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in sorted(rows, key=lambda r: (r.board, r.op, r.case)):
        if cell(one) not in (NPU, HOST):
            key = (one.board, str(cell(one)), reason(one))
            grouped.setdefault(key, []).append(_linked(one.case, one, linked))
    if not grouped:
        return ""
    lines = [[*key, ", ".join(cases)] for key, cases in sorted(grouped.items())]
    return f"## Why not on the NPU\n\n{table(['board', 'what', 'reason', 'cases'], lines)}"
