"""A session that knows whether its job is being transferred or measured."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from npubench.domain.protocols import Session
from npubench.domain.records import BoardState, Completed, Stage


class StagedSession:
    """Passes everything on; `stage` is the one in which a board was lost."""

    def __init__(self, session: Session, enter: Callable[[Stage], None]) -> None:
        self._session = session
        self._enter = enter
        self._stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        """Where the job is; what is neither transfer nor measurement counts as the latter."""
        return self._stage or Stage.MEASURE

    def run(self, argv: Sequence[str], timeout_s: float, log: Path | None = None) -> Completed:
        """Run a command."""
        self._change(Stage.MEASURE)
        return self._session.run(argv, timeout_s, log)

    def put(self, source: Path, sha256: str) -> PurePosixPath:
        """Bring a file."""
        self._change(Stage.TRANSFER)
        return self._session.put(source, sha256)

    def get(self, source: PurePosixPath, target: Path) -> None:
        """Fetch a file."""
        self._change(Stage.TRANSFER)
        self._session.get(source, target)

    def facts(self) -> BoardState:
        """The board's state."""
        return self._session.facts()

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    def _change(self, stage: Stage) -> None:
        if stage is not self._stage:
            self._stage = stage
            self._enter(stage)
