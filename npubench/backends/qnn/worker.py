"""QNN's side of a job; runs inside the environment `qnn`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "standalone"))
from worker_frame import NotSupportedError, compared, references, samples, serve, step

PROVIDER = "QNNExecutionProvider"
NARROWED = "narrowed.onnx"
QUANTISED = "quantised.onnx"
CONTEXT = "model_ctx.onnx"
ONLY_FORMAT = frozenset({"QuantizeLinear", "DequantizeLinear"})


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Quantise to QDQ, compile a context binary for an HTP, and run it in the emulation."""
    with step("import"):
        import onnxruntime
        import onnxruntime_qnn

        onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_qnn.get_library_path())
    with step("quantise"):
        model, narrowed = narrow_outputs(job["model"])
        forced = _quantise(model, samples(job["calibration"]))
    with step("compile"):
        session = _session(job["htp_arch"], job["soc_model"])
    # A run that fails would be done again on the CPU, and pass for the HTP's.
    session.disable_fallback()
    ran_on = session.get_providers()
    if not ran_on or ran_on[0] != PROVIDER:
        raise RuntimeError(f"asked for {PROVIDER}, got {ran_on}")
    evaluation = samples(job["evaluation"])
    with step("emulate"):
        outputs = [session.run(None, sample) for sample in evaluation]
    with step("reference"):
        expected, rounded = references(job["model"], evaluation, samples(job["rounded"]))
    return {
        "artifact": CONTEXT,
        "tensors": tensors_of(CONTEXT) if Path(CONTEXT).is_file() else None,
        "forced": forced,
        "narrowed": narrowed,
        "steps": _steps(len(job["tensors"]["outputs"])),
        "assignment": _assignment(session),
        **compared(outputs, expected, rounded),
    }


def tensors_of(path: str) -> dict[str, list[dict[str, Any]]]:
    """Inputs and outputs of the context model, which is an ONNX file around the binary."""
    graph = _graph(path)
    weights = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    return {"inputs": [_tensor(one) for one in inputs], "outputs": [_tensor(one) for one in graph.output]}


