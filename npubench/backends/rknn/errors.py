"""What RKNN-Toolkit2 prints when it cannot convert a model. Its return codes are not believed."""

import re
from collections.abc import Mapping
from typing import Any

from npubench.domain.records import Failure, FailureClass, Stage

_NO_LOWERING = re.compile(r"No lowering found for: .*?, node type = (\w+)")
_OPERATORS = (
    re.compile(r"In Node, \(\"[^\"]*\", (\w+), \"[^\"]*\", -?\d+\).*No opset import for domain"),
    re.compile(r"No Op registered for (\w+)"),
    re.compile(r"(\w+)\(-?\d+\) is not a registered function/op"),
    re.compile(r"Could not find an implementation for (\w+)\("),
    re.compile(r"[Uu]nsupported? (?:onnx )?op(?:erator)?(?: type)?:? ['\"]?([A-Z]\w+)"),
    re.compile(r"[Oo]p(?:erator)? ['\"]?([A-Z]\w+)['\"]? (?:is )?not support"),
)
_DYNAMIC = (
    (re.compile(r"The input \d+ of (\w+)\('.*'\) need to be constant"), ": an input is not constant"),
    (re.compile(r"The (\w+)\('.*'\) will cause the graph to be a dynamic graph"), ""),
)
_OPSET = re.compile(r"(?:[Uu]nsupport\w*|[Nn]ot support\w*).*opset|opset.*(?:[Uu]nsupport|[Nn]ot support)")
_MEMORY = re.compile(r"MemoryError|bad_alloc|Cannot allocate memory|[Oo]ut of memory")
_ATTRIBUTE = re.compile(r"(?:[Nn]ot|[Oo]nly|[Uu]n) ?support|must be|should be|invalid|exceed")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_ERROR_LINE = re.compile(r"^(?:E RKNN: \[[\d:.]+\] |E )(.*\S)")


def lacking(said: str) -> tuple[str, ...]:
    """Operators for which the tool has no implementation, though it went on and returned 0."""
    return tuple(dict.fromkeys(_NO_LOWERING.findall(said)))


def no_lowering(operators: tuple[str, ...]) -> Failure:
    """The failure of a model with such operators: the artifact needs a custom operator of the user's."""
    message = f"RKNN has no implementation of {', '.join(operators)}: it asks for a custom operator"
    return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, operators)


def explain(error: Mapping[str, Any], said: str) -> Failure:
    """The failure that an exception and the log mean."""
    text = f"{error['type']}: {error['text']}\n{_COLOUR.sub('', said)}"
    detail = str(error["traceback"])
    operators = lacking(said)
    if operators:
        return no_lowering(operators)
    if error["type"] == "LostInputError":
        return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, str(error["text"])[:300], detail=detail)
    for pattern in _OPERATORS:
        names = tuple(dict.fromkeys(pattern.findall(text)))
        if names:
            message = f"RKNN does not support {', '.join(names)}"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    for pattern, why in _DYNAMIC:
        if names := tuple(dict.fromkeys(pattern.findall(text))):
            message = f"RKNN takes no dynamic graph, which {', '.join(names)} makes of it{why}"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    line = last_error(said) or _raised(error)
    for pattern, failure_class in (
        (_OPSET, FailureClass.UNSUPPORTED_OPSET),
        (_MEMORY, FailureClass.OUT_OF_MEMORY),
    ):
        if found := next((one for one in text.splitlines() if pattern.search(one)), None):
            return Failure(Stage.COMPILE, failure_class, f"RKNN: {_plain(found)}", detail=detail)
    known = FailureClass.UNSUPPORTED_ATTRIBUTE if _ATTRIBUTE.search(line) else FailureClass.TOOL_ERROR
    return Failure(Stage.COMPILE, known, f"RKNN: {_plain(line)}", detail=detail)


def last_error(said: str) -> str | None:
    """The last line that the tool itself marks as an error and that is more than a traceback's head."""
    lines = (_COLOUR.sub("", line) for line in said.splitlines())
    errors = [match[1] for line in lines if (match := _ERROR_LINE.match(line))]
    told = [line for line in errors if not _IS_FRAME.search(line)]
    return told[-1] if told else None


def _raised(error: Mapping[str, Any]) -> str:
    """The exception in a line; where its text is a traceback, as the tool makes them, its end."""
    lines = [line.strip() for line in str(error["text"]).splitlines() if line.strip()]
    if lines and _IS_FRAME.search(lines[0]):
        at = f"{error['step']}: " if error.get("step") else ""
        return f"{at}{lines[-1]}"
    return f"{error['type']}: {lines[0] if lines else ''}"


_IS_FRAME = re.compile(r"Traceback \(most recent call last\)|rknn-toolkit2 version:|^=+|^-+$|^File ")


def _plain(line: str) -> str:
    return _COLOUR.sub("", line).strip()[:300]
