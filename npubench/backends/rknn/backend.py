"""The backend on npubench's side: a job for the worker, the tool's table to figures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.isolated.backend import ApartBackend, answer_of, said_of, with_accuracy
from npubench.backends.isolated.options import positive, text
from npubench.backends.isolated.single_times import measure_single_times
from npubench.backends.rknn import errors, rknn_benchmark
from npubench.backends.rknn.placement import on_cpu, operators_of, placed_layers, placement, shares
from npubench.backends.rknn.table import Layer, parse_layers, parse_memory
from npubench.backends.signature import Tolerance
from npubench.domain.errors import UsageError
from npubench.domain.protocols import Session
from npubench.domain.records import (
    Artifact,
    Bound,
    BoundReason,
    Bounds,
    Failure,
    FailureClass,
    Figures,
    Kind,
    Latency,
    LogCase,
    OnnxModel,
    Stage,
)
from npubench.domain.specs import Target, TimingProtocol

PLATFORMS = (
    *("rk3588", "rk3576", "rk3566", "rk3568", "rk3562"),
    *("rv1103", "rv1103b", "rv1106", "rv1106b", "rv1126b"),
)
QUANTISED = frozenset({"QuantizeLinear", "DequantizeLinear"})
WITHOUT_FALLBACK = ("rv1103", "rv1106")
"""The small runtime of these runs nothing on the CPU: what is placed there fails on the board."""


RKNN = Tolerance(
    layout="rows of its file may stand as NHWC, which the NPU wants of pictures",
    rank="a scalar is kept as a vector of one entry",
    dtypes={
        "float64": ("float32",),
        "float32": ("float16", "int8"),
        "float16": ("float32", "int8"),
        "int64": ("int32", "float32"),
        "bool": ("int8", "uint8", "float32"),
    },
    dtypes_why="the runtime knows no 64 bits and may leave borders quantised",
)
"""What a .rknn file differs in: it keeps names."""


class RknnBackend(ApartBackend):
    """INT8 by RKNN-Toolkit2. `npu_clock_mhz` of a board turns its cycles into a simulated latency."""

    name: ClassVar[str] = "rknn"
    environment: ClassVar[str] = "rknn"
    worker: ClassVar[Path] = Path(__file__).with_name("worker.py")
    tolerance: ClassVar[Tolerance] = RKNN
    known: ClassVar[tuple[str, ...]] = ("platform", "npu_clock_mhz", "core_mask", rknn_benchmark.NAME)

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        super().check(chip)
        positive(self._options, "npu_clock_mhz")
        self._platform(chip)
        self.runner()

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:
        """The platform that the toolkit builds for, and whether it is to quantise. Raises UsageError."""
        clock = positive(self._options, "npu_clock_mhz")
        platform = self._platform(target.chip)
        mask = rknn_benchmark.core_mask(self._options, platform)
        return {
            "platform": platform,
            # A model that brings its own scales is refused when it is to be quantised once more.
            "quantise": QUANTISED.isdisjoint(model.operators),
            **({"npu_clock_mhz": clock} if clock else {}),
            **({"core_mask": mask} if mask is not None else {}),
        }

    def explain(self, error: Mapping[str, Any], said: str) -> Failure:
        """By the toolkit's own words."""
        return errors.explain(error, said)

    def explain_end(self, failure: Failure, said: str) -> Failure:
        """With the last error that the toolkit printed before it went down."""
        told = errors.last_error(said)
        return replace(failure, message=f"{failure.message} ({told})"[:300]) if told else failure

    def refused(
        self,
        model: OnnxModel,
        target: Target,
        answer: Mapping[str, Any],  # noqa: ARG002 - the base's
        said: str,
    ) -> Failure | None:
        """Operators without an implementation, and on chips without a fallback those left to the CPU."""
        if lacking := errors.lacking(said):
            return errors.no_lowering(lacking)
        layers = parse_layers(said)
        if not layers:
            message = "RKNN printed no table of layers: nothing is known of what runs where"
            return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
        platform = self._platform(target.chip)
        if not platform.startswith(WITHOUT_FALLBACK):
            return None
        return _left_to_cpu(layers, model, platform)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """Outputs of the simulator, placement, and cycles a layer and in total."""
        answer = answer_of(artifact)
        if answer is None:
            return None
        layers, memory = parse_layers(said_of(artifact)), parse_memory(said_of(artifact))
        clock = artifact.settings.get("npu_clock_mhz")
        parts = (memory.internal_bytes, memory.weight_bytes)
        figures = Figures(
            kind=Kind.SIMULATED,
            latency_us=_latency(layers, clock),
            memory_bytes=sum(part for part in parts if part is not None) if any(parts) else None,
            io_bytes=sum(layer.rw_bytes for layer in layers) if layers else None,
            bounds=_bounds(layers),
            placement=placement(layers, tuple(artifact.onnx.operators)),
            computed=shares(layers, artifact.onnx),
            layers_on=placed_layers(layers, tuple(artifact.onnx.operators)),
            details=_details(layers, clock),
        )
        return with_accuracy(figures, answer)

    def runner(self) -> tuple[str, Sequence[str]]:
        """`rknn_benchmark`. Raises UsageError."""
        return rknn_benchmark.NAME, (text(self._options, rknn_benchmark.NAME, rknn_benchmark.NAME),)

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """Output of rknn_benchmark."""
        return rknn_benchmark.read_log(text)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Calls of rknn_benchmark; placement is the compiler's. Raises BoardError, UsageError."""
        layers = parse_layers(said_of(artifact))
        placed = placement(layers, tuple(artifact.onnx.operators))
        if placed and "NPU" not in placed.values():
            message = f"the compiler left {', '.join(placed)} to the CPU: a time would not be the NPU's"
            return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_OPERATOR, message, tuple(placed))
        mask = artifact.settings.get("core_mask")
        tool = rknn_benchmark.bench_tool(mask)
        found = measure_single_times(tool, self._options, artifact, session, timing, deadline_s, log)
        if isinstance(found, Failure):
            return found
        other = other_tensors(found.details["calls"], artifact.onnx)
        if other is not None:
            return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, other)
        cores = "the tool's own choice" if mask is None else mask
        details = {**found.details, "core_mask": cores}
        known = tuple(artifact.onnx.operators)
        return replace(
            found,
            placement=placed,
            layers_on=placed_layers(layers, known),
            computed=shares(layers, artifact.onnx),
            details=details,
        )

    def _platform(self, chip: str) -> str:
        platform = text(self._options, "platform", chip.lower())
        if platform not in PLATFORMS:
            known = ", ".join(PLATFORMS)
            raise UsageError(f"rknn builds for {known}, not {platform}: set backend_options.platform")
        return platform


