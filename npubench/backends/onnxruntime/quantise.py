"""ONNX Runtime's static post-training quantisation, as every INT8 figure of this backend is made.

QDQ with signed 8-bit weights (symmetric, per channel) and signed 8-bit activations: the form that
ONNX Runtime's documentation names as first choice, and the one closest to what NPUs compute.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

QUANTISING = "QuantizeLinear"
LEAST_OPSET = 13
"""QuantizeLinear and DequantizeLinear know per-channel scales from here on (ONNX Operators.md)."""


def quantise_static(
    model: Path, output: Path, scratch: Path, samples: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Write the quantised model; the settings that made it. Raises when nothing could be quantised."""
    from onnxruntime.quantization import QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    source, converted_from = _converted(model, scratch / "converted.onnx")
    source, pre_processed = _pre_processed(source, scratch / "preprocessed.onnx")
    settings = {
        "format": "QDQ",
        "per_channel": True,
        "weights": "int8 symmetric",
        "activations": "int8",
        "method": "MinMax",
        "pre_processed": pre_processed,
        "converted_from_opset": converted_from,
    }
    # Some operators (pooling, transposition) follow their input; alone they have to be told.
    for forced in (False, True):
        quantize(
            str(source),
            str(output),
            _Reader(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ForceQuantizeNoInputCheck": forced},
        )
        operators = _operators(output)
        if QUANTISING in operators:
            return {**settings, "forced": forced}
    names = ", ".join(sorted(_operators(model)))
    raise ValueError(f"no operator of this graph can be quantised: {names}")


def _converted(model: Path, target: Path) -> tuple[Path, int | None]:
    """The model at an opset that can be quantised per channel, and which one it had; None if that will do."""
    import onnx

    from npubench.onnx_graph import default_opset

    loaded = onnx.load(model)
    opset = default_opset(loaded)
    if opset >= LEAST_OPSET:
        return model, None
    onnx.save(onnx.version_converter.convert_version(loaded, LEAST_OPSET), target)
    return target, opset


def _pre_processed(model: Path, target: Path) -> tuple[Path, bool]:
    """Shapes inferred and the graph optimised, as ONNX Runtime advises; the model itself where that fails."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(str(model), str(target), skip_symbolic_shape=True)
    except Exception as error:  # noqa: BLE001 - it raises bare Exceptions; the settings say that it failed
        print(f"pre-processing failed, quantising the model as it is: {error}")  # noqa: T201 - for the log
        return model, False
    return target, True


def _operators(path: Path) -> set[str]:
    import onnx

    return {node.op_type for node in onnx.load(path, load_external_data=False).graph.node}


class _Reader:
    """Hands calibration samples to ONNX Runtime one by one (its CalibrationDataReader)."""

    def __init__(self, samples: Sequence[dict[str, Any]]) -> None:
        self._samples: Iterator[dict[str, Any]] = iter(samples)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._samples, None)
