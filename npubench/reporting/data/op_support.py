"""What became of operators on boards, from rows alone: cells, the matrix, and what toolchains lack.

A failure is not hidden by what worked: where rows or layers differ, the worst stands.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from npubench.domain.figures import Accuracy, Figures, NoAccuracy
from npubench.domain.records import Failure, FailureClass, Result, Status
from npubench.domain.specs import CaseKind
from npubench.domain.text import markdown_section
from npubench.reporting.data.accuracy import LEAST_COSINE
from npubench.reporting.data.translate import translate

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
WITHOUT_VERDICT = {FailureClass.TOOL_MISSING, FailureClass.BOARD_UNREACHABLE, FailureClass.BOARD_LOST}
"""These say nothing about the model."""


def worst(cells: Iterable[str]) -> str:
    """The cell that stands for several of one board."""
    return min(cells, key=WORST_FIRST.index)


def what_failed(failure: Failure) -> str | None:
    """The cell of a failure; None for one that says nothing of the operator."""
    if failure.failure_class in WITHOUT_VERDICT:
        return None
    return _OF_CLASS.get(failure.failure_class, FAILED)


def units_of(figures: Figures, operators: Collection[str]) -> tuple[str, ...]:
    """Units of the layers that hold one of these operators, by type where the tool tells no layers of them.

    Where it made something else of all of them, the units of that: a layer that a tool adds beside them, as a
    Reshape for its own layout, is none of theirs.
    """
    named = [one.unit for one in figures.placed_layers if not set(operators).isdisjoint(one.operators)]
    types = [figures.placement[name] for name in operators if name in figures.placement]
    if not named and not types:
        named = [one.unit for one in figures.placed_layers if one.operators]
        types = [*figures.placement.values()]
    # One a type where no layer tells, or where the types know of another unit.
    return (*named, *dict.fromkeys(unit for unit in types if unit not in named))


def _figures(result: Result) -> Figures | None:
    """Of a row that worked: the board's, else the estimate."""
    return (result.figures or result.estimate) if result.status is Status.OK else None


def cell(result: Result) -> str | None:
    """What became of a case; None for a row that says nothing of the operator."""
    if result.status is Status.FAILED and result.failure:
        return what_failed(result.failure)
    figures = _figures(result)
    if figures is None:
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
    text, figures = str(cell(result)), _figures(result)
    if text != WRONG or figures is None or figures.accuracy is None:
        return text
    found, accuracy = [], figures.accuracy
    if _is_far(accuracy):
        constant = figures.no_accuracy is NoAccuracy.CONSTANT
        number = "one number throughout" if constant else "nothing but zeros"
        found.append(number if accuracy.cosine is None else f"{accuracy.cosine:.3f}")
    if _differs(accuracy):
        found.append(f"{accuracy.equal:.1%} equal")
    return f"{text} ({', '.join(found)})"


def reason(result: Result) -> str:
    """Why it is not all on the NPU, or not right there."""
    if result.failure:
        return result.failure.message
    became, figures = cell(result), _figures(result)
    if became == CPU and figures:
        return f"left to the CPU: {', '.join(on_cpu(figures))}"
    return f"{told(result)}{_why_wrong(figures) if became == WRONG and figures else ''}"


def on_cpu(figures: Figures) -> list[str]:
    """Operators of which a layer was left to the CPU, with how many of how many where it is not all."""
    types = {name for name, where in figures.placement.items() if where == "CPU"}
    counted: dict[str, list[bool]] = {}
    for layer in figures.placed_layers:
        for name in layer.operators:
            counted.setdefault(name, []).append(layer.unit == "CPU")
    types |= {name for name, units in counted.items() if any(units)}
    return [_share(name, counted.get(name, ())) for name in sorted(types)]


def _share(name: str, units: Sequence[bool]) -> str:
    left = sum(units)
    return f"{name} ({left} of {len(units)} layers)" if 0 < left < len(units) else name


def _why_wrong(figures: Figures) -> str:
    """That the steps of its outputs are too far apart, or that few integers could be equal at all."""
    found, about, accuracy = "", figures.resolution, figures.accuracy
    if about is not None and about.cosine is not None and about.cosine < LEAST_COSINE:
        steps = ", ".join(f"{step:.2g}" for step in about.steps)
        found = (
            f": its outputs have steps of {steps} for values up to {about.greatest:.2g};"
            f" FP32's own rounded to them have a cosine of {about.cosine:.3f}"
        )
    if accuracy is not None and _differs(accuracy) and accuracy.equal_rounded is not None:
        found += f": with its inputs rounded to 8 bits FP32 keeps {accuracy.equal_rounded:.1%}"
    return found


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
    lines = []
    for one, cells in sorted(several, key=lambda pair: (pair[0].board, pair[0].op, pair[0].case)):
        counted = [f"{cells.count(kind)} {kind}" for kind in WORST_FIRST if kind in cells]
        lines.append([one.board, one.op, one.case, len(cells), ", ".join(counted)])
    note = "The worst of them stands for its case."
    return markdown_section(
        "## Rows that do not agree", ["board", "operator", "case", "rows", "of which"], lines, note
    )


def _tools(rows: Sequence[Result], boards: Sequence[tuple[str, str]]) -> str:
    found = []
    for backend, board in boards:
        tools = next(one.tools for one in reversed(rows) if one.board == board)
        found.append([board, backend, ", ".join(f"{name} {version}" for name, version in tools.items())])
    return markdown_section("## Tools", ["board", "backend", "versions"], found)


