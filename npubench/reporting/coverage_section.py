"""The page's coverage section: what was exported and converted, what not, and why; the data behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npubench.exports import Export
from npubench.records import Result
from npubench.reporting.coverage import BackendCounts, CodebaseCounts, backends, codebases, support


@dataclass(frozen=True, slots=True)
class OperatorSupport:
    """One operator; `cells` stand in the order of the section's backends, empty where nothing is known."""

    operator: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Codebases and failed exports, backends, and what each backend does with each operator."""

    codebases: tuple[CodebaseCounts, ...]
    not_exported: tuple[Export, ...]
    backends: tuple[BackendCounts, ...]
    toolchains: tuple[str, ...]
    operators: tuple[OperatorSupport, ...]


def coverage_of(
    exports: Mapping[str, Export], planned: Mapping[str, str], results: Sequence[Result]
) -> Coverage | None:
    """The section's data; None when neither an export nor a row is known."""
    if not exports and not planned and not results:
        return None
    matrix = support(results)
    toolchains = tuple(sorted({result.backend for result in results}))
    return Coverage(
        tuple(codebases(exports, planned)),
        tuple(export for export in exports.values() if export.failure_class),
        tuple(backends(results)),
        toolchains,
        tuple(
            OperatorSupport(operator, tuple(row.get(name, "") for name in toolchains))
            for operator, row in matrix.items()
        ),
    )
