"""Which rows of a store are wanted."""

from collections.abc import Iterable
from dataclasses import dataclass

from npubench.storage.team.identity import StoredRow


@dataclass(frozen=True, slots=True)
class Question:
    """Rows that are wanted, the newest first where there is a limit; what is None is not asked for."""

    case: str | None = None
    board: str | None = None
    backend: str | None = None
    run_id: str | None = None
    since: str | None = None  # ISO 8601, UTC: started then or later
    newest: bool = False  # only the newest of a case, board, backend and precision
    limit: int | None = None  # the newest so many

    def of(self, rows: Iterable[StoredRow]) -> list[StoredRow]:
        """Those of `rows` that are wanted, oldest first, equal times by identity."""
        kept = sorted((one for one in rows if self._wants(one)), key=_age)
        if self.newest:
            like = {(one.case_name, one.board, one.backend, one.precision): one for one in kept}
            kept = sorted(like.values(), key=_age)
        return kept if self.limit is None else kept[max(0, len(kept) - self.limit) :]

    def _wants(self, one: StoredRow) -> bool:
        asked = (
            (self.case, one.case_name),
            (self.board, one.board),
            (self.backend, one.backend),
            (self.run_id, one.run_id),
        )
        started = self.since is None or one.started_at >= self.since
        return started and all(wanted is None or wanted == have for wanted, have in asked)


def _age(one: StoredRow) -> tuple[str, str]:
    return one.started_at, one.sha256
