"""The backend on npubench's side: a job for the worker, Vela's files to figures."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.ethos_u.layers import UNNAMED, operators_of, table_of
from npubench.backends.ethos_u.vela import Layer, parse_per_layer, parse_summary
from npubench.backends.isolated.backend import IsolatedBackend, failed, first_line, resolution_of
from npubench.backends.isolated.placement import Row, placed, without_layers
from npubench.backends.options import text
from npubench.backends.signature import Tolerance
from npubench.domain.errors import UsageError
from npubench.domain.figures import Bound, BoundReason, Bounds, Figures, Kind, Latency
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel
from npubench.domain.specs import Target
from npubench.graph.layer_nodes import node_graph
from npubench.storage.files import text_named

CONFIGURATIONS = {
    "ethos-u55": (("32", "64", "128", "256"), "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": (("256", "512"), "Ethos_U65_High_End", "Dedicated_Sram"),
    "ethos-u85": (("128", "256", "512", "1024", "2048"), "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
}
"""MACs a cycle of each family (Vela's OPTIONS.md), and a reference system of Vela's for it."""

SUMMARISED = ("core_clock_mhz", "sram_bytes", "dram_bytes", "flash_bytes", "cycles_total", "cycles_npu")
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

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:
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
        error_text = str(error["text"])
        if names := _lacking(error, tool_output):
            made_up = f"onnx2tf has no LiteRT operator for {', '.join(names)}"
            told = error_text.strip() if error.get("operators") else made_up
            return failed(FailureClass.UNSUPPORTED_OPERATOR, told, error, names)
        if match := _NOT_IMPLEMENTED.search(tool_output):
            message = f"onnx2tf: {match['told']}"
            return failed(FailureClass.UNSUPPORTED_ATTRIBUTE, message, error, (match["name"],))
        if error["type"] == "ChangedError":
            return failed(FailureClass.OUTPUT_MISMATCH, error_text.strip(), error)
        names, why = _left_by_vela(tool_output)
        if names:
            message = f"Vela does not take {', '.join(names)}: {why}"
            return failed(FailureClass.UNSUPPORTED_OPERATOR, message, error, names)
        if match := _NMS.search(f"{error['type']}: {error_text}"):
            message = f"the quantizer loses a tensor of onnx2tf's NonMaxSuppression: {match[0]}"
            return failed(FailureClass.UNSUPPORTED_OPERATOR, message, error, ("NonMaxSuppression",))
        raised = [line for line in _RAISED.findall(tool_output) if not _OWN.search(line)]
        line = first_line(error)
        text = raised[-1] if raised and _OWN.search(f": {line}") else f"{error['type']}: {line}"
        step = f" at {error['step']}" if error.get("step") else ""
        known = FailureClass.OUT_OF_MEMORY if error["type"] == "MemoryError" else FailureClass.TOOL_ERROR
        return failed(known, f"ethos-u{step}: {text}", error)

    def simulated_figures(self, artifact: Artifact, answer: Mapping[str, Any]) -> Figures | None:
        """Vela's time at its reference clock, placement, and the outputs of LiteRT's INT8 model."""
        per_layer = parse_per_layer(text_named(artifact.extras, answer["per_layer"]))
        layers = per_layer.layers
        summary = parse_summary(text_named(artifact.extras, answer["summary"]))
        on_cpu, rows = sum(layer.target != "NPU" for layer in layers), len(layers)
        # What is left to the CPU takes no time in Vela's sum: of such a model it is the NPU's part alone.
        limit = f"; {on_cpu} of {rows} rows are left to the CPU and take no time in it" if on_cpu else ""
        lower = Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU, on_cpu, rows)
        clock = f"{summary.core_clock_mhz:g} MHz" if summary else "an unknown clock"
        system = artifact.settings.get("system_config")
        return Figures(
            kind=Kind.SIMULATED,
            latency_us=Latency(n=1, mean=summary.inference_us) if summary and on_cpu < rows else None,
            bounds=lower if 0 < on_cpu < rows else None,
            tool_macs=summary.macs if summary else None,
            memory_bytes=summary.sram_bytes + summary.dram_bytes + summary.flash_bytes if summary else None,
            **without_layers(where(layers, artifact.onnx)),
            statistic=f"Vela's model of one inference at {clock} ({system}){limit}",
            resolution=resolution_of(answer),
            details={
                **{key: getattr(summary, key, None) for key in SUMMARISED},
                "poolings_rewritten": answer.get("poolings_rewritten"),
            },
            layers=table_of(per_layer, summary, artifact.onnx, node_graph(artifact.onnx.path)),
        )


def where(layers: Sequence[Layer], model: OnnxModel) -> dict[str, Any]:
    """`placement`, `computed` and `layers_on` by Vela's rows; those that it made itself have no operator.

    Where everything is on the NPU, so is what was folded away. Vela counts the MACs of what the NPU does
    and none of what it leaves to the CPU.
    """
    rows = [
        Row(
            layer.name,
            layer.target == "NPU",
            operators_of(layer, model),
            () if layer.original == UNNAMED else (layer.original,),
            macs=layer.macs if layer.target == "NPU" else None,
        )
        for layer in layers
    ]
    found = placed(rows, model)
    if rows and all(row.on_npu for row in rows):
        return {**found, "placement": dict.fromkeys(model.operators, "NPU")}
    return found


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


def _lacking(error: Mapping[str, Any], tool_output: str) -> tuple[str, ...]:
    """Operators that onnx2tf has nothing for: as the worker or its log names them, else by its words."""
    custom = [name.strip() for match in _CUSTOM.finditer(tool_output) for name in match[1].split(",")]
    words = (match["name"] for match in _UNSUPPORTED.finditer(f"{tool_output}\n{error['text']}"))
    return _once([*map(str, error.get("operators", ())), *custom]) or _once(words)


def _left_by_vela(tool_output: str) -> tuple[tuple[str, ...], str]:
    """Operators that Vela can neither place on the NPU nor leave to the CPU, so that it raised, and why."""
    why = "it can neither run on the NPU nor be left to the CPU"
    if match := _SEMANTICS.search(tool_output):
        return (_in_onnx(match["name"]),), match["why"].strip()
    if not _NOT_ON_NPU.search(tool_output):
        return (), why
    warned = (match["name"] for match in _WARNED.finditer(tool_output))
    return _once(_in_onnx(name) for name in warned if name not in _ONLY_FORMAT), why


def _in_onnx(name: str) -> str:
    """The ONNX operator that LiteRT's is named after; LiteRT's own name where there is none."""
    from onnx import defs

    plain = name.replace("_", "").lower()
    known = {schema.name.lower(): schema.name for schema in defs.get_all_schemas()}
    return _OF_LITERT.get(name) or known.get(plain, name)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))
