"""What became of operators on boards, from rows alone: cells, the matrix, and what toolchains lack."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from npubench.domain.records import Accuracy, Failure, FailureClass, Figures, NoAccuracy, Result, Status
from npubench.domain.specs import CaseKind
from npubench.domain.text import markdown_table

LEAST_COSINE = 0.98
"""Below it outputs count as wrong: Pulsar's documentation calls a cosine below 0.98 a loss of accuracy."""
ROUNDINGS = 3
"""An operator in 8 bits rounds inputs, weights and outputs; each may swap what is nearly equal."""

NPU, CPU, CUSTOM, HOST, UNPLACED = "NPU", "CPU fallback", "custom", "runs", "converts"
UNSUPPORTED, CRASH, WRONG, FAILED = "unsupported", "crash", "wrong result", "failed"

WORST_FIRST = (CRASH, WRONG, FAILED, UNSUPPORTED, CPU, CUSTOM, UNPLACED, HOST, NPU)
"""Of several rows of one thing the first of these stands: what failed once is never hidden by what worked."""

_OF_CLASS = {
    FailureClass.UNSUPPORTED_OPERATOR: UNSUPPORTED,
    FailureClass.UNSUPPORTED_ATTRIBUTE: UNSUPPORTED,
    FailureClass.UNSUPPORTED_OPSET: UNSUPPORTED,
    FailureClass.CRASH: CRASH,
    FailureClass.HANG: CRASH,
    FailureClass.OUTPUT_MISMATCH: WRONG,
}
_SAYS_NOTHING = {FailureClass.TOOL_MISSING, FailureClass.BOARD_UNREACHABLE, FailureClass.BOARD_LOST}


def worst(cells: Iterable[str]) -> str:
    """The cell that stands for several of one board."""
    return min(cells, key=WORST_FIRST.index)


def what_failed(failure: Failure) -> str | None:
    """The cell of a failure; None for one that says nothing of the operator."""
    if failure.failure_class in _SAYS_NOTHING:
        return None
    return _OF_CLASS.get(failure.failure_class, FAILED)


def units_of(figures: Figures, operators: Collection[str]) -> tuple[str, ...]:
    """Units of the layers that hold one of these operators, by type where the tool tells no layers of them.

    Where it made something else of all of them, the units of that: a layer that a tool adds beside them, as a
    Reshape for its own layout, is none of theirs.
    """
    named = [one.unit for one in figures.layers_on if not set(operators).isdisjoint(one.operators)]
    types = [figures.placement[name] for name in operators if name in figures.placement]
    if not named and not types:
        named = [one.unit for one in figures.layers_on if one.operators]
        types = [*figures.placement.values()]
    # One a type where no layer tells, or where the types know of another unit.
    return (*named, *dict.fromkeys(unit for unit in types if unit not in named))


def cell(result: Result) -> str | None:
    """What became of a case; None for a row that says nothing of the operator."""
    if result.status is Status.FAILED and result.failure:
        return what_failed(result.failure)
    figures = result.figures or result.estimate
    if result.status is not Status.OK or figures is None:
        return None
    if figures.accuracy and (_is_far(figures.accuracy) or _differs(figures.accuracy)):
        return WRONG
    return _placed(result, figures)


def _is_far(accuracy: Accuracy) -> bool:
    if accuracy.cosine is None:
        # Zeros in place of FP32's numbers have no direction, and yet a distance from them.
        return accuracy.psnr_db is not None
    return accuracy.cosine < LEAST_COSINE


def _differs(accuracy: Accuracy) -> bool:
    return accuracy.equal is not None and accuracy.equal < least_equal(accuracy)


def least_equal(accuracy: Accuracy) -> float:
    """The share of equal integers below which they are wrong, and not just others of nearly equal values.

    Where rounding the inputs to 8 bits changes nothing (Not, Cast), as good as all have to be equal.
    """
    kept = 1.0 if accuracy.equal_rounded is None else accuracy.equal_rounded
    return float(LEAST_COSINE * kept**ROUNDINGS)


def _placed(result: Result, figures: Figures) -> str:
    placed = units_of(figures, result.operators or (result.op,))
    if result.chip == "cpu":
        return HOST
    if "custom" in placed:
        return CUSTOM
    if "CPU" in placed:
        return CPU
    return NPU if placed else UNPLACED


def told(result: Result) -> str:
    """The cell with what makes a wrong result wrong."""
    text, accuracy = str(cell(result)), _accuracy(result)
    if text != WRONG or accuracy is None:
        return text
    far = _one_number(result) if accuracy.cosine is None else f"{accuracy.cosine:.3f}"
    found = [far] if _is_far(accuracy) else []
    found += [f"{accuracy.equal:.1%} equal"] if _differs(accuracy) else []
    return f"{text} ({', '.join(found)})"


def _one_number(result: Result) -> str:
    figures = result.figures or result.estimate
    constant = figures is not None and figures.no_accuracy is NoAccuracy.CONSTANT
    return "one number throughout" if constant else "nothing but zeros"


