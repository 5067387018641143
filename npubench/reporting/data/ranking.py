"""What stands in the way: operators that a toolchain lacks, by how many models they block."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import FailureClass, Result
from npubench.domain.specs import CaseKind


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
