"""What was exported and converted, without and with surgery, and why not: a document and a section."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.records import SAME_NETWORK, FailureClass, Result, Status
from npubench.domain.text import markdown_section
from npubench.reporting.data.op_support import WITHOUT_VERDICT, Placement, Where, placements
from npubench.storage.ledger import Conversion, Export

EXPORTED = "exported"
"""The status of a name whose export succeeded."""


@dataclass(frozen=True, slots=True)
class CodebaseCounts:
    """Names of one codebase: exported, failed, `waiting` for a first run; mean seconds of an export."""

    codebase: str
    names: int
    exported: int
    failed: int
    waiting: int
    seconds_each: float


@dataclass(frozen=True, slots=True)
class BackendCounts:
    """Cases of one backend in one precision; `why` counts the classes of those that are not ok."""

    backend: str
    precision: str
    cases: int
    ok: int
    why: Mapping[str, int]

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(self.why.values())


def document(exports: Mapping[str, Export], planned: Mapping[str, str], results: Sequence[Result]) -> str:
    """The coverage page as Markdown; `planned` maps every name that was meant to be run to its codebase."""
    parts = [
        "# Coverage",
        "Written by `npubench coverage` from the records of real exports; nothing here is written by hand."
        " An export counts when ONNX Runtime gave PyTorch's outputs, to 1e-3 of the largest one; where"
        " rounding alone takes a random network further than that, it may be twice as far from double"
        " precision as PyTorch's own floats. A name that no run has reached stands as not run.",
        _codebases(exports, planned),
        _failures(exports),
        _unreached(exports, planned),
        _models(exports),
    ]
    if results:
        parts += [_backends(results), _blocking(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def shares(exports: Mapping[str, Export], planned: Mapping[str, str]) -> dict[str, float]:
    """Codebase -> the part of its planned names that was exported, in 0..1; what was not run was not."""
    counts = Counter(planned.values())
    good = Counter(
        planned[name] for name, one in exports.items() if name in planned and not one.failure_class
    )
    return {codebase: good[codebase] / count for codebase, count in sorted(counts.items())}


def status(export: Export | None) -> str:
    """`exported`, the class of the failure, or `not run`."""
    if export is None:
        return "not run"
    return export.failure_class or EXPORTED


def _codebases(exports: Mapping[str, Export], planned: Mapping[str, str]) -> str:
    rows = [
        [c.codebase, c.names, c.exported, c.failed, c.waiting, _share(c), f"{c.seconds_each:.1f}"]
        for c in codebases(exports, planned)
    ]
    head = ["codebase", "names", "exported", "failed", "not run", "of those run", "seconds each"]
    return markdown_section("## Exports", head, rows)


def _share(counts: CodebaseCounts) -> str:
    ran = counts.exported + counts.failed
    return f"{counts.exported / ran:.1%}" if ran else "-"


def codebases(exports: Mapping[str, Export], planned: Mapping[str, str]) -> list[CodebaseCounts]:
    """Every codebase with names that were meant to be run or were, by name."""
    rows = []
    names = {**{export.case: export.codebase for export in exports.values()}, **planned}
    for codebase in sorted(set(names.values())):
        found = [exports.get(name) for name, one in names.items() if one == codebase]
        ran = [export for export in found if export]
        good = [export for export in ran if not export.failure_class]
        made = [export.duration_s for export in ran if SAME_NETWORK not in export.exported]
        seconds = sum(made) / len(made) if made else 0.0
        failed, waiting = len(ran) - len(good), len(found) - len(ran)
        rows.append(CodebaseCounts(codebase, len(found), len(good), failed, waiting, seconds))
    return rows


def _failures(exports: Mapping[str, Export]) -> str:
    rows = [[e.case, e.codebase, e.failure_class, e.message] for e in exports.values() if e.failure_class]
    return markdown_section("## Why not", ["model", "codebase", "class", "reason"], rows)


def _unreached(exports: Mapping[str, Export], planned: Mapping[str, str]) -> str:
    counts = Counter(codebase for name, codebase in planned.items() if name not in exports)
    if not counts:
        return ""
    told = ", ".join(f"{count} of {codebase}" for codebase, count in sorted(counts.items()))
    return f"## Not run\n\n{told}."


def _models(exports: Mapping[str, Export]) -> str:
    rows = [
        [
            *(e.case, e.shape, e.opset, _scaled(e.macs, 1e9), _scaled(e.parameters, 1e6)),
            *(_scaled(e.activation_bytes, 1e6), len(e.operators), e.exported.get("part", "whole")),
            e.exported.get("difference", "").partition(" ")[0] or None,
        ]
        for e in exports.values()
        if not e.failure_class
    ]
    head = ["model", "input", "opset", "MACs (G)", "parameters (M)", "activations (MB)"]
    head += ["kinds of operators", "part", "difference to PyTorch"]
    return markdown_section("## Exported models", head, rows)


def _backends(results: Sequence[Result]) -> str:
    rows = []
    for b in backends(results):
        reasons = ", ".join(f"{count} {name}" for name, count in b.why.items()) or "-"
        rows.append([b.backend, b.precision, b.cases, b.ok, b.failed, reasons])
    head = ["backend", "precision", "cases", "ok", "failed", "why"]
    return markdown_section("## Backends", head, rows)


def backends(results: Sequence[Result]) -> list[BackendCounts]:
    """Cases that each backend converted and ran, those that failed, and why; most frequent reason first."""
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        if not (result.failure and result.failure.failure_class in WITHOUT_VERDICT):
            groups[result.backend, str(result.precision)].append(result)
    rows = []
    for (backend, precision), rows_of in sorted(groups.items()):
        reasons = Counter(str(r.failure.failure_class) for r in rows_of if r.failure)
        good = sum(r.status is Status.OK for r in rows_of)
        rows.append(BackendCounts(backend, precision, len(rows_of), good, dict(reasons.most_common())))
    return rows


def support(results: Sequence[Result]) -> dict[str, dict[str, str]]:
    """Operator -> column of `columns_of` -> the worst that became of it there, by layer, and how often.

    NPU, CPU or custom; `runs` where the tool does not say where; else how it failed.
    """
    names = columns_of(results)
    return {
        operator: {names[where]: placed.text for where, placed in boards.items()}
        for operator, boards in sorted(placements(results).items())
    }


def columns_of(results: Iterable[Result]) -> dict[Where, str]:
    """Boards with their backends: by the backend's name where it is that of one board alone."""
    places = sorted({(row.backend, row.board) for row in results})
    alone = Counter(backend for backend, _ in places)
    return {
        (board, backend): backend if alone[backend] == 1 else f"{backend}: {board}"
        for backend, board in places
    }


