"""The backend on npubench's side: a job for the worker, placement and emulated outputs to figures."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.isolated.backend import IsolatedBackend, resolution_of
from npubench.backends.options import text
from npubench.backends.signature import Tolerance
from npubench.domain.errors import UsageError
from npubench.domain.records import Artifact, Failure, FailureClass, Figures, Kind, OnnxModel, Stage
from npubench.domain.specs import Target

PROVIDER = "QNNExecutionProvider"
SOC_MODELS = {"68": "30", "69": "36", "73": "43", "75": "57", "79": "69"}
"""Of every architecture the phone chip that came with it (SM8350, SM8450, SM8550, SM8650, SM8750), by its
number in the table of supported Snapdragon devices of Qualcomm's QNN documentation. Without one the compiler
takes the chip to lack FP16, and gives up on what was not quantised with an error about memory.
"""


CONTEXT = Tolerance(
    dtypes={"int64": ("int32",), "float32": ("uint8", "uint16"), "float16": ("float32",)},
    dtypes_why="INT64 of ArgMax leaves as INT32 (see worker.narrow_outputs), and borders may stay quantised",
)
"""What a context model differs in: it keeps names, ranks and layouts."""


class QnnBackend(IsolatedBackend):
    """INT8 for one architecture of the HTP. The emulation's "cycles" are the host's and are not kept."""

    name: ClassVar[str] = "qnn"
    environment: ClassVar[str] = "qnn"
    worker: ClassVar[Path] = Path(__file__).with_name("worker.py")
    tolerance: ClassVar[Tolerance] = CONTEXT
    evaluated: ClassVar[int] = 2
    known: ClassVar[tuple[str, ...]] = ("htp_arch", "soc_model")

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        super().check(chip)
        self._chosen()

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:  # noqa: ARG002 - the base's
        """The architecture and a chip that has it. Raises UsageError."""
        return self._chosen()

    def _chosen(self) -> dict[str, Any]:
        arch = text(self._options, "htp_arch", "73")
        if arch not in SOC_MODELS:
            raise UsageError(f"backend_options.htp_arch must be one of {', '.join(SOC_MODELS)}, not {arch}")
        soc_model = text(self._options, "soc_model", SOC_MODELS[arch])
        if not soc_model.isdecimal():
            raise UsageError(f"backend_options.soc_model must be QNN's number of a chip, not {soc_model}")
        return {"htp_arch": arch, "soc_model": soc_model}

    def explain(self, error: Mapping[str, Any], tool_output: str) -> Failure:
        """By the provider's own words."""
        return explain(error, tool_output)

    def refused(
        self,
        model: OnnxModel,  # noqa: ARG002 - the base's
        target: Target,  # noqa: ARG002
        answer: Mapping[str, Any],
        tool_output: str,  # noqa: ARG002
    ) -> Failure | None:
        """A graph that is constant (a Shape alone) is folded away, and then nothing is compiled."""
        if answer.get("assignment"):
            return None
        message = "nothing of this graph is left for the HTP: its outputs are constants"
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)

    def simulated_figures(self, artifact: Artifact, answer: Mapping[str, Any]) -> Figures | None:
        """Outputs of the emulated HTP and where operators were placed; no time of any kind."""
        return Figures(
            kind=Kind.SIMULATED,
            placement=_placement(answer, tuple(artifact.onnx.operators)),
            details={
                "latency": "none: the cycles of the emulation are this host's and differ from run to run",
                "htp_arch": artifact.settings.get("htp_arch"),
                "soc_model": artifact.settings.get("soc_model"),
                "assignment": answer.get("assignment", {}),
                "forced": answer.get("forced"),
                "outputs_int32": answer.get("narrowed", []),
            },
            resolution=resolution_of(answer),
        )


def _placement(answer: Mapping[str, Any], operators: tuple[str, ...]) -> dict[str, str]:
    """NPU or CPU of the model's own operators; what the optimiser replaced is in the assignment alone.

    Where the HTP has all of the graph, it has also what it calls by other names.
    """
    if set(answer.get("assignment", {})) == {PROVIDER}:
        return dict.fromkeys(operators, "NPU")
    found: dict[str, str] = {}
    for provider, types in answer.get("assignment", {}).items():
        target = "NPU" if provider == PROVIDER else "CPU"
        for name in types:
            if name in operators and found.get(name) != "CPU":
                found[name] = target
    return found


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


def explain(error: Mapping[str, Any], tool_output: str) -> Failure:
    """The failure that an exception and the log mean; operators are those that the HTP did not take."""
    error_text, detail = str(error["text"]), str(error["traceback"])
    for pattern in _OPERATORS:
        if names := tuple(dict.fromkeys(pattern.findall(error_text))):
            message = f"QNN does not support {', '.join(names)}"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    given = tuple(str(name) for name in error.get("operators", ()))
    left = given or left_over(tool_output)
    if _FALLBACK in error_text or left:
        message = (
            f"the HTP does not take {', '.join(left) or 'all of this graph'}, and nothing may run on the CPU"
        )
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, left, detail)
    line = next((line.strip() for line in error_text.splitlines() if line.strip()), "without a word")
    message = f"QNN: {error['type']}: {line}"[:300]
    for pattern, failure_class in (
        (_MEMORY, FailureClass.OUT_OF_MEMORY),
        (_OPSET, FailureClass.UNSUPPORTED_OPSET),
    ):
        if pattern.search(f"{error['type']} {error_text}"):
            return Failure(Stage.COMPILE, failure_class, message, detail=detail)
    return Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, message, detail=detail)


def left_over(tool_output: str) -> tuple[str, ...]:
    """Operator types that the provider says it leaves, quantising nodes around them apart."""
    names = [name for match in _LEFT_OVER.finditer(tool_output) for name in _TYPE.findall(match["nodes"])]
    return tuple(dict.fromkeys(name for name in names if name not in {"QuantizeLinear", "DequantizeLinear"}))
