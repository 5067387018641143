"""QNN's side of a job; runs inside the environment `qnn`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apart"))
from worker_frame import NotSupportedError, keep, reference, samples, serve, step

PROVIDER = "QNNExecutionProvider"
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
        forced = _quantise(job["model"], samples(job["calibration"]))
    with step("compile"):
        session = _session(job["htp_arch"])
    ran_on = session.get_providers()
    if not ran_on or ran_on[0] != PROVIDER:
        raise RuntimeError(f"asked for {PROVIDER}, got {ran_on}")
    evaluation = samples(job["evaluation"])
    with step("emulate"):
        outputs = [session.run(None, sample) for sample in evaluation]
    with step("reference"):
        expected = reference(job["model"], evaluation)
    parts = sorted(path.name for path in Path().glob("model_ctx*.bin"))
    return {
        "artifact": CONTEXT,
        "parts": parts,
        "forced": forced,
        "assignment": _assignment(session),
        "outputs": keep("output", outputs),
        "reference": keep("reference", expected),
    }


def _quantise(model: str, calibration: list[dict[str, Any]]) -> bool:
    """QDQ in unsigned 8 bits; whether operators that follow their input had to be told."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize
    from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config, qnn_preprocess_model

    class Reader(CalibrationDataReader):  # type: ignore[misc] # untyped
        def __init__(self) -> None:
            self._samples: Iterator[dict[str, Any]] = iter(calibration)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._samples, None)

    source = "preprocessed.onnx" if qnn_preprocess_model(model, "preprocessed.onnx") else model
    for forced in (False, True):
        config = get_qnn_qdq_config(
            source, Reader(), activation_type=QuantType.QUInt8, weight_type=QuantType.QUInt8
        )
        config.extra_options["ForceQuantizeNoInputCheck"] = forced
        quantize(source, QUANTISED, config)
        if ONLY_FORMAT & set(_operators(QUANTISED)):
            return forced
    names = tuple(sorted(set(_operators(model))))
    raise NotSupportedError(f"no operator of this graph can be quantised: {', '.join(names)}", names)


def _session(htp_arch: str) -> Any:
    """A session on the HTP alone, which writes its context binary. Raises when a node is left to the CPU."""
    import onnxruntime
    import onnxruntime_qnn

    options = onnxruntime.SessionOptions()
    for key, value in (
        ("ep.context_enable", "1"),
        ("ep.context_file_path", CONTEXT),
        ("ep.context_embed_mode", "0"),
        ("session.disable_cpu_ep_fallback", "1"),
        ("session.record_ep_graph_assignment_info", "1"),
    ):
        options.add_session_config_entry(key, value)
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]
    provider = {
        "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
        "htp_arch": htp_arch,
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
    import onnx

    return [node.op_type for node in onnx.load(path, load_external_data=False).graph.node]


if __name__ == "__main__":
    serve(work)
