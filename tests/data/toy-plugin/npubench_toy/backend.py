"""The toy's backend: what the worker is asked, and what its answer means."""

from pathlib import Path

from npubench.backends.isolated.backend import IsolatedBackend, answer_of
from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.records import Failure, FailureClass, Stage


class ToyBackend(IsolatedBackend):
    """Counts the bytes of a model and calls them cycles."""

    name = "toy"
    environment = "toy"
    worker = Path(__file__).with_name("worker.py")
    known = ("clock_mhz",)

    def job(self, model, target):
        """What the worker is asked besides the model and its data."""
        return {"clock_mhz": self._options.get("clock_mhz", 1)}

    def explain(self, error, tool_output):
        """The failure that an exception in the worker means."""
        return Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, f"toy: {error['type']}: {error['text']}")

    def estimate(self, artifact):
        """The tool's own simulation, from what `compile` kept."""
        answer = answer_of(artifact)
        latency = Latency(n=1, mean=answer["cycles"] / artifact.settings["clock_mhz"])
        return Figures(Kind.SIMULATED, latency, placement=dict.fromkeys(artifact.onnx.operators, "NPU"))
