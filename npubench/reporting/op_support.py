"""The op-support matrix: what became of every operator case on every backend, from rows alone.

A cell says what the tool's placement, outputs and log told; an exit code is in none of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from npubench.records import Accuracy, FailureClass, Figures, Result, Status
from npubench.reporting.coverage import table
from npubench.specs import CaseKind

LEAST_COSINE = 0.98
"""Below it outputs count as wrong: Pulsar's documentation calls a cosine below 0.98 a loss of accuracy."""
ROUNDINGS = 3
"""An operator in 8 bits rounds inputs, weights and outputs; each may swap what is nearly equal."""

NPU, CPU, CUSTOM, HOST = "NPU", "CPU fallback", "custom", "runs"
UNSUPPORTED, CRASH, WRONG, FAILED = "unsupported", "crash", "wrong result", "failed"

_OF_CLASS = {
    FailureClass.UNSUPPORTED_OPERATOR: UNSUPPORTED,
    FailureClass.UNSUPPORTED_ATTRIBUTE: UNSUPPORTED,
    FailureClass.UNSUPPORTED_OPSET: UNSUPPORTED,
    FailureClass.CRASH: CRASH,
    FailureClass.HANG: CRASH,
    FailureClass.OUTPUT_MISMATCH: WRONG,
}
_SAYS_NOTHING = {FailureClass.TOOL_MISSING, FailureClass.BOARD_UNREACHABLE, FailureClass.BOARD_LOST}


def cell(result: Result) -> str | None:
    """What became of a case; None for a row that says nothing of the operator."""
    if result.status is Status.FAILED and result.failure:
        failure_class = result.failure.failure_class
        return None if failure_class in _SAYS_NOTHING else _OF_CLASS.get(failure_class, FAILED)
    figures = result.figures or result.estimate
    if result.status is not Status.OK or figures is None:
        return None
    if figures.accuracy and (_is_far(figures.accuracy) or _differs(figures.accuracy)):
        return WRONG
    return _placed(result, figures)


def _is_far(accuracy: Accuracy) -> bool:
    return accuracy.cosine is not None and accuracy.cosine < LEAST_COSINE


def _differs(accuracy: Accuracy) -> bool:
    return accuracy.equal is not None and accuracy.equal < least_equal(accuracy)


def least_equal(accuracy: Accuracy) -> float:
    """The share of equal integers below which they are wrong, and not just others of nearly equal values.

    Where rounding the inputs to 8 bits changes nothing (Not, Cast), as good as all have to be equal.
    """
    kept = 1.0 if accuracy.equal_rounded is None else accuracy.equal_rounded
    return float(LEAST_COSINE * kept**ROUNDINGS)


def _placed(result: Result, figures: Figures) -> str:
    placed = set(figures.placement.values())
    if result.chip == "cpu":
        return HOST
    if "custom" in placed:
        return CUSTOM
    if "CPU" in placed:
        return CPU
    return NPU if placed else HOST


