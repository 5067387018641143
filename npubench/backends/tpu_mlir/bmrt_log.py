"""A log of Sophgo's `bmrt_test` that was kept elsewhere, to what a live run would have told.

How many launches were asked for is in no line of the tool. Its closing times come after all launches, so a
log with them lacks none, unless a command line in it asks for more.
"""

import re
from pathlib import PurePosixPath

from npubench.backends.isolated.on_board import unparsed
from npubench.backends.isolated.single_times import figures_of
from npubench.backends.tpu_mlir.bmrt_test import NAME, parse_bmrt_test
from npubench.domain.records import Failure, LogCase

_TELLS = re.compile(
    r"(?:\[BMRT\]\[[^\]]*\] ?)?(?:INFO: ?)?(?:net\[.*\] stage\[\d+\],? |calculate +time\(s\): )|\[BMRT\]\["
)
_LAUNCH = re.compile(r"launch total time is\b")
_COMMAND = re.compile(r"\bbmrt_test\b(?=.*--(?:bmodel|context_dir)\b)")
_MODEL = re.compile(r"--bmodel[ =](\S+\.bmodel)\b")
_LOOPS = re.compile(r"--loopnum[ =](\d{1,9})(?!\S)")
_CLOSING = re.compile(r"compare +time\(s\): +\d{1,9}\.\d{1,9}$|get output time\(s\): +\d{1,9}\.\d{1,9}$")


def read_log(text: str) -> tuple[LogCase, ...]:
    """What one log of the tool tells; nothing where no line of it is the tool's."""
    lines = [line[:1000] for line in text.splitlines()]
    if not any(map(_TELLS.match, lines)):
        return ()
    commands = [line for line in lines if _COMMAND.search(line)]
    models = {match[1] for line in commands if (match := _MODEL.search(line))}
    asked = {int(match[1]) if (match := _LOOPS.search(line)) else 1 for line in commands}
    name = PurePosixPath(models.pop()).stem if len(models) == 1 else ""
    whole = text.split("\n")[:-1]
    if not any(_CLOSING.search(line[:1000]) for line in whole):
        return (LogCase(name, failure=unparsed(NAME, "it ends before the times that close it", text)),)
    listed = sum(bool(_LAUNCH.search(line[:1000])) for line in whole)
    call = parse_bmrt_test(text, asked.pop() if len(asked) == 1 else listed)
    if isinstance(call, Failure):
        return (LogCase(name, failure=call),)
    return (LogCase(name or str(call.details["net"]), figures=figures_of(NAME, [call], None)),)
