"""The backend on npubench's side: a job for the worker, Vela's files to figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.ethos_u.errors import explain
from npubench.backends.ethos_u.vela import Layer, Summary, parse_layers, parse_summary
from npubench.backends.isolated.backend import ApartBackend, answer_of, resolution_of, with_accuracy
from npubench.backends.isolated.options import text
from npubench.backends.signature import Tolerance
from npubench.domain.errors import UsageError
from npubench.domain.records import (
    Artifact,
    Bound,
    BoundReason,
    Bounds,
    Computed,
    Failure,
    Figures,
    Kind,
    Latency,
    OnnxModel,
    PlacedLayer,
)
from npubench.domain.specs import Target
from npubench.graph.shares import Placed, of_layers

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


class EthosUBackend(ApartBackend):
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

    def explain(self, error: Mapping[str, Any], said: str) -> Failure:
        """By what onnx2tf, the quantizer and Vela said."""
        return explain(error, said)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """Vela's time at its reference clock, placement, and the outputs of LiteRT's INT8 model."""
        answer = answer_of(artifact)
        if answer is None:
            return None
        files = {path.name: path for path in artifact.extras}
        layers = parse_layers(_read(files.get(answer["per_layer"])))
        summary = parse_summary(_read(files.get(answer["summary"])))
        runs = any(layer.target == "NPU" for layer in layers)
        figures = Figures(
            kind=Kind.SIMULATED,
            # What is left to the CPU takes no time in Vela's sum: of such a model it is the NPU's part alone.
            latency_us=Latency(n=1, mean=summary.inference_us) if summary and runs else None,
            bounds=_bounds(layers) if runs else None,
            tool_macs=summary.macs if summary else None,
            memory_bytes=summary.sram_bytes + summary.dram_bytes + summary.flash_bytes if summary else None,
            placement=placement(layers, tuple(artifact.onnx.operators)),
            computed=shares(layers, artifact.onnx),
            layers_on=placed_layers(layers, tuple(artifact.onnx.operators)),
            details=_details(layers, summary, artifact, answer),
        )
        return with_accuracy(figures, answer)


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


def _details(
    layers: Sequence[Layer], summary: Summary | None, artifact: Artifact, answer: Mapping[str, Any]
) -> dict[str, Any]:
    on_cpu = sum(layer.target != "NPU" for layer in layers)
    limit = f"; {on_cpu} of {len(layers)} rows are left to the CPU and take no time in it" if on_cpu else ""
    clock = f"{summary.core_clock_mhz:g} MHz" if summary else "an unknown clock"
    system = artifact.settings.get("system_config")
    return {
        "statistic": f"Vela's model of one inference at {clock} ({system}){limit}",
        "core_clock_mhz": summary.core_clock_mhz if summary else None,
        "sram_bytes": summary.sram_bytes if summary else None,
        "dram_bytes": summary.dram_bytes if summary else None,
        "flash_bytes": summary.flash_bytes if summary else None,
        "cycles_total": summary.cycles_total if summary else None,
        "cycles_npu": summary.cycles_npu if summary else None,
        "poolings_rewritten": answer.get("poolings_rewritten"),
        **resolution_of(answer),
        "layers": [
            {"name": layer.name, "type": layer.original, "target": layer.target, "cycles_total": layer.cycles}
            for layer in layers
        ],
    }


def _read(path: Path | None) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path else ""