def other_tensors(calls: Sequence[Mapping[str, Any]], model: OnnxModel) -> str | None:
    """Why what the board ran is another model, by its number of tensors or all of their names; else None.

    The compiler adds to some names, so a single one that differs says nothing.
    """
    for kind, tensors in (("inputs", model.inputs), ("outputs", model.outputs)):
        wanted = [tensor.name for tensor in tensors]
        for told in (call[kind] for call in calls if call.get(kind)):
            names = [one["name"] for one in told]
            alike = any(a.startswith(b) or b.startswith(a) for a in names for b in wanted)
            if len(names) != len(wanted) or not alike:
                return f"the board ran a model with {kind} {', '.join(names)}, not {', '.join(wanted)}"[:300]
    return None


def _left_to_cpu(layers: Sequence[Layer], model: OnnxModel, platform: str) -> Failure | None:
    left = on_cpu(layers)
    if not left:
        return None
    known = tuple(model.operators)
    named = [name for layer in left for name in operators_of(layer, known)]
    # Its own form of an operator stands for none by name: then it is one of those that no row stands for.
    there = {name for layer in layers for name in operators_of(layer, known)}
    missing = [name for name in known if name not in there]
    operators = tuple(dict.fromkeys(named or missing or [layer.op_type for layer in left]))
    message = f"{platform} runs nothing on the CPU, and RKNN placed {', '.join(operators)} there"
    return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, operators)


def _totals(layers: Sequence[Layer]) -> tuple[int, int, int] | None:
    counted = [layer.cycles for layer in layers if layer.cycles]
    if not counted:
        return None
    return sum(c[0] for c in counted), sum(c[1] for c in counted), sum(c[2] for c in counted)


def _latency(layers: Sequence[Layer], clock_mhz: float | None) -> Latency | None:
    totals = _totals(layers)
    return Latency(n=1, mean=totals[2] / clock_mhz) if totals and clock_mhz else None


def _bounds(layers: Sequence[Layer]) -> Bounds | None:
    """Of the cycles, and of a time made of them: rows without any take time, too."""
    uncounted = sum(layer.cycles is None for layer in layers)
    if not uncounted or uncounted == len(layers):
        return None
    return Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, uncounted, len(layers))


def _details(layers: Sequence[Layer], clock_mhz: float | None) -> dict[str, Any]:
    totals, bounds = _totals(layers), _bounds(layers)
    bound = "the tool counts cycles for every row of this model"
    if bounds:
        bound = f"a lower bound: the tool counts no cycles for {bounds.left_out} of {bounds.layers} rows"
    statistic = f"total cycles over the declared {clock_mhz:g} MHz, {bound}" if clock_mhz else None
    return {
        "cycles_ddr": totals[0] if totals else None,
        "cycles_npu": totals[1] if totals else None,
        "cycles_total": totals[2] if totals else None,
        "cycles": bound if totals else "the tool counts no cycles for any row of this model",
        **({"statistic": statistic} if statistic and totals else {}),
        "layers": [
            {
                "name": layer.full_name,
                "type": layer.op_type,
                "precision": layer.data_type,
                "target": layer.target,
                "cycles_total": layer.cycles[2] if layer.cycles else None,
                "rw_bytes": layer.rw_bytes,
            }
            for layer in layers
        ],
    }
