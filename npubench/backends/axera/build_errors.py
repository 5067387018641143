"""Why a build failed, from its output and how its process ended; exit codes alone are not believed.

Sources: errors published with the AX620A operator and model tables, and the Pulsar 2 documentation.
"""

import re
from collections.abc import Sequence

from npubench.backends.axera.lines import short_lines
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.domain.text import last_line
from npubench.tools.exit_status import killed, was_killed

_OPERATOR = (
    re.compile(r"module 'neuwizard\.operators[\w.]*' has no attribute '([\w.]+)'"),
    re.compile(r"dont support ([\w.]+) opr? in \w+"),
    re.compile(r"\bAx(?:Quantized)?([A-Z]\w*) dont support\s*$"),
    re.compile(
        r"[Uu]nsupported (?:onnx )?op(?:erator)?(?: type)?s?:? '?((?:\w+\.)*[A-Z]\w*)'?(?=$|[\s,.;)])"
    ),
    re.compile(r"[Oo]p(?:erator)? '?((?:\w+\.)*[A-Z]\w*)'? is not supported"),
)
_MEMORY = re.compile(r"\bMemoryError\b|std::bad_alloc|[Oo]ut of memory|Cannot allocate memory|\bOOM\b")
_CRASH = re.compile(
    r"Segmentation fault|core dumped|killed by SIG(?!KILL)[A-Z]+|Aborted\b|Fatal Python error"
)
_EXCEPTION = re.compile(r"\s*(?:[\w.]+\.)?(\w*(?:Error|Exception)): ?(.*)")
_RESTRICTION = re.compile(
    r"support|restrict|must |should |expect|only |illegal|invalid|exceed|too (?:large|big|small)"
    r"|not match|mismatch|\b(?:auto_?pad|count_include_pad|pads?|padding|strides?|dilations?|groups?"
    r"|kernel(?:_shape)?|axis|axes|ndim|rank|shapes?|ceil_mode|storage_order|layout|broadcast\w*|attributes?)\b"
)
_KILLED = re.compile(r"killed by SIGKILL")
_DOCKER_FAILED = 125


def unsupported_operators(text: str) -> tuple[str, ...]:
    """Operators that the converter says it lacks, as ONNX calls them, each once."""
    names = [match[1] for line in short_lines(text) for p in _OPERATOR for match in p.finditer(line)]
    return tuple(dict.fromkeys(name.removeprefix("onnx.") for name in names))


def explain(tool: str, text: str) -> Failure | None:
    """The failure that the output itself names; None when it names none."""
    lines = short_lines(text)
    operators = unsupported_operators(text)
    if operators:
        message = f"{tool} does not support {', '.join(operators)}"
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, operators)
    for failure_class, pattern in ((FailureClass.OUT_OF_MEMORY, _MEMORY), (FailureClass.CRASH, _CRASH)):
        for line in lines:
            if pattern.search(line):
                return Failure(Stage.COMPILE, failure_class, f"{tool}: {line.strip()}"[:300])
    for line in lines:
        if _KILLED.search(line):
            message = f"{tool}: {line.strip()}: nothing says that memory ran out: the next run tries again"
            return Failure(Stage.COMPILE, FailureClass.KILLED, message[:300])
    exceptions = [match for line in lines if (match := _EXCEPTION.fullmatch(line))]
    if not exceptions:
        return None
    name, said = exceptions[-1][1], exceptions[-1][2].strip()
    restricted = name in {"AssertionError", "NotImplementedError"} or _RESTRICTION.search(said)
    failure_class = FailureClass.UNSUPPORTED_ATTRIBUTE if restricted else FailureClass.CRASH
    return Failure(Stage.COMPILE, failure_class, f"{tool}: {name}: {said}"[:300])


def failed_build(tool: str, completed: Completed, deadline_s: float) -> Failure | None:
    """Why this process cannot have made an artifact; None when nothing speaks against it."""
    if completed.timed_out:
        message = f"{tool} did not end within {deadline_s:g} s and was stopped"
        return Failure(Stage.COMPILE, FailureClass.HANG, message)
    if completed.returncode == 0:
        return None
    named = explain(tool, completed.output)
    if named is not None and not (named.failure_class is FailureClass.KILLED and completed.out_of_memory):
        return named
    code = completed.returncode
    if named is not None or was_killed(completed):
        return killed(Stage.COMPILE, tool, completed, "on its host")
    if code == _DOCKER_FAILED and _is_container(completed.argv):
        message = f"the container could not be started: {_last_line(completed.output)}"
        return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message)
    if code in (126, 127):
        message = f"{tool} could not be started: {_last_line(completed.output)}"
        return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return Failure(
        Stage.COMPILE, FailureClass.CRASH, f"{tool} ended with {how}: {_last_line(completed.output)}"
    )


def no_artifact(tool: str, text: str, name: str) -> Failure:
    """The failure of a build that ended well but left no file."""
    named = explain(tool, text)
    if named is not None:
        return named
    message = f"{tool} ended without writing {name}: {_last_line(text)}"
    return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)


def _is_container(argv: Sequence[str]) -> bool:
    return any(word.rpartition("/")[2] in {"docker", "podman"} for word in argv[:5])


def _last_line(text: str) -> str:
    return last_line("\n".join(short_lines(text)), limit=200)