def document(results: Iterable[Result], linked: bool = False) -> str | None:
    """The matrix as Markdown: a row an operator case, a column a board; None where nothing was run.

    `linked` makes every cell a link to its log, from the folder of the results.
    """
    rows = [one for one in results if one.case_kind is CaseKind.OPERATOR and cell(one) is not None]
    if not rows:
        return None
    boards = sorted({(one.backend, one.board) for one in rows})
    by_case: dict[tuple[str, str], dict[str, Result]] = {}
    for one in rows:
        by_case.setdefault((one.op, one.case), {})[one.board] = one
    parts = [
        "# Operator support",
        "Written by `npubench op-support` from rows of real compilers; nothing here is written by hand."
        f" *{NPU}*: all of it runs there. *{CPU}*: the tool left some of it to the CPU. *{UNSUPPORTED}*: the"
        f" tool says that it cannot. *{CRASH}*: it went down or hung. *{WRONG}*: converted, and its outputs"
        f" have a cosine below {LEAST_COSINE} with FP32, or fewer integers equal FP32's than"
        f" {LEAST_COSINE} s^{ROUNDINGS}, s being the share that FP32 keeps when only its inputs are rounded"
        f" to 8 bits, which swaps what is nearly equal. *{FAILED}*: for a reason that the log tells."
        f" *{HOST}*: measured on a CPU. Blank: not run.",
        _tools(rows, boards),
        _counts(rows, boards),
        _matrix(by_case, [board for _, board in boards], linked),
        _reasons(rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _tools(rows: Sequence[Result], boards: Sequence[tuple[str, str]]) -> str:
    told = []
    for backend, board in boards:
        tools = next(one.tools for one in reversed(rows) if one.board == board)
        told.append([board, backend, ", ".join(f"{name} {version}" for name, version in tools.items())])
    return f"## Tools\n\n{table(['board', 'backend', 'versions'], told)}"


def _counts(rows: Sequence[Result], boards: Sequence[tuple[str, str]]) -> str:
    kinds = (NPU, CPU, CUSTOM, HOST, UNSUPPORTED, WRONG, CRASH, FAILED)
    counted = []
    for _, board in boards:
        cells = [cell(one) for one in rows if one.board == board]
        counted.append([board, len(cells), *(cells.count(kind) or "" for kind in kinds)])
    return f"## Counts\n\n{table(['board', 'cases', *kinds], counted)}"


def _matrix(
    by_case: Mapping[tuple[str, str], Mapping[str, Result]], boards: Sequence[str], linked: bool
) -> str:
    lines = []
    for (op, case), found in sorted(by_case.items()):
        cells = [_linked(found[board], linked) if board in found else "" for board in boards]
        lines.append([op, case, *cells])
    return f"## Cases\n\n{table(['operator', 'case', *boards], lines)}"


def _linked(result: Result, linked: bool) -> str:
    text = _text(result)
    return f"[{text}]({quote(result.log_path)})" if linked and result.log_path else text


def _text(result: Result) -> str:
    text = str(cell(result))
    figures = result.figures or result.estimate
    accuracy = figures.accuracy if figures else None
    if text != WRONG or accuracy is None:
        return text
    told = [f"{accuracy.cosine:.3f}"] if _is_far(accuracy) else []
    told += [f"{accuracy.equal:.1%} equal"] if _differs(accuracy) else []
    return f"{text} ({', '.join(told)})"


def _swapped(result: Result) -> str:
    """How many integers could be equal at all, where too few are."""
    figures = result.figures or result.estimate
    accuracy = figures.accuracy if figures else None
    if cell(result) != WRONG or accuracy is None or not _differs(accuracy) or accuracy.equal_rounded is None:
        return ""
    return f": with its inputs rounded to 8 bits FP32 keeps {accuracy.equal_rounded:.1%}"


def _coarse(result: Result) -> str:
    """Why a wrong result is no better, where the steps of its outputs are too far apart for their values."""
    figures = result.figures or result.estimate
    told = figures.details.get("output_resolution") if figures else None
    if cell(result) != WRONG or not told or told["cosine"] is None or told["cosine"] >= LEAST_COSINE:
        return ""
    steps = ", ".join(f"{step:.2g}" for step in told["steps"])
    return (
        f": its outputs have steps of {steps} for values up to {told['greatest']:.2g};"
        f" FP32's own rounded to them have a cosine of {told['cosine']:.3f}"
    )


def _reasons(rows: Sequence[Result]) -> str:
    """Why not, and where the whole log lies, for whatever is not on the NPU."""
    told = []
    for one in sorted(rows, key=lambda r: (r.board, r.op, r.case)):
        if cell(one) in (NPU, HOST):
            continue
        reason = one.failure.message if one.failure else f"{_text(one)}{_coarse(one)}{_swapped(one)}"
        told.append([one.board, one.case, reason, one.log_path or "", (one.log_sha256 or "")[:12]])
    if not told:
        return ""
    head = ["board", "case", "reason", "log in the folder of the run", "SHA-256"]
    return f"## Why not on the NPU\n\n{table(head, told)}"
