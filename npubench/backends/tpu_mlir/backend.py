"""The backend on npubench's side: a job for the worker, log and profile to figures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.isolated.backend import (
    OUT_OF_MEMORY,
    IsolatedBackend,
    answer_of,
    failed,
    tool_output_of,
)
from npubench.backends.isolated.placement import without_layers
from npubench.backends.isolated.single_times import measure_single_times
from npubench.backends.options import text
from npubench.backends.signature import Tolerance
from npubench.backends.tpu_mlir import bmrt_test
from npubench.backends.tpu_mlir.bmrt_test import tensors_of_bmrt
from npubench.backends.tpu_mlir.layers import elsewhere_of, table_of
from npubench.backends.tpu_mlir.log import Profile, cmodel, parse_profile, unsupported
from npubench.backends.tpu_mlir.timeline import parse_timeline
from npubench.domain.errors import UsageError
from npubench.domain.figures import Bound, BoundReason, Bounds, Figures, Kind, Latency, PlacedLayer
from npubench.domain.layers import LayerTable
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import Target, TimingProtocol
from npubench.graph.layer_nodes import node_graph
from npubench.graph.shares import of_types
from npubench.storage.files import text_named
from npubench.tools.worker_protocol import Answer

PROCESSORS = (
    *("bm1684", "bm1684x", "bm1688", "bm1690"),
    *("cv180x", "cv181x", "cv182x", "cv183x", "cv184x", "cv186x"),
)
PROFILE = "compiler_profile_0.txt"
WAITING = "waiting for another deployment"
"""The step that a worker is at while it waits, because deployments are made one at a time."""
TUNED = 5
"""TPU-MLIR's own number of samples for tuning."""
TUNED_MACS = 5_000_000_000
LEAST_COSINE = 0.99
"""The tool's own bound for its cmodel against the quantised reference."""
_ERROR = re.compile(
    r"^(?:\w+(?:\.\w+)*(?:Error|Exception): .*|.*\berror: .*|ASSERT info: .*"
    r"|.*(?:[Nn]ot [Ss]upport|UNREACHABLE).*)$"
)
_ABORT = re.compile(
    r"\bAborted\b|SIGABRT|Assertion .* failed|^ASSERT info:|^UNREACHABLE executed at"
    r"|Segmentation fault|core dumped|Stack dump:",
    re.M,
)
_KNOWN = ((OUT_OF_MEMORY, FailureClass.OUT_OF_MEMORY), (_ABORT, FailureClass.CRASH))


COMPILED = Tolerance(
    rank="a scalar is a vector of one entry, and of older chips every tensor has four axes",
    dtypes={
        "float64": ("float32",),
        "float16": ("float32",),
        "int64": ("int32", "float32"),
        "int32": ("float32",),
        "int16": ("int32", "float32"),
        "bool": ("int32", "uint8", "float32"),
        "uint8": ("float32", "int32"),
        "int8": ("float32", "int32"),
    },
    dtypes_why="borders are FP32 or 32-bit integers, whatever the model's are",
)
"""What a compiled file differs in; the worker gives outputs their names of the model back."""


