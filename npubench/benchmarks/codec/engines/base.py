"""What an engine is, and what all of them are handed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from npubench.benchmarks.codec.cases import CodecCase
from npubench.benchmarks.codec.figures import Found
from npubench.benchmarks.codec.media import Made
from npubench.benchmarks.codec.settings import Settings
from npubench.domain.protocols import Session
from npubench.domain.records import Failure, Skip


@dataclass(frozen=True, slots=True)
class Work:
    """A case with its input on this machine, and the board that it is for."""

    case: CodecCase
    settings: Settings
    path: Path
    made: Made
    session: Session
    deadline_s: float
    log: Path


class Engine(Protocol):
    """Runs one case on a board."""

    def __call__(self, work: Work) -> Found | Failure | Skip:
        """Check the output, time it, search for the number of streams. Raises like `Session`."""
