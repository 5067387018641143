"""The backend on npubench's side: a job for the worker, placement and emulated outputs to figures."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.isolated.backend import (
    LACKED,
    OUT_OF_MEMORY,
    IsolatedBackend,
    failed,
    first_line,
    named,
    resolution_of,
)
from npubench.backends.options import text
from npubench.backends.signature import Tolerance
from npubench.domain.errors import UsageError
from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import Target
from npubench.tools.worker_protocol import Answer

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

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:
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
        """By the provider's own words; operators are those that the HTP did not take."""
        error_text = str(error["text"])
        if names := named(LACKED, error_text):
            message = f"QNN does not support {', '.join(names)}"
            return failed(FailureClass.UNSUPPORTED_OPERATOR, message, error, names)
        left = tuple(map(str, error.get("operators", ()))) or left_over(tool_output)
        if _FALLBACK in error_text or left:
            lacking = ", ".join(left) or "all of this graph"
            message = f"the HTP does not take {lacking}, and nothing may run on the CPU"
            return failed(FailureClass.UNSUPPORTED_OPERATOR, message, error, left)
        text = f"{error['type']} {error_text}"
        known = next((one for pattern, one in _KNOWN if pattern.search(text)), FailureClass.TOOL_ERROR)
        return failed(known, f"QNN: {error['type']}: {first_line(error)}", error)

    def refused(self, model: OnnxModel, target: Target, answer: Answer, tool_output: str) -> Failure | None:
        """A graph that is constant (a Shape alone) is folded away, and then nothing is compiled."""
        if answer.get("assignment"):
            return None
        message = "nothing of this graph is left for the HTP: its outputs are constants"
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)

    def simulated_figures(self, artifact: Artifact, answer: Answer) -> Figures | None:
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
_FALLBACK = "fallback to CPU EP has been explicitly disabled"
_KNOWN = (
    (OUT_OF_MEMORY, FailureClass.OUT_OF_MEMORY),
    (re.compile(r"[Oo]pset \d+ is under development|Unsupported model IR"), FailureClass.UNSUPPORTED_OPSET),
)


def left_over(tool_output: str) -> tuple[str, ...]:
    """Operator types that the provider says it leaves, quantising nodes around them apart."""
    names = [name for match in _LEFT_OVER.finditer(tool_output) for name in _TYPE.findall(match["nodes"])]
    return tuple(dict.fromkeys(name for name in names if name not in {"QuantizeLinear", "DequantizeLinear"}))