class TpuMlirBackend(IsolatedBackend):
    """INT8 by TPU-MLIR. A latency is its compiler's own, where it writes a profile for the chip."""

    name: ClassVar[str] = "tpu-mlir"
    environment: ClassVar[str] = "tpu-mlir"
    worker: ClassVar[Path] = Path(__file__).with_name("worker.py")
    known: ClassVar[tuple[str, ...]] = ("processor", bmrt_test.NAME)
    tolerance: ClassVar[Tolerance] = COMPILED
    evaluated: ClassVar[int] = 1

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        super().check(chip)
        self._processor(chip)
        self.runner()

    def runner(self) -> tuple[str, Sequence[str]]:
        """`bmrt_test`. Raises UsageError."""
        return bmrt_test.NAME, (text(self._options, bmrt_test.NAME, bmrt_test.NAME),)

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:
        """The processor, and what calibration may cost. Raises UsageError."""
        return {"processor": self._processor(target.chip), "tune_samples": tune_samples(model.macs)}

    def _processor(self, chip: str) -> str:
        processor = text(self._options, "processor", chip.lower())
        if processor not in PROCESSORS:
            known = ", ".join(PROCESSORS)
            raise UsageError(f"backend_options.processor must be one of {known}, not {processor}")
        return processor

    def explain(self, error: Mapping[str, Any], tool_output: str) -> Failure:
        """By the tool's own words."""
        if lacking := unsupported(tool_output):
            return replace(lacking, detail=str(error["traceback"]))
        lines = [line.strip() for line in reversed(tool_output.splitlines())]
        text = f"{error['type']}: {error['text']}".splitlines()[0]
        # The worker's own words say no more than that a command ended.
        own = f"{error['type']}: "
        told = next((line for line in lines if _ERROR.match(line) and not line.startswith(own)), text)
        at = f" at {error['step']}" if error.get("step") else ""
        known = next((one for pattern, one in _KNOWN if pattern.search(tool_output)), FailureClass.TOOL_ERROR)
        return failed(known, f"TPU-MLIR{at}: {told}", error)

    def explain_end(self, failure: Failure, tool_output: str) -> Failure:
        """Its own words count for more than the way it went down; waiting is no fault of the model's."""
        if failure.failure_class is FailureClass.HANG and WAITING in failure.message:
            message = "other deployments of TPU-MLIR took all the time there was: --deadline gives more"
            return Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, message)
        return unsupported(tool_output) or super().explain_end(failure, tool_output)

    def refused(self, model: OnnxModel, target: Target, answer: Answer, tool_output: str) -> Failure | None:
        """An artifact whose outputs differ from the quantised reference's is a wrong one."""
        compared = cmodel(tool_output)
        if compared is None:
            message = "TPU-MLIR did not compare its cmodel with the quantised reference"
            return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
        if compared.cosine < LEAST_COSINE:
            message = (
                f"the cmodel's outputs differ from the quantised reference: cosine {compared.cosine:.4f}"
            )
            return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, message)
        return None

    def simulated_figures(self, artifact: Artifact, answer: Answer) -> Figures | None:
        """Outputs of the cmodel, placement, and the compiler's time where it tells one."""
        written = text_named(artifact.extras, PROFILE)
        profile, placed = parse_profile(written), _placed(answer, artifact.onnx)
        layers = _layers(written, profile, answer, artifact.onnx)
        compared = cmodel(tool_output_of(artifact))
        return Figures(
            kind=Kind.SIMULATED,
            latency_us=Latency(n=1, mean=profile.latency_us) if profile else None,
            bounds=_bounds(answer, layers) if profile else None,
            **(without_layers(placed) if layers else placed),
            layers=layers,
            statistic="the compiler's timeline at the clock that it assumes"
            if profile
            else "the compiler writes no profile for this chip",
            details={
                "cycles_total": profile.cycles if profile else None,
                "cycles_by_command": dict(profile.cycles_by_command) if profile else None,
                "cmodel_bit_equal": compared.identical if compared else None,
                "on_cpu": answer.get("on_cpu", []),
            },
        )

    read_log = staticmethod(bmrt_test.read_log)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Calls of bmrt_test; placement is the compiler's. Raises BoardError, UsageError."""
        if artifact.path.suffix != ".bmodel":
            message = (
                f"no bench tool is known that tells the time of a {artifact.path.suffix} file:"
                " --simulate shows what the compiler says"
            )
            return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message)
        names = tuple(tensor.name for tensor in artifact.onnx.outputs)
        tool = replace(
            bmrt_test.bench_tool(),
            tensors=lambda tool_output: tensors_of_bmrt(tool_output, names),
            tolerance=COMPILED,
        )
        found = measure_single_times(tool, self._options, artifact, session, timing, deadline_s, log)
        if isinstance(found, Failure):
            return found
        return replace(found, **_placed(answer_of(artifact) or {}, artifact.onnx))


def tune_samples(macs: int | None) -> int:
    """Samples for the tuning of thresholds, which runs every layer 22 times for each: fewer of a big model.

    As many as the tool takes by itself up to 5 GMAC, then as few as keep that amount of work, one at least.
    """
    return TUNED if not macs else max(1, min(TUNED, TUNED * TUNED_MACS // macs))


def _placed(answer: Answer, model: OnnxModel) -> dict[str, Any]:
    """`placement`, `computed` and `layers_on`.

    Layers are those on the CPU: the tool's operators on the NPU are none of the model's any more.
    """
    on_cpu = {str(name).lower() for name in answer.get("on_cpu", ())}
    placement = {name: "CPU" if name.lower() in on_cpu else "NPU" for name in model.operators}
    layers = tuple(PlacedLayer("", (str(name),), "CPU") for name in answer.get("cpu_layers", ()))
    return {"placement": placement, "computed": of_types(placement, model), "layers_on": layers}


def _layers(written: str, profile: Profile | None, answer: Answer, model: OnnxModel) -> LayerTable | None:
    """Of the compiler's timeline; None where it writes none for this chip."""
    return table_of(parse_timeline(written), profile, answer, node_graph(model.path)) if profile else None


def _bounds(answer: Mapping[str, Any], layers: LayerTable | None) -> Bounds | None:
    """Of the compiler's timeline, which holds what the TPU does in an order that is known before."""
    if answer.get("on_cpu"):
        count = len(answer.get("cpu_layers", ())) or None
        return Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU, count)
    left_out = len(elsewhere_of(answer))
    if not left_out:
        return None
    return Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, left_out, layers.count if layers else None)
