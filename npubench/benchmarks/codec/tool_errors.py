"""What FFmpeg's and GStreamer's complaints mean, as classes of failures."""

import re

from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.tools.exit_status import classify_run

_LACKS = re.compile(
    r"Unknown (?:decoder|encoder) '[^']{1,80}'"
    r"|(?:Decoder|Encoder) \(codec [^)]{1,80}\) not found.*"
    r"|(?:Decoder|Encoder) not found"
    r"|Could not find (?:a valid device|.{0,60}(?:decoder|encoder)).*"
    r"|no (?:decoder|encoder) named .*"
    r"|(?:Default|Automatic) encoder .{0,120}"
    r'|no element "[^"]{1,80}"'
    r"|No such element.*|Failed to initialize MPP.*|No device available .*"
)
"""A decoder, encoder or element that is not there, or whose driver is not."""
_MEMORY = re.compile(r"Cannot allocate memory|Out of memory|bad_alloc|MemoryError")


def lacking(text: str) -> str | None:
    """The line that tells of a codec or device which is not there; None when none does."""
    found = _LACKS.search(text)
    return found[0][:200].strip() if found else None


def failure_of(tool: str, completed: Completed) -> Failure | None:
    """The failure that a run's end and words tell of; None when it ended well."""
    ended = classify_run(tool, completed)
    if ended is None or ended.failure_class is not FailureClass.TOOL_ERROR:
        return ended
    if (words := lacking(completed.output)) is not None:
        return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC, f"{tool}: {words}")
    if _MEMORY.search(completed.output):
        message = f"{tool} ran out of memory on the board"
        return Failure(Stage.MEASURE, FailureClass.OUT_OF_MEMORY, message)
    return ended