def reason(result: Result) -> str:
    """Why it is not all on the NPU, or not right there."""
    if result.failure:
        return result.failure.message
    figures = result.figures or result.estimate
    if cell(result) == CPU and figures:
        return f"left to the CPU: {', '.join(on_cpu(figures))}"
    return f"{told(result)}{_coarse(result)}{_swapped(result)}"


def on_cpu(figures: Figures) -> list[str]:
    """Operators of which a layer was left to the CPU, with how many of how many where it is not all."""
    types = {name for name, where in figures.placement.items() if where == "CPU"}
    counted: dict[str, list[bool]] = {}
    for layer in figures.layers_on:
        for name in layer.operators:
            counted.setdefault(name, []).append(layer.unit == "CPU")
    types |= {name for name, units in counted.items() if any(units)}
    return [_share(name, counted.get(name, ())) for name in sorted(types)]


def _share(name: str, units: Sequence[bool]) -> str:
    left = sum(units)
    return f"{name} ({left} of {len(units)} layers)" if 0 < left < len(units) else name


def _accuracy(result: Result) -> Accuracy | None:
    figures = result.figures or result.estimate
    return figures.accuracy if figures else None


def _coarse(result: Result) -> str:
    """Why a wrong result is no better, where the steps of its outputs are too far apart for their values."""
    figures = result.figures or result.estimate
    about = figures.resolution if figures else None
    if cell(result) != WRONG or about is None or about.cosine is None or about.cosine >= LEAST_COSINE:
        return ""
    steps = ", ".join(f"{step:.2g}" for step in about.steps)
    return (
        f": its outputs have steps of {steps} for values up to {about.greatest:.2g};"
        f" FP32's own rounded to them have a cosine of {about.cosine:.3f}"
    )


def _swapped(result: Result) -> str:
    """How many integers could be equal at all, where too few are."""
    accuracy = _accuracy(result)
    if cell(result) != WRONG or accuracy is None or not _differs(accuracy) or accuracy.equal_rounded is None:
        return ""
    return f": with its inputs rounded to 8 bits FP32 keeps {accuracy.equal_rounded:.1%}"


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
    head = markdown_table(["board", "operator", "case", "rows", "of which"], lines)
    return f"## Rows that do not agree\n\nThe worst of them stands for its case.\n\n{head}"


def _tools(rows: Sequence[Result], boards: Sequence[tuple[str, str]]) -> str:
    found = []
    for backend, board in boards:
        tools = next(one.tools for one in reversed(rows) if one.board == board)
        found.append([board, backend, ", ".join(f"{name} {version}" for name, version in tools.items())])
    return f"## Tools\n\n{markdown_table(['board', 'backend', 'versions'], found)}"


def _counts(rows: Sequence[Result], boards: Sequence[str]) -> str:
    counted = []
    for board in boards:
        cells = [cell(one) for one in rows if one.board == board]
        counted.append([board, len(cells), *(cells.count(kind) or "" for kind in KINDS)])
    used = [kind for place, kind in enumerate(KINDS) if any(line[2 + place] for line in counted)]
    kept = [[*line[:2], *(line[2 + KINDS.index(kind)] for kind in used)] for line in counted]
    return f"## Counts\n\n{markdown_table(['board', 'cases', *used], kept)}"


def _operators(by_case: Mapping[tuple[str, str], Mapping[str, Result]], boards: Sequence[str]) -> str:
    """An operator a row; of one with several cases how many became what, where that differs."""
    lines = []
    for op in sorted({op for op, _ in by_case}):
        found = [results for (name, _), results in by_case.items() if name == op]
        cells = [
            _summary([cell(results[board]) for results in found if board in results]) for board in boards
        ]
        lines.append([op, len(found), *cells])
    return f"## Operators\n\n{markdown_table(['operator', 'cases', *boards], lines)}"


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
    return f"## Cases\n\n{note}{markdown_table(['operator', 'case', *boards], lines)}" if lines else ""


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
    return f"## Why not on the NPU\n\n{markdown_table(['board', 'what', 'reason', 'cases'], lines)}"


@dataclass(frozen=True, slots=True)
class MissingOperator:
    """An operator that a backend does not know; `models` and single-operator `cases` that it stops."""

    operator: str
    backend: str
    models: tuple[str, ...]
    cases: tuple[str, ...]


def missing_operators(results: Sequence[Result]) -> list[MissingOperator]:
    """Unsupported operators, those that block most models first, then by name."""
    blocked: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for result in results:
        failure = result.failure
        if failure is None or failure.failure_class is not FailureClass.UNSUPPORTED_OPERATOR:
            continue
        for operator in failure.operators:
            models, cases = blocked.setdefault((operator, result.backend), (set(), set()))
            (cases if result.case_kind is CaseKind.OPERATOR else models).add(result.case)
    found = [
        MissingOperator(operator, backend, tuple(sorted(models)), tuple(sorted(cases)))
        for (operator, backend), (models, cases) in blocked.items()
    ]
    return sorted(found, key=lambda one: (-len(one.models), -len(one.cases), one.operator, one.backend))