def _tensor(value: Any) -> dict[str, Any]:
    of = value.type.tensor_type
    sizes = [one.dim_value if one.HasField("dim_value") else -1 for one in of.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(of.elem_type).name if of.elem_type else None
    return {"name": value.name, "shape": sizes if of.HasField("shape") else None, "dtype": dtype}


def narrow_outputs(path: str) -> tuple[str, list[str]]:
    """The model with INT32 for the INT64 outputs of ArgMax and ArgMin, and the names of those.

    The provider carries INT64 as INT32 and widens what leaves the graph; behind a Conv it puts a Transpose
    after ArgMax, forgets to widen, and every run ends with "data size does not match".
    """
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    narrowed = []
    for output in graph.output:
        node = makers.get(output.name)
        if node is None or node.domain not in {"", "ai.onnx"} or node.op_type not in {"ArgMax", "ArgMin"}:
            continue
        name, wide = output.name, f"{output.name}_int64"
        for one in graph.node:
            one.input[:] = [wide if value == name else value for value in one.input]
            one.output[:] = [wide if value == name else value for value in one.output]
        graph.node.append(onnx.helper.make_node("Cast", [wide], [name], to=onnx.TensorProto.INT32))
        output.type.tensor_type.elem_type = onnx.TensorProto.INT32
        narrowed.append(name)
    if not narrowed:
        return path, []
    onnx.save(model, NARROWED)
    return NARROWED, narrowed


def _softmax_ranges(path: str, calibration: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Ranges of what Softmax gives for the calibration data, as overrides.

    ONNX Runtime takes 0 to 1 for them whatever the data are: of a thousand classes most are then zero.
    """
    import onnxruntime
    from onnxruntime.quantization import QuantType

    model = onnx.load(path, load_external_data=False)
    names = [node.output[0] for node in model.graph.node if node.op_type == "Softmax"]
    if not names:
        return {}
    kept = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in kept)
    onnx.save(model, "softmax.onnx")
    session = onnxruntime.InferenceSession("softmax.onnx", providers=["CPUExecutionProvider"])
    greatest = dict.fromkeys(names, 0.0)
    for sample in calibration:
        for name, array in zip(names, session.run(names, sample), strict=True):
            greatest[name] = max(greatest[name], float(array.max()))
    return {
        name: [{"quant_type": QuantType.QUInt8, "rmin": np.float32(0), "rmax": np.float32(most)}]
        for name, most in greatest.items()
        if 0 < most < 1
    }


def _steps(count: int) -> list[float | None]:
    """How far apart two neighbouring values of each output are; None where it is not quantised."""
    graph = _graph(QUANTISED)
    makers = {name: node for node in graph.node for name in node.output}
    scales = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    found: list[float | None] = []
    for output in graph.output[:count]:
        node = makers.get(output.name)
        quantised = node is not None and node.op_type == "DequantizeLinear"
        scale = scales.get(node.input[1]) if node is not None and quantised else None
        found.append(float(scale.max()) if scale is not None else None)
    return found


def _quantise(model: str, calibration: list[dict[str, Any]]) -> bool:
    """QDQ in unsigned 8 bits; whether operators that follow their input had to be told."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize
    from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config, qnn_preprocess_model

    class Reader(CalibrationDataReader):  # type: ignore[misc] # untyped
        def __init__(self) -> None:
            self._samples: Iterator[dict[str, Any]] = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._samples, None)

    plain = onnx.load(model)
    # The tool goes down on a model that has any, as every simplified one has.
    plain.ClearField("metadata_props")
    source = "preprocessed.onnx" if qnn_preprocess_model(plain, "preprocessed.onnx") else model
    ranges = _softmax_ranges(source, calibration)
    for forced in (False, True):
        if forced:
            _quantise_activations_alone()
            ranges |= _clipped_ranges(source, calibration)
        config = get_qnn_qdq_config(
            source,
            Reader(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QUInt8,
            init_overrides=dict(ranges) or None,
        )
        config.extra_options["ForceQuantizeNoInputCheck"] = forced
        quantize(source, QUANTISED, config)
        if ONLY_FORMAT & set(_operators(QUANTISED)):
            return forced
    names = tuple(sorted(set(_operators(model))))
    raise NotSupportedError(f"no operator of this graph can be quantised: {', '.join(names)}", names)


def _quantise_activations_alone() -> None:
    """Have Relu and Clip quantised where nothing quantised stands before them; ONNX Runtime does not."""
    from onnxruntime.quantization.operators.qdq_base_operator import QDQOperatorBase
    from onnxruntime.quantization.registry import QDQRegistry

    class Alone(QDQOperatorBase):  # type: ignore[misc] # untyped
        def quantize(self) -> None:
            for name in (self.node.input[0], self.node.output[0]):
                self.quantizer.quantize_activation_tensor(name)

    QDQRegistry.update({"Relu": Alone, "Clip": Alone})


def _clipped_ranges(path: str, calibration: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Ranges of inputs that go to a Relu or Clip at once, as overrides.

    ONNX Runtime gives them the range of what comes out; the HTP then runs an operator that clips nothing.
    """
    from onnxruntime.quantization import QuantType

    graph = _graph(path)
    read = {node.input[0] for node in graph.node if node.op_type in {"Relu", "Clip"}}
    found = {}
    for name in read & set(calibration[0]):
        least = min(0.0, *(float(sample[name].min()) for sample in calibration))
        most = max(0.0, *(float(sample[name].max()) for sample in calibration))
        limits = {"rmin": np.float32(least), "rmax": np.float32(most)}
        found[name] = [{"quant_type": QuantType.QUInt8, **limits}]
    return found


def _session(htp_arch: str, soc_model: str) -> Any:
    """A session on the HTP alone, which writes its context binary. Raises when a node is left to the CPU."""
    import onnxruntime
    import onnxruntime_qnn

    options = onnxruntime.SessionOptions()
    for key, value in (
        ("ep.context_enable", "1"),
        ("ep.context_file_path", CONTEXT),
        # One file: parts beside it would have names of the provider's own making.
        ("ep.context_embed_mode", "1"),
        ("session.disable_cpu_ep_fallback", "1"),
        ("session.record_ep_graph_assignment_info", "1"),
    ):
        options.add_session_config_entry(key, value)
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]
    provider = {
        "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
        "htp_arch": htp_arch,
        "soc_model": soc_model,
        "profiling_level": "detailed",
        "profiling_file_path": "profile.csv",
    }
    options.add_provider_for_devices(devices[:1], provider)
    return onnxruntime.InferenceSession(QUANTISED, options)


def _assignment(session: Any) -> dict[str, list[str]]:
    """Operator types by execution provider, as the session says it split the graph."""
    found: dict[str, set[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        types = {node.op_type for node in part.get_nodes()} - ONLY_FORMAT
        found.setdefault(part.ep_name, set()).update(types)
    return {provider: sorted(types) for provider, types in found.items()}


def _operators(path: str) -> list[str]:
    return [node.op_type for node in _graph(path).node]


def _graph(path: str) -> Any:
    return onnx.load(path, load_external_data=False).graph


if __name__ == "__main__":
    serve(work)
