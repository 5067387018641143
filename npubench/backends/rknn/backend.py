"""The backend on npubench's side: a job for the worker, the tool's table to figures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.isolated.backend import (
    LACKED,
    OUT_OF_MEMORY,
    IsolatedBackend,
    failed,
    named,
    tool_output_of,
)
from npubench.backends.isolated.placement import without_layers
from npubench.backends.isolated.single_times import measure_single_times
from npubench.backends.options import positive, text
from npubench.backends.rknn import rknn_benchmark
from npubench.backends.rknn.layers import table_of
from npubench.backends.rknn.placement import on_cpu, operators_of, where
from npubench.backends.rknn.table import Layer, parse_layers, parse_memory, parse_table
from npubench.backends.signature import Tolerance
from npubench.domain.errors import UsageError
from npubench.domain.figures import Bound, BoundReason, Bounds, Figures, Kind, Latency, NpuPart
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import Target, TimingProtocol
from npubench.graph.layer_nodes import node_graph
from npubench.tools.logs import plain
from npubench.tools.worker_protocol import Answer

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


class RknnBackend(IsolatedBackend):
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

    def explain(self, error: Mapping[str, Any], tool_output: str) -> Failure:
        """By the toolkit's own words."""
        if operators := lacking(tool_output):
            return no_lowering(operators)
        if error["type"] == "LostInputError":
            return failed(FailureClass.OUTPUT_MISMATCH, str(error["text"]), error)
        text = plain(f"{error['type']}: {error['text']}\n{tool_output}")
        if names := named(_OPERATORS, text):
            message = f"RKNN does not support {', '.join(names)}"
            return failed(FailureClass.UNSUPPORTED_OPERATOR, message, error, names)
        for pattern, why in _DYNAMIC:
            if names := named([pattern], text):
                message = f"RKNN takes no dynamic graph, which {', '.join(names)} makes of it{why}"
                return failed(FailureClass.UNSUPPORTED_OPERATOR, message, error, names)
        for pattern, failure_class in _BY_LINE:
            if found := next((line for line in text.splitlines() if pattern.search(line)), None):
                return failed(failure_class, f"RKNN: {found.strip()}", error)
        line = last_error(tool_output) or _raised(error)
        known = FailureClass.UNSUPPORTED_ATTRIBUTE if _ATTRIBUTE.search(line) else FailureClass.TOOL_ERROR
        return failed(known, f"RKNN: {plain(line).strip()}", error)

    def explain_end(self, failure: Failure, tool_output: str) -> Failure:
        """With the last error that the toolkit printed before it went down."""
        error_text = last_error(tool_output)
        return replace(failure, message=f"{failure.message} ({error_text})"[:300]) if error_text else failure

    def refused(self, model: OnnxModel, target: Target, answer: Answer, tool_output: str) -> Failure | None:
        """Operators without an implementation, and on chips without a fallback those left to the CPU."""
        if missing := lacking(tool_output):
            return no_lowering(missing)
        layers = parse_layers(tool_output)
        if not layers:
            message = "RKNN printed no table of layers: nothing is known of what runs where"
            return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
        platform = self._platform(target.chip)
        if not platform.startswith(WITHOUT_FALLBACK):
            return None
        return _left_to_cpu(layers, model, platform)

    def simulated_figures(self, artifact: Artifact, answer: Answer) -> Figures | None:
        """Outputs of the simulator, placement, and cycles a layer and in total."""
        tool_output = tool_output_of(artifact)
        table, memory = parse_table(tool_output), parse_memory(tool_output)
        layers = table.layers
        parts = (memory.internal_bytes, memory.weight_bytes)
        clock_mhz = artifact.settings.get("npu_clock_mhz")
        counted = [layer.cycles for layer in layers if layer.cycles]
        ddr, npu, total = map(sum, zip(*counted, strict=True)) if counted else (None, None, None)
        uncounted, bounds = len(layers) - len(counted), None
        told = "the tool counts cycles for every row of this model"
        if not counted:
            told = "the tool counts no cycles for any row of this model"
        elif uncounted:
            # Of the cycles, and of a time made of them: rows without any take time, too.
            told = f"a lower bound: the tool counts no cycles for {uncounted} of {len(layers)} rows"
            bounds = Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, uncounted, len(layers))
        timed = bool(clock_mhz and total)
        return Figures(
            kind=Kind.SIMULATED,
            latency_us=Latency(n=1, mean=total / clock_mhz) if total and clock_mhz else None,
            memory_bytes=sum(part for part in parts if part is not None) if any(parts) else None,
            io_bytes=sum(layer.rw_bytes or 0 for layer in layers) if layers else None,
            bounds=bounds,
            **without_layers(where(layers, artifact.onnx)),
            statistic=f"total cycles over the declared {clock_mhz:g} MHz, {told}" if timed else "",
            details={
                **{"cycles_ddr": ddr, "cycles_npu": npu, "cycles_total": total, "cycles": told},
            },
            layers=table_of(table, Kind.SIMULATED, artifact.onnx, node_graph(artifact.onnx.path), clock_mhz),
        )

    def runner(self) -> tuple[str, Sequence[str]]:
        """`rknn_benchmark`. Raises UsageError."""
        return rknn_benchmark.NAME, (text(self._options, rknn_benchmark.NAME, rknn_benchmark.NAME),)

    read_log = staticmethod(rknn_benchmark.read_log)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Calls of rknn_benchmark; placement is the compiler's. Raises BoardError, UsageError."""
        placed = where(parse_layers(tool_output_of(artifact)), artifact.onnx)
        if (on := placed["placement"]) and "NPU" not in on.values():
            message = f"the compiler left {', '.join(on)} to the CPU: a time would not be the NPU's"
            return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_OPERATOR, message, tuple(on))
        mask = artifact.settings.get("core_mask")
        tool = rknn_benchmark.bench_tool(mask)
        found = measure_single_times(tool, self._options, artifact, session, timing, deadline_s, log)
        if isinstance(found, Failure):
            return found
        if other := other_tensors(found.details["calls"], artifact.onnx):
            return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, other)
        cores = "the tool's own choice" if mask is None else mask
        part = NpuPart(cores=mask.bit_count()) if mask else None
        return replace(found, details={**found.details, "core_mask": cores}, npu=part, **placed)

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
        for listed in (call[kind] for call in calls if call.get(kind)):
            names = [one["name"] for one in listed]
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