def _counts(rows: Sequence[Result], boards: Sequence[str]) -> str:
    counted = []
    for board in boards:
        cells = [cell(one) for one in rows if one.board == board]
        counted.append([board, len(cells), *(cells.count(kind) or "" for kind in KINDS)])
    used = [kind for place, kind in enumerate(KINDS) if any(line[2 + place] for line in counted)]
    kept = [[*line[:2], *(line[2 + KINDS.index(kind)] for kind in used)] for line in counted]
    return markdown_section("## Counts", ["board", "cases", *used], kept)


def _operators(by_case: Mapping[tuple[str, str], Mapping[str, Result]], boards: Sequence[str]) -> str:
    """An operator a row; of one with several cases how many became what, where that differs."""
    lines = []
    for op in sorted({op for op, _ in by_case}):
        found = [results for (name, _), results in by_case.items() if name == op]
        cells = [
            _summary([cell(results[board]) for results in found if board in results]) for board in boards
        ]
        lines.append([op, len(found), *cells])
    return markdown_section("## Operators", ["operator", "cases", *boards], lines)


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
    note = f"Left out: {left_out} cases that are on the NPU wherever they were run." if left_out else ""
    return markdown_section("## Cases", ["operator", "case", *boards], lines, note)


def _linked(text: str, result: Result, linked: bool) -> str:
    return f"[{text}]({quote(result.log_path)})" if linked and result.log_path else text


def _reasons(rows: Sequence[Result], linked: bool) -> str:
    """Why not, for whatever is not on the NPU: cases of one board with one reason together."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in sorted(rows, key=lambda r: (r.board, r.op, r.case)):
        if cell(one) not in (NPU, HOST):
            key = (one.board, str(cell(one)), reason(one))
            grouped.setdefault(key, []).append(_linked(one.case, one, linked))
    lines = [[*key, ", ".join(cases)] for key, cases in sorted(grouped.items())]
    return markdown_section("## Why not on the NPU", ["board", "what", "reason", "cases"], lines)


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


_PLACES = (CRASH, WRONG, FAILED, UNSUPPORTED, "CPU", CUSTOM, NPU, HOST)
"""Of layers, the worst first, by the words of tools; `runs` is said where they do not tell."""

Where = tuple[str, str]
"""A board and its backend."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The worst place of an operator; `seen` of `tried` layers (rows, where no layers are told) are there."""

    place: str
    seen: int = 1
    tried: int = 1

    @property
    def text(self) -> str:
        """With how many it is of, where it is not all."""
        return self.place if self.seen == self.tried else f"{self.place} ({self.seen} of {self.tried})"


def word_of(place: str) -> str:
    """A place for a page, in its language."""
    return {CRASH: translate("crash"), WRONG: translate("wrong result")}.get(place) or translate(place)


def placements(
    results: Iterable[Result], told: Callable[[Result], Iterable[tuple[str, Placement]]] | None = None
) -> dict[str, dict[Where, Placement]]:
    """Operator -> board and backend -> the worst that became of it there, of what a row has `told`."""
    found: dict[str, dict[Where, Placement]] = {}
    for row in results:
        where = (row.board, row.backend)
        for operator, placed in (told or of_row)(row):
            boards = found.setdefault(operator, {})
            boards[where] = worse(boards[where], placed) if where in boards else placed
    return found


def of_row(row: Result) -> Iterator[tuple[str, Placement]]:
    """What a row says of operators: of a model's failure only those that the tool named."""
    about = row.op if row.case_kind is CaseKind.OPERATOR else ""
    if row.status is Status.FAILED and row.failure:
        what = what_failed(row.failure)
        # A model of one operator type that crashes a tool names it as well as the tool could.
        only = tuple(row.operators) if what == CRASH and len(row.operators) == 1 else ()
        named = row.failure.operators or ((about,) if about else only)
        yield from ((name, Placement(what)) for name in named if what)
        return
    figures = _figures(row)
    if figures is None:
        return
    wrong = about if about and cell(row) == WRONG else ""
    if wrong:
        yield wrong, Placement(WRONG)
    for name in row.operators or figures.placement:
        if name != wrong:
            yield name, _place_of(figures, name, name == about)


def worse(one: Placement, other: Placement) -> Placement:
    """The worse of two, counted; where one does not tell the place, the other."""
    if HOST in (one.place, other.place) and one.place != other.place:
        return other if one.place == HOST else one
    first, second = _rank(one.place), _rank(other.place)
    seen = one.seen + other.seen if one.place == other.place else (one if first <= second else other).seen
    return Placement(one.place if first <= second else other.place, seen, one.tried + other.tried)


def _place_of(figures: Figures, operator: str, about: bool) -> Placement:
    """By layers; of an operator that a case is about also by what the tool made of it."""
    known = (
        about
        or operator in figures.placement
        or any(operator in one.operators for one in figures.placed_layers)
    )
    units = units_of(figures, (operator,)) if known else ()
    if not units:
        return Placement(HOST)
    place = min(units, key=_rank)
    return Placement(place, units.count(place), len(units))


def _rank(place: str) -> int:
    """A unit that nobody here knows, as a DSP, is worse than the NPU and better than the CPU."""
    return _PLACES.index(place if place in _PLACES else CUSTOM)