def blocking(results: Iterable[Result]) -> list[tuple[str, str, int]]:
    """Backend, operator and the number of cases that it alone or with others stopped; most first."""
    counts = Counter(
        (result.backend, operator, result.case)
        for result in results
        if result.failure and result.failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
        for operator in result.failure.operators
    )
    cases = Counter((backend, operator) for backend, operator, _ in counts)
    return [(backend, operator, count) for (backend, operator), count in cases.most_common()]


def _blocking(results: Sequence[Result]) -> str:
    columns = list(columns_of(results).values())
    matrix = [
        [operator, *(row.get(name, "-") for name in columns)] for operator, row in support(results).items()
    ]
    head = ["backend", "operator", "cases"]
    parts = [
        markdown_section("## Operators by backend", ["operator", *columns], matrix),
        markdown_section("## Operators that stop most", head, blocking(results)),
    ]
    return "\n\n".join(filter(None, parts))


def _scaled(value: int | None, unit: float) -> str | None:
    return None if value is None else f"{value / unit:.3g}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Codebases and failed exports, backends, and what each backend does with each operator.

    Places of an operator stand in the order of the `toolchains`, None where nothing is known.
    """

    codebases: tuple[CodebaseCounts, ...]
    not_exported: tuple[Export, ...]
    backends: tuple[BackendCounts, ...]
    toolchains: tuple[str, ...]
    operators: Mapping[str, Sequence[Placement | None]]


def coverage_of(exports: Mapping[str, Export], results: Sequence[Result]) -> Coverage | None:
    """The section's data; None when neither an export nor a row is known."""
    if not exports and not results:
        return None
    columns = columns_of(results)
    return Coverage(
        tuple(codebases(exports, {})),
        tuple(export for export in exports.values() if export.failure_class),
        tuple(backends(results)),
        tuple(columns.values()),
        {
            operator: [boards.get(where) for where in columns]
            for operator, boards in sorted(placements(results).items())
        },
    )


JOINED = (
    "The lowest cosine of an output of the joined parts with the whole model's: with the body in FP32, which"
    " is what surgery itself changes, and as its toolchain gave it, quantised. Blank where no output is of"
    " numbers, or the tool gave none."
)


@dataclass(frozen=True, slots=True)
class CutCounts:
    """Cases of one board in one precision that convert as they are, and that convert with surgery."""

    backend: str
    board: str
    precision: str
    cases: int
    as_is: int
    with_cut: int


def counts(conversions: Sequence[Conversion]) -> list[CutCounts]:
    """Every backend, board and precision, by name."""
    groups: dict[tuple[str, str, str], list[Conversion]] = defaultdict(list)
    for one in conversions:
        groups[one.backend, one.board, one.precision].append(one)
    return [
        CutCounts(
            *key, len(group), sum(not one.as_is for one in group), sum(not one.with_cut for one in group)
        )
        for key, group in sorted(groups.items())
    ]


def cuts_document(conversions: Sequence[Conversion]) -> str:
    """Counts, what surgery was needed for, and what no surgery helped."""
    rows = [[c.backend, c.board, c.precision, c.cases, c.as_is, c.with_cut] for c in counts(conversions)]
    head = ["backend", "board", "precision", "models", "convert as they are", "with --cut auto"]
    helped = [one for one in conversions if one.as_is and not one.with_cut]
    uses = Counter((one.board, what) for one in helped for what in _done(one))
    ranked = [[board, what, count] for (board, what), count in uses.most_common()]
    joined = [
        [one.board, one.case, ", ".join(_done(one)), _cosine(one.joined_fp32), _cosine(one.joined_target)]
        for one in _by_board(helped)
    ]
    stopped = [
        [one.board, one.case, one.with_cut, ", ".join(one.lacking)]
        for one in _by_board(one for one in conversions if one.with_cut)
    ]
    joined_head = ["board", "model", "surgery", "joined in FP32", "joined, body quantised"]
    parts = [
        markdown_section("## Conversions without and with --cut auto", head, rows),
        markdown_section("### What was rewritten or cut off", ["board", "surgery", "models"], ranked),
        markdown_section("### Models that surgery got through", joined_head, joined, JOINED),
        markdown_section("### No surgery helped", ["board", "model", "class", "operators"], stopped),
    ]
    return "\n\n".join(filter(None, parts))


def _by_board(conversions: Iterable[Conversion]) -> list[Conversion]:
    return sorted(conversions, key=lambda one: (one.board, one.case))


def _done(one: Conversion) -> tuple[str, ...]:
    return (*one.rewrites, *(f"{operator} cut off" for operator in one.lacking))


def _cosine(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
