"""What QNN's execution provider prints and raises when the HTP does not take a model."""

import re
from collections.abc import Mapping
from typing import Any

from npubench.domain.records import Failure, FailureClass, Stage

_LEFT_OVER = re.compile(r"Unsupported nodes in QNN EP: (?P<nodes>\{.*\})")
_TYPE = re.compile(r"type: (\w+) \}")
_OPERATORS = (
    re.compile(r"(\w+)\(-?\d+\) is not a registered function/op"),
    re.compile(r"No Op registered for (\w+)"),
    re.compile(r"In Node, \(\"[^\"]*\", (\w+), \"[^\"]*\", -?\d+\).*No opset import for domain"),
    re.compile(r"Could not find an implementation for (\w+)\("),
)
_FALLBACK = "fallback to CPU EP has been explicitly disabled"
_MEMORY = re.compile(r"MemoryError|bad_alloc|Cannot allocate memory|[Oo]ut of memory")
_OPSET = re.compile(r"[Oo]pset \d+ is under development|Unsupported model IR")


def explain(error: Mapping[str, Any], said: str) -> Failure:
    """The failure that an exception and the log mean; operators are those that the HTP did not take."""
    told, detail = str(error["text"]), str(error["traceback"])
    for pattern in _OPERATORS:
        if names := tuple(dict.fromkeys(pattern.findall(told))):
            message = f"QNN does not support {', '.join(names)}"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    given = tuple(str(name) for name in error.get("operators", ()))
    left = given or left_over(said)
    if _FALLBACK in told or left:
        message = (
            f"the HTP does not take {', '.join(left) or 'all of this graph'}, and nothing may run on the CPU"
        )
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, left, detail)
    line = next((line.strip() for line in told.splitlines() if line.strip()), "without a word")
    message = f"QNN: {error['type']}: {line}"[:300]
    for pattern, failure_class in (
        (_MEMORY, FailureClass.OUT_OF_MEMORY),
        (_OPSET, FailureClass.UNSUPPORTED_OPSET),
    ):
        if pattern.search(f"{error['type']} {told}"):
            return Failure(Stage.COMPILE, failure_class, message, detail=detail)
    return Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, message, detail=detail)


def left_over(said: str) -> tuple[str, ...]:
    """Operator types that the provider says it leaves, quantising nodes around them apart."""
    names = [name for match in _LEFT_OVER.finditer(said) for name in _TYPE.findall(match["nodes"])]
    return tuple(dict.fromkeys(name for name in names if name not in {"QuantizeLinear", "DequantizeLinear"}))
