"""ONNX Runtime's static post-training quantisation, as every INT8 figure of this backend is made.

QDQ with signed weights (symmetric, per channel); which activations, and how many bits of the weights, the
processor decides that runs it (`processors`).
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from npubench.backends.onnxruntime.processors import Processor
from npubench.graph.walk import all_nodes, default_opset, subgraphs, typed_values
from npubench.measure.onnx_session import bound, open_session

QUANTISING = "QuantizeLinear"
LEAST_OPSET = 13
"""QuantizeLinear and DequantizeLinear know per-channel scales from here on (ONNX Operators.md)."""
HALVES_OPSET = 19
"""They know scales of half precision from here on; ONNX Runtime's own of the same names do in any."""


def quantise_static(
    model: Path, output: Path, scratch: Path, samples: Sequence[dict[str, Any]], processor: Processor
) -> dict[str, Any]:
    """Write the quantised model; the settings that made it. Raises when nothing could be quantised."""
    source, passed = _without_passed(model, scratch / "computed.onnx")
    source, converted_from = _converted(source, scratch / "converted.onnx")
    source, pre_processed = _pre_processed(source, scratch / "preprocessed.onnx")
    ranges = _ranges(source, scratch / "ranges.onnx", samples)
    settings = {
        "format": "QDQ",
        "per_channel": True,
        "weights": f"int{7 if processor.reduced else 8} symmetric",
        "activations": "int8" if processor.signed_activations else "uint8",
        "processor": processor.name,
        "method": "MinMax",
        "pre_processed": pre_processed,
        "converted_from_opset": converted_from,
        "softmax_ranges": ranges.softmax,
        "shared_ranges": ranges.shared,
    }
    activations = QuantType.QInt8 if processor.signed_activations else QuantType.QUInt8
    # Some operators (pooling, transposition) follow their input; alone they have to be told.
    for forced in (False, True):
        with _fed_by_bytes():
            quantize_static(
                str(source),
                str(output),
                _Reader(samples),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=processor.reduced,
                activation_type=activations,
                weight_type=QuantType.QInt8,
                extra_options={
                    "ForceQuantizeNoInputCheck": forced,
                    # Else a Relu takes its input's place, and what else reads that input finds nothing.
                    "QDQKeepRemovableActivations": bool(ranges.shared),
                    # Before opset 19 the standard's own take no scales of half precision.
                    "UseQDQContribOps": _halves_before_19(source),
                    **_overrides({**ranges.softmax, **ranges.shared}, activations),
                },
            )
        if QUANTISING in _operators(output):
            _put_back(output, passed)
            return {**settings, "forced": forced}
    names = ", ".join(sorted(_operators(model)))
    raise ValueError(f"no operator of this graph can be quantised: {names}")


@contextlib.contextmanager
def _fed_by_bytes() -> Iterator[None]:
    """ONNX Runtime's quantiser runs sessions of its own making: meanwhile these take arrays of any type."""
    bare = onnxruntime.InferenceSession

    class Fed(bare):  # type: ignore[misc, valid-type]
        def run(self, names: Any, feeds: Any, run_options: Any = None) -> Any:
            fed = bound(self)
            return super().run(names, feeds, run_options) if fed is self else fed.run(names, feeds)

    onnxruntime.InferenceSession = Fed
    try:
        yield
    finally:
        onnxruntime.InferenceSession = bare


def _without_passed(model: Path, target: Path) -> tuple[Path, dict[int, Any]]:
    """The model without outputs that are its inputs, and these by their place.

    ONNX Runtime's quantiser makes of such a tensor one that follows from itself.
    """
    graph = onnx.load(model, load_external_data=False).graph
    given = {one.name for one in graph.input}
    passed = {place: one for place, one in enumerate(graph.output) if one.name in given}
    if not passed or len(passed) == len(graph.output):
        return model, {}
    computed = onnx.load(model)
    for place in sorted(passed, reverse=True):
        del computed.graph.output[place]
    onnx.save(computed, target)
    return target, passed


