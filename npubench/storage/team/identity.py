"""What a row is known by, wherever it lies: the SHA-256 of its JSON in one form."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from npubench.domain.records import Result


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as stores exchange it: what is searched for, and the whole as text."""

    sha256: str  # its identity
    key: str  # identifies what was asked
    run_id: str  # of the run that made it
    started_at: str  # ISO 8601, UTC
    board: str  # its name
    backend: str  # or the tool of a board benchmark
    case_name: str
    case_kind: str  # model, operator or benchmark
    precision: str
    status: str  # how it ended
    final: bool  # False: a next run tries again
    row: str  # the JSON of `records.Result` on one line, as it was written


def identity_of(row: str) -> str:
    """SHA-256 of a row's JSON in whatever order its keys are. Raises ValueError for no JSON."""
    canonical = json.dumps(json.loads(row), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def stored_row(result: Result, row: str) -> StoredRow:
    """A row out of its text and what that reads as. Raises ValueError."""
    return StoredRow(
        sha256=identity_of(row),
        key=result.key,
        run_id=result.run_id,
        started_at=result.started_at,
        board=result.board,
        backend=result.backend,
        case_name=result.case,
        case_kind=result.case_kind.value,
        precision=result.precision.value,
        status=result.status.value,
        final=result.failure is None or not result.failure.transient,
        row=row,
    )


def digest_of(identities: Iterable[str]) -> str:
    """SHA-256 of a set of rows by their identities, in whatever order they came; of none, of nothing."""
    whole = hashlib.sha256()
    for one in sorted(set(identities)):
        whole.update(f"{one}\n".encode())
    return whole.hexdigest()
