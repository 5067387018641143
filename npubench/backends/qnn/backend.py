"""The backend on npubench's side: a job for the worker, placement and emulated outputs to figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.apart.backend import ApartBackend, accuracy_of, answer_of, resolution_of
from npubench.backends.apart.options import text
from npubench.backends.qnn.errors import explain
from npubench.errors import UsageError
from npubench.records import Artifact, Failure, FailureClass, Figures, Kind, OnnxModel, Stage
from npubench.specs import Target

PROVIDER = "QNNExecutionProvider"
ARCHITECTURES = ("68", "69", "73", "75", "79")


class QnnBackend(ApartBackend):
    """INT8 for one architecture of the HTP. The emulation's "cycles" are the host's and are not kept."""

    name: ClassVar[str] = "qnn"
    environment: ClassVar[str] = "qnn"
    worker: ClassVar[Path] = Path(__file__).with_name("worker.py")
    evaluated: ClassVar[int] = 2
    known: ClassVar[tuple[str, ...]] = ("htp_arch",)

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:  # noqa: ARG002 - the base's
        """The architecture. Raises UsageError."""
        arch = text(self._options, "htp_arch", "73")
        if arch not in ARCHITECTURES:
            raise UsageError(
                f"backend_options.htp_arch must be one of {', '.join(ARCHITECTURES)}, not {arch}"
            )
        return {"htp_arch": arch}

    def explain(self, error: Mapping[str, Any], said: str) -> Failure:
        """By the provider's own words."""
        return explain(error, said)

    def refused(
        self,
        model: OnnxModel,  # noqa: ARG002 - the base's
        target: Target,  # noqa: ARG002
        answer: Mapping[str, Any],
        said: str,  # noqa: ARG002
    ) -> Failure | None:
        """A graph that is constant (a Shape alone) is folded away, and then nothing is compiled."""
        if answer.get("assignment"):
            return None
        message = "nothing of this graph is left for the HTP: its outputs are constants"
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """Outputs of the emulated HTP and where operators were placed; no time of any kind."""
        answer = answer_of(artifact)
        if answer is None:
            return None
        return Figures(
            kind=Kind.SIMULATED,
            placement=_placement(answer, tuple(artifact.onnx.operators)),
            accuracy=accuracy_of(answer),
            details={
                "latency": "none: the cycles of the emulation are this host's and differ from run to run",
                "htp_arch": artifact.settings.get("htp_arch"),
                "assignment": answer.get("assignment", {}),
                "forced": answer.get("forced"),
                "outputs_int32": answer.get("narrowed", []),
                **resolution_of(answer),
            },
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
