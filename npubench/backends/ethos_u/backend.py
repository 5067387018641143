"""The backend on npubench's side: a job for the worker, Vela's files to figures."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.ethos_u.vela import Layer, Summary, parse_layers, parse_summary
from npubench.backends.isolated.backend import IsolatedBackend, resolution_of
from npubench.backends.options import text
from npubench.backends.signature import Tolerance
from npubench.domain.errors import UsageError
from npubench.domain.records import (
    Artifact,
    Bound,
    BoundReason,
    Bounds,
    Computed,
    Failure,
    FailureClass,
    Figures,
    Kind,
    Latency,
    OnnxModel,
    PlacedLayer,
    Stage,
)
from npubench.domain.specs import Target
from npubench.graph.shares import Placed, of_layers
from npubench.storage.files import text_named

CONFIGURATIONS = {
    "ethos-u55": (("32", "64", "128", "256"), "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": (("256", "512"), "Ethos_U65_High_End", "Dedicated_Sram"),
    "ethos-u85": (
        ("128", "256", "512", "1024", "2048"),
        "Ethos_U85_SYS_DRAM_Mid",
        "Dedicated_Sram_384KB",
    ),
}
"""MACs a cycle of each family (Vela's OPTIONS.md), and a reference system of Vela's for it."""

UNNAMED = "None"
"""Of rows that Vela made itself."""

ONNX_NAMES = {
    "Conv2D": ("Conv",),
    "DepthwiseConv2D": ("Conv", "GlobalAveragePool"),
    "Conv2DBackpropInput": ("ConvTranspose",),
    "TransposeConv": ("ConvTranspose",),
    "FullyConnected": ("Gemm", "MatMul"),
    "BatchMatMul": ("MatMul",),
    "AvgPool": ("AveragePool", "GlobalAveragePool"),
    "Mean": ("GlobalAveragePool", "ReduceMean"),
    "Minimum": ("Min",),
    "Maximum": ("Max",),
    "ReduceMax": ("ReduceMax", "GlobalMaxPool"),
    "StridedSlice": ("Slice",),
    "Pack": ("Concat",),
    "Reshape": ("Reshape", "Flatten", "Squeeze", "Unsqueeze"),
    "ResizeBilinear": ("Resize",),
    "ResizeNearestNeighbor": ("Resize",),
    "Logistic": ("Sigmoid",),
    "TopKV2": ("TopK",),
}
"""What Vela calls a LiteRT operator, and of which ONNX operators it is made; others keep their names."""


LITERT = Tolerance(
    layout="onnx2tf turns N, C, ... into N, ..., C, of outputs where no Transpose stands before them",
    rank="LiteRT has no scalars at a model's border: each is a vector of one entry",
    dtypes={
        "float32": ("int8",),
        "float16": ("int8", "float32"),
        "float64": ("int8", "float32"),
        "uint8": ("int8",),
        "int64": ("int32",),
        "uint64": ("int64", "int32", "uint32"),
    },
    dtypes_why="inputs and outputs are quantised, too, and LiteRT's kernels carry indices as 32 bits",
    spelt=lambda name: name.replace(":", "__").removesuffix("_quantized").removesuffix("_dequant"),
)
"""What LiteRT's form of every model differs in. onnx2tf keeps names, but for colons; the quantizer calls an
output that it changes the type of after what it did.
"""


class EthosUBackend(IsolatedBackend):
    """INT8 by LiteRT, compiled by Vela for one MAC configuration and one reference system."""

    name: ClassVar[str] = "ethos-u"
    environment: ClassVar[str] = "ethos-u"
    worker: ClassVar[Path] = Path(__file__).with_name("worker.py")
    tolerance: ClassVar[Tolerance] = LITERT
    known: ClassVar[tuple[str, ...]] = ("accelerator", "system_config", "memory_mode")

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        super().check(chip)
        self._chosen(chip)

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:  # noqa: ARG002 - the base's
        """Accelerator, system and memory mode. Raises UsageError."""
        return self._chosen(target.chip)

    def _chosen(self, chip: str) -> dict[str, Any]:
        accelerator = text(self._options, "accelerator", chip.lower())
        family, _, macs = accelerator.rpartition("-")
        if macs not in CONFIGURATIONS.get(family, ((), "", ""))[0]:
            known = ", ".join(f"{name}-{n}" for name, (sizes, *_) in CONFIGURATIONS.items() for n in sizes)
            raise UsageError(f"backend_options.accelerator must be one of {known}, not {accelerator}")
        _, system, memory = CONFIGURATIONS[family]
        return {
            "accelerator": accelerator,
            "system_config": text(self._options, "system_config", system),
            "memory_mode": text(self._options, "memory_mode", memory),
        }

    def explain(self, error: Mapping[str, Any], tool_output: str) -> Failure:
        """By what onnx2tf, the quantizer and Vela said."""
        return explain(error, tool_output)

    def simulated_figures(self, artifact: Artifact, answer: Mapping[str, Any]) -> Figures | None:
        """Vela's time at its reference clock, placement, and the outputs of LiteRT's INT8 model."""
        layers = parse_layers(text_named(artifact.extras, answer["per_layer"]))
        summary = parse_summary(text_named(artifact.extras, answer["summary"]))
        runs = any(layer.target == "NPU" for layer in layers)
        return Figures(
            kind=Kind.SIMULATED,
            # What is left to the CPU takes no time in Vela's sum: of such a model it is the NPU's part alone.
            latency_us=Latency(n=1, mean=summary.inference_us) if summary and runs else None,
            bounds=_bounds(layers) if runs else None,
            tool_macs=summary.macs if summary else None,
            memory_bytes=summary.sram_bytes + summary.dram_bytes + summary.flash_bytes if summary else None,
            placement=placement(layers, tuple(artifact.onnx.operators)),
            computed=shares(layers, artifact.onnx),
            layers_on=placed_layers(layers, tuple(artifact.onnx.operators)),
            statistic=_statistic(layers, summary, artifact),
            resolution=resolution_of(answer),
            details=_details(layers, summary, answer),
        )


def placement(layers: Sequence[Layer], operators: Sequence[str]) -> dict[str, str]:
    """NPU or CPU by ONNX operator type; where everything is on the NPU, so is what was folded away.

    By LiteRT's types where onnx2tf made something else of the whole model, as of a ReduceL1.
    """
    if layers and all(layer.target == "NPU" for layer in layers):
        return dict.fromkeys(operators, "NPU")
    named = [(name, one) for one in layers for name in ONNX_NAMES.get(one.original, (one.original,))]
    own = [(name, layer) for name, layer in named if name in operators]
    found: dict[str, str] = {}
    for name, layer in own or [(one.original, one) for one in layers if one.original != UNNAMED]:
        if found.get(name) != "CPU":
            found[name] = _unit(layer)
    return found


def shares(layers: Sequence[Layer], model: OnnxModel) -> Computed | None:
    """By Vela's rows. It counts the MACs of what the NPU does and none of what it leaves to the CPU."""
    placed = [
        Placed(
            layer.target == "NPU", _onnx_names(layer, model), layer.macs if layer.target == "NPU" else None
        )
        for layer in layers
        if layer.original != UNNAMED
    ]
    return of_layers(placed, model)


def _onnx_names(layer: Layer, model: OnnxModel) -> tuple[str, ...]:
    names = ONNX_NAMES.get(layer.original, (layer.original,))
    return tuple(name for name in names if name in model.operators)


def placed_layers(layers: Sequence[Layer], operators: Sequence[str]) -> tuple[PlacedLayer, ...]:
    """Rows of Vela's table; those that it made itself have no operator."""
    found = []
    for layer in layers:
        named = tuple(n for n in ONNX_NAMES.get(layer.original, (layer.original,)) if n in operators)
        own = () if layer.original == UNNAMED else (layer.original,)
        found.append(PlacedLayer(layer.name, named or own, _unit(layer)))
    return tuple(found)


def _unit(layer: Layer) -> str:
    return "NPU" if layer.target == "NPU" else "CPU"


def _bounds(layers: Sequence[Layer]) -> Bounds | None:
    """Of Vela's time, in which what is left to the CPU takes none."""
    on_cpu = sum(layer.target != "NPU" for layer in layers)
    return Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU, on_cpu, len(layers)) if on_cpu else None


