"""What ONNX Runtime's errors mean."""

import re
from collections.abc import Mapping

from npubench.domain.records import Failure, FailureClass, Stage

_RARE = r"(?:bfloat16|float16|float8\w+|float[46]\w+|u?int[24]|complex\d+)"
"""Types that ONNX has operators for and ONNX Runtime often has not; it calls such models invalid."""

_OPERATORS = (
    r"No Op registered for (?P<op>[\w.]+)",
    r"(?P<op>[\w.]+)\(-?\d+\) is not a registered function/op",
    r"Could not find an implementation for (?P<op>[\w.]+)\(",
    r"Failed to find kernel for (?P<op>[\w.]+)\(",
    rf"Type 'tensor\({_RARE}\)' of input parameter \([^)]*\) of operator \((?P<op>\w+)\)",
    r"no operator of this graph can be quantised: (?P<op>[\w.]+(?:, [\w.]+)*)",
)
_CLASSES = (
    (r"[Oo]pset \d+ is under development|support for models stamped", FailureClass.UNSUPPORTED_OPSET),
    (r"Unsupported model IR", FailureClass.UNSUPPORTED_OPSET),
    (r"MemoryError|bad_alloc|Failed to allocate memory|[Oo]ut of memory", FailureClass.OUT_OF_MEMORY),
    (r"^UsageError", FailureClass.INVALID_CALIBRATION),
    (r"INVALID_PROTOBUF|INVALID_GRAPH|ShapeInferenceError", FailureClass.INVALID_MODEL),
)


def failure_of_error(error: Mapping[str, str], stage: Stage) -> Failure:
    """The failure for an exception that the worker caught: its type, text and traceback."""
    text = f"{error['type']}: {error['text']}"
    detail = error["traceback"]
    for pattern in _OPERATORS:
        found = re.findall(pattern, text)
        if found:
            operators = tuple(dict.fromkeys(name for names in found for name in names.split(", ")))
            return Failure(stage, FailureClass.UNSUPPORTED_OPERATOR, _first_line(text), operators, detail)
    for pattern, failure_class in _CLASSES:
        if re.search(pattern, text):
            return Failure(stage, failure_class, _first_line(text), detail=detail)
    return Failure(stage, FailureClass.TOOL_ERROR, _first_line(text), detail=detail)


_NOISE = re.compile(
    r"^(?:ValueError: |UsageError: |\w+: \[ONNXRuntimeError\] : \d+ : (?:\w+ : )?)?"
    r"(?:Load model from .*? failed: ?)?(?:Fatal error: |This is an invalid model\. )?"
)
"""What ONNX Runtime puts before its messages, among it the path of our own file; and our own types."""

_SOURCE_PLACE = re.compile(r"/onnxruntime_src/\S+?:\d+ .*? was false\. ")
"""The place in ONNX Runtime's own source and the condition there, before the words that tell the user."""

_REFUSED_BYTES = re.compile(r"Failed to allocate memory for requested buffer of size (\d+)")


def _first_line(text: str) -> str:
    """The line that tells what happened, without what stands before it."""
    if refused := _REFUSED_BYTES.search(text):
        return f"ONNX Runtime asked for {int(refused[1]):,} bytes at once, which this machine does not have"
    line = next((line.strip() for line in text.splitlines() if line.strip()), text)
    return _SOURCE_PLACE.sub("", _NOISE.sub("", line))
