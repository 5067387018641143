"""What the steps of a run share and hand on to each other."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from npubench.domain.protocols import Backend, BoardBenchmark, Exporter
from npubench.domain.records import (
    Artifact,
    BoardState,
    Failure,
    Figures,
    OnnxModel,
    Runner,
    Skip,
    ToolInfo,
)
from npubench.domain.specs import CaseSpec
from npubench.engine.plan import Job, Request
from npubench.storage.workspace import Workspace, writing

Kept = TypeVar("Kept", OnnxModel, Artifact)


@dataclass(frozen=True)
class Context:
    """What every job of a run shares; backends and the state of their tools by the board's name.

    `wait_s` is how long a board that another run holds is waited for; None: without end.
    """

    run_id: str
    workspace: Workspace
    request: Request
    exporter_of: Callable[[CaseSpec], Exporter]
    backends: Mapping[str, Backend]
    tools: Mapping[str, ToolInfo]
    command: tuple[str, ...]
    announce: Callable[[Any], None]
    fresh: bool = False
    wait_s: float | None = None
    benchmarks: Mapping[str, BoardBenchmark] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def recall(self, key: str, find: Callable[[str], Kept | None]) -> Kept | None:
        """What the workspace keeps for `key`; a fresh run takes only what it made itself."""
        return None if self.fresh and key not in self.made else find(key)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job on its way: what came of export and compile, and since when."""

    job: Job
    started_at: datetime
    log: Path
    model: OnnxModel | None = None
    artifact: Artifact | None = None
    estimate: Figures | None = None
    failure: Failure | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a board gave for a job, with its state before and after."""

    outcome: Figures | Failure | Skip
    before: BoardState | None = None
    after: BoardState | None = None
    runner: Runner | None = None


def note(log: Path, text: str) -> None:
    """Append to the log of a job."""
    with writing(log.parent), log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
