"""The page's coverage section: what was exported and converted, what not, and why; the data behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.records import Result
from npubench.reporting.data.coverage import BackendCounts, CodebaseCounts, backends, codebases, columns_of
from npubench.reporting.data.placements import Placement, placements
from npubench.storage.ledger import Export


@dataclass(frozen=True, slots=True)
class OperatorSupport:
    """One operator; `cells` stand in the order of the section's boards, None where nothing is known."""

    operator: str
    cells: tuple[Placement | None, ...]


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
    columns = columns_of(results)
    return Coverage(
        tuple(codebases(exports, planned)),
        tuple(export for export in exports.values() if export.failure_class),
        tuple(backends(results)),
        tuple(columns.values()),
        tuple(
            OperatorSupport(operator, tuple(boards.get(where) for where in columns))
            for operator, boards in sorted(placements(results).items())
        ),
    )
