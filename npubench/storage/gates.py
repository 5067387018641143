"""What gates launched and said: lines of JSON in a workspace, appended as they come."""

from datetime import UTC, datetime
from pathlib import Path

from npubench.domain.gates import GateVerdict, Launch
from npubench.storage.json import decode_lines, encode
from npubench.storage.workspace import writing

LAUNCHES = "gate-launches.jsonl"
VERDICTS = "gate-verdicts.jsonl"


def now() -> str:
    """This moment as records have it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def note_gate(root: Path, record: Launch | GateVerdict) -> None:
    """Append to the workspace at `root`. Raises WorkspaceError where it cannot be written."""
    file = root / (LAUNCHES if isinstance(record, Launch) else VERDICTS)
    with writing(root), file.open("a", encoding="utf-8") as stream:
        stream.write(f"{encode(record)}\n")


def read_launches(root: Path) -> list[Launch]:
    """All launches, the oldest first. Raises UsageError at a line that is none."""
    return list(decode_lines(Launch, root / LAUNCHES))


def read_verdicts(root: Path) -> list[GateVerdict]:
    """All verdicts, the oldest first. Raises UsageError at a line that is none."""
    return list(decode_lines(GateVerdict, root / VERDICTS))