def _put_back(quantised: Path, passed: Mapping[int, Any]) -> None:
    if passed:
        made = onnx.load(quantised, load_external_data=False)
        for place, one in passed.items():
            made.graph.output.insert(place, one)
        onnx.save(made, quantised)


def _converted(model: Path, target: Path) -> tuple[Path, int | None]:
    """The model at an opset that can be quantised per channel, and which one it had; None if that will do."""
    loaded = onnx.load(model)
    opset = default_opset(loaded)
    if opset >= LEAST_OPSET:
        return model, None
    onnx.save(onnx.version_converter.convert_version(loaded, LEAST_OPSET), target)
    return target, opset


def _pre_processed(model: Path, target: Path) -> tuple[Path, bool]:
    """Shapes inferred and the graph optimised, as ONNX Runtime advises; the model itself where that fails."""
    try:
        quant_pre_process(str(model), str(target), skip_symbolic_shape=True)
    except Exception as error:  # noqa: BLE001 - it raises bare Exceptions; the settings say that it failed
        print(f"pre-processing failed, quantising the model as it is: {error}")  # noqa: T201 - for the log
        return model, False
    return target, True


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Least and greatest value for the calibration data of tensors to which ONNX Runtime gives others.

    `softmax`: it takes 0 to 1 for each whatever the data are: of a thousand classes most are then zero.
    `shared`: what one Relu or Clip of the graph reads gets that one's range, also where it is an output of
    the model or a subgraph reads it: these lose what the Relu cuts off.
    """

    softmax: dict[str, list[float]]
    shared: dict[str, list[float]]


def _ranges(model: Path, opened: Path, samples: Sequence[dict[str, Any]]) -> _Ranges:
    loaded = onnx.load(model)
    graph = loaded.graph
    softmax = [node.output[0] for node in graph.node if node.op_type == "Softmax"]
    kept = {output.name for output in graph.output}
    inner = [one for node in all_nodes(graph) for one in subgraphs(node)]
    elsewhere = kept | {name for one in inner for node in one.node for name in node.input}
    elsewhere |= {output.name for one in inner for output in one.output}
    clamped = {node.input[0] for node in graph.node if node.op_type in ("Relu", "Clip")}
    computed = {name for node in graph.node for name in node.output}
    shared = sorted((clamped & elsewhere & computed) - set(softmax))
    names = [*softmax, *shared]
    if not names:
        return _Ranges({}, {})
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in kept)
    onnx.save(loaded, opened, save_as_external_data=loaded.ByteSize() > onnx.checker.MAXIMUM_PROTOBUF)
    session = open_session(opened)
    found = {name: [0.0, 0.0] for name in names}
    for sample in samples:
        for name, array in zip(names, session.run(names, sample), strict=True):
            least, most = found[name]
            found[name] = [float(array.min(initial=least)), float(array.max(initial=most))]
    return _Ranges(
        {name: found[name] for name in softmax if 0 < found[name][1] < 1},
        {name: found[name] for name in shared if isfinite(found[name][1] - found[name][0])},
    )


def _halves_before_19(model: Path) -> bool:
    loaded = onnx.load(model, load_external_data=False)
    types = {value.type.tensor_type.elem_type for value in typed_values(loaded.graph)}
    types |= {one.data_type for one in loaded.graph.initializer}
    return default_opset(loaded) < HALVES_OPSET and onnx.TensorProto.FLOAT16 in types


def _overrides(ranges: Mapping[str, Sequence[float]], activations: Any) -> dict[str, Any]:
    overrides = {
        name: [{"quant_type": activations, "rmin": np.float32(least), "rmax": np.float32(most)}]
        for name, (least, most) in ranges.items()
        if least < most
    }
    return {"TensorQuantOverrides": overrides} if overrides else {}


def _operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}


class _Reader:
    """Hands calibration samples to ONNX Runtime one by one (its CalibrationDataReader)."""

    def __init__(self, samples: Sequence[dict[str, Any]]) -> None:
        self._samples: Iterator[dict[str, Any]] = iter(samples)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._samples, None)