def _statistic(layers: Sequence[Layer], summary: Summary | None, artifact: Artifact) -> str:
    on_cpu = sum(layer.target != "NPU" for layer in layers)
    limit = f"; {on_cpu} of {len(layers)} rows are left to the CPU and take no time in it" if on_cpu else ""
    clock = f"{summary.core_clock_mhz:g} MHz" if summary else "an unknown clock"
    system = artifact.settings.get("system_config")
    return f"Vela's model of one inference at {clock} ({system}){limit}"


def _details(layers: Sequence[Layer], summary: Summary | None, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "core_clock_mhz": summary.core_clock_mhz if summary else None,
        "sram_bytes": summary.sram_bytes if summary else None,
        "dram_bytes": summary.dram_bytes if summary else None,
        "flash_bytes": summary.flash_bytes if summary else None,
        "cycles_total": summary.cycles_total if summary else None,
        "cycles_npu": summary.cycles_npu if summary else None,
        "poolings_rewritten": answer.get("poolings_rewritten"),
        "layers": [
            {"name": layer.name, "type": layer.original, "target": layer.target, "cycles_total": layer.cycles}
            for layer in layers
        ],
    }


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


def explain(error: Mapping[str, Any], tool_output: str) -> Failure:
    """The failure that an exception of the worker and the log mean."""
    error_text, detail = str(error["text"]), str(error["traceback"])
    custom = [name.strip() for match in _CUSTOM.finditer(tool_output) for name in match[1].split(",")]
    names = _once([*map(str, error.get("operators", ())), *custom])
    names = names or _once(match["name"] for match in _UNSUPPORTED.finditer(f"{tool_output}\n{error_text}"))
    if names:
        error_text = (
            error_text if error.get("operators") else f"onnx2tf has no LiteRT operator for {', '.join(names)}"
        )
        message = error_text.strip()[:300]
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    if match := _NOT_IMPLEMENTED.search(tool_output):
        message = f"onnx2tf: {match['told']}"[:300]
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message, (match["name"],), detail)
    if error["type"] == "ChangedError":
        return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, error_text.strip()[:300], detail=detail)
    if refused := _by_vela(tool_output, detail):
        return refused
    if match := _NMS.search(f"{error['type']}: {error_text}"):
        message = f"the quantizer loses a tensor of onnx2tf's NonMaxSuppression: {match[0]}"[:300]
        names = ("NonMaxSuppression",)
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names, detail)
    raised = [line for line in _RAISED.findall(tool_output) if not _OWN.search(line)]
    line = next((line.strip() for line in error_text.splitlines() if line.strip()), "without a word")
    text = raised[-1] if raised and _OWN.search(f": {line}") else f"{error['type']}: {line}"
    step = f" at {error['step']}" if error.get("step") else ""
    message = f"ethos-u{step}: {text}"[:300]
    if error["type"] == "MemoryError":
        return Failure(Stage.COMPILE, FailureClass.OUT_OF_MEMORY, message, detail=detail)
    return Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, message, detail=detail)


def _by_vela(tool_output: str, detail: str) -> Failure | None:
    """What Vela raises for an operator that it can neither place on the NPU nor leave to the CPU."""
    names: tuple[str, ...] = ()
    why = "it can neither run on the NPU nor be left to the CPU"
    if match := _SEMANTICS.search(tool_output):
        names, why = (_in_onnx(match["name"]),), match["why"].strip()
    elif _NOT_ON_NPU.search(tool_output):
        warned = (match["name"] for match in _WARNED.finditer(tool_output))
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