_NO_LOWERING = re.compile(r"No lowering found for: .*?, node type = (\w+)")
_OPERATORS = (
    *LACKED,
    re.compile(r"[Uu]nsupported? (?:onnx )?op(?:erator)?(?: type)?:? ['\"]?([A-Z]\w+)"),
    re.compile(r"[Oo]p(?:erator)? ['\"]?([A-Z]\w+)['\"]? (?:is )?not support"),
)
_DYNAMIC = (
    (re.compile(r"The input \d+ of (\w+)\('.*'\) need to be constant"), ": an input is not constant"),
    (re.compile(r"The (\w+)\('.*'\) will cause the graph to be a dynamic graph"), ""),
)
_BY_LINE = (
    (
        re.compile(r"(?:[Uu]nsupport\w*|[Nn]ot support\w*).*opset|opset.*(?:[Uu]nsupport|[Nn]ot support)"),
        FailureClass.UNSUPPORTED_OPSET,
    ),
    (OUT_OF_MEMORY, FailureClass.OUT_OF_MEMORY),
)
_ATTRIBUTE = re.compile(r"(?:[Nn]ot|[Oo]nly|[Uu]n) ?support|must be|should be|invalid|exceed")
_ERROR_LINE = re.compile(r"^(?:E RKNN: \[[\d:.]+\] |E )(.*\S)")


def lacking(tool_output: str) -> tuple[str, ...]:
    """Operators for which the tool has no implementation, though it went on and returned 0."""
    return tuple(dict.fromkeys(_NO_LOWERING.findall(tool_output)))


def no_lowering(operators: tuple[str, ...]) -> Failure:
    """The failure of a model with such operators: the artifact needs a custom operator of the user's."""
    message = f"RKNN has no implementation of {', '.join(operators)}: it asks for a custom operator"
    return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, operators)


def last_error(tool_output: str) -> str | None:
    """The last line that the tool itself marks as an error and that is more than a traceback's head."""
    errors = [match[1] for line in plain(tool_output).splitlines() if (match := _ERROR_LINE.match(line))]
    return next((line for line in reversed(errors) if not _IS_FRAME.search(line)), None)


def _raised(error: Mapping[str, Any]) -> str:
    """The exception in a line; where its text is a traceback, as the tool makes them, its end."""
    lines = [line.strip() for line in str(error["text"]).splitlines() if line.strip()]
    if lines and _IS_FRAME.search(lines[0]):
        at = f"{error['step']}: " if error.get("step") else ""
        return f"{at}{lines[-1]}"
    return f"{error['type']}: {lines[0] if lines else ''}"


_IS_FRAME = re.compile(r"Traceback \(most recent call last\)|rknn-toolkit2 version:|^=+|^-+$|^File ")
