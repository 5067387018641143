"""What onnx2tf, the quantizer and Vela say when they do not take a model; their exit codes say nothing."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from npubench.domain.records import Failure, FailureClass, Stage

_CUSTOM = re.compile(r"Custom ops lowered: .*onnx_ops=\[([^\]]*)\]")
_UNSUPPORTED = re.compile(
    r"(?:Op(?:erator)? |OP: ?)(?P<name>[A-Z]\w+)(?: is)? not (?:yet )?(?:implemented|supported)"
)
_NOT_IMPLEMENTED = re.compile(r"^NotImplementedError: (?P<told>(?P<name>[A-Z]\w+) .*)", re.M)
_SEMANTICS = re.compile(
    r"Error: (?P<name>\w+) '[^']*' Does not have valid TFLite Semantics\.\s*(?:- )?(?P<why>[^\n]*)"
)
_NOT_ON_NPU = re.compile(r"Non-passthrough operation \(\w+\) could not run on NPU")
_WARNED = re.compile(r"operator: (?P<name>\w+), ofm: .*\s+Reason: Unsupported opType")
_NMS = re.compile(r"KeyError: '\S*_nms_\w+'")
_RAISED = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception): .*\S", re.M)
_OWN = re.compile(r": \w+ ended with code -?\d+$")
_ONLY_FORMAT = frozenset({"QUANTIZE", "DEQUANTIZE"})
_OF_LITERT = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "LSTM",
    "LOGICAL_NOT": "Not",
    "LOGICAL_AND": "And",
    "LOGICAL_OR": "Or",
    "TOPK_V2": "TopK",
}


def explain(error: Mapping[str, Any], said: str) -> Failure:
    """The failure that an exception of the worker and the log mean."""
    told, detail = str(error["text"]), str(error["traceback"])
    custom = [name.strip() for match in _CUSTOM.finditer(said) for name in match[1].split(",")]
    names = _once([*map(str, error.get("operators", ())), *custom])
    names = names or _once(match["name"] for match in _UNSUPPORTED.finditer(f"{said}\n{told}"))
    if names:
        told = told if error.get("operators") else f"onnx2tf has no LiteRT operator for {', '.join(names)}"
        message = told.strip()[:300]
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    if match := _NOT_IMPLEMENTED.search(said):
        message = f"onnx2tf: {match['told']}"[:300]
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message, (match["name"],), detail)
    if error["type"] == "ChangedError":
        return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, told.strip()[:300], detail=detail)
    if refused := _by_vela(said, detail):
        return refused
    if match := _NMS.search(f"{error['type']}: {told}"):
        message = f"the quantizer loses a tensor of onnx2tf's NonMaxSuppression: {match[0]}"[:300]
        names = ("NonMaxSuppression",)
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    raised = [line for line in _RAISED.findall(said) if not _OWN.search(line)]
    line = next((line.strip() for line in told.splitlines() if line.strip()), "without a word")
    text = raised[-1] if raised and _OWN.search(f": {line}") else f"{error['type']}: {line}"
    step = f" at {error['step']}" if error.get("step") else ""
    message = f"ethos-u{step}: {text}"[:300]
    if error["type"] == "MemoryError":
        return Failure(Stage.COMPILE, FailureClass.OUT_OF_MEMORY, message, detail=detail)
    return Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, message, detail=detail)


def _by_vela(said: str, detail: str) -> Failure | None:
    """What Vela raises for an operator that it can neither place on the NPU nor leave to the CPU."""
    names: tuple[str, ...] = ()
    why = "it can neither run on the NPU nor be left to the CPU"
    if match := _SEMANTICS.search(said):
        names, why = (_in_onnx(match["name"]),), match["why"].strip()
    elif _NOT_ON_NPU.search(said):
        warned = (match["name"] for match in _WARNED.finditer(said))
        names = _once(_in_onnx(name) for name in warned if name not in _ONLY_FORMAT)
    if not names:
        return None
    message = f"Vela does not take {', '.join(names)}: {why}"[:300]
    return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)


def _in_onnx(name: str) -> str:
    """The ONNX operator that LiteRT's is named after; LiteRT's own name where there is none."""
    from onnx import defs

    plain = name.replace("_", "").lower()
    known = {schema.name.lower(): schema.name for schema in defs.get_all_schemas()}
    return _OF_LITERT.get(name) or known.get(plain, name)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))
