"""OpenVINO's side of a job; runs inside the environment `openvino`."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "standalone"))
from worker_frame import built, compared, references, samples, serve, step


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert, quantise unless FP32 is asked for, and run on the device beside ONNX Runtime."""
    with step("import"):
        import openvino
    with step("convert"):
        model = openvino.convert_model(job["model"])
    # Of inputs that the model does not have, an inference reads memory that nobody wrote.
    told = _tensors(model, job["tensors"])
    names = [tensor["name"] for tensor in job["tensors"]["inputs"]]
    if sorted(str(tensor["name"]) for tensor in told["inputs"]) != sorted(names):
        return {"tensors": told}
    quantised = None
    if job["precision"] == "int8":
        with step("quantise"):
            model, quantised = _quantised(model, samples(job["calibration"]))
    openvino.save_model(model, "model.xml", compress_to_fp16=False)
    built({"artifact": "model.xml", "parts": ["model.bin"], "quantised_operators": quantised})
    evaluation = samples(job["evaluation"])
    core = openvino.Core()
    if job["device"] not in core.available_devices:
        raise RuntimeError(f"no device {job['device']} here: OpenVINO sees {core.available_devices}")
    with step("compile"):
        compiled = core.compile_model(core.read_model("model.xml"), job["device"])
    ran_on = list(compiled.get_property("EXECUTION_DEVICES"))
    if ran_on != [job["device"]]:
        raise RuntimeError(f"asked for {job['device']}, OpenVINO runs on {ran_on}")
    with step("run"):
        outputs = [_infer(compiled, sample) for sample in evaluation]
    with step("reference"):
        expected, rounded = references(job["model"], evaluation, samples(job["rounded"]))
    return {
        "artifact": "model.xml",
        "parts": ["model.bin"],
        "tensors": _tensors(compiled, job["tensors"]),
        "quantised_operators": quantised,
        **compared(outputs, expected, rounded),
    }


def _quantised(model: Any, calibration: list[dict[str, Any]]) -> tuple[Any, int]:
    """NNCF's post-training quantisation with all samples, and how many quantisers it put in."""
    import nncf

    made = nncf.quantize(model, nncf.Dataset(calibration), subset_size=len(calibration))
    count = sum(node.get_type_name() == "FakeQuantize" for node in made.get_ordered_ops())
    return made, count


def _infer(compiled: Any, sample: dict[str, Any]) -> list[Any]:
    """All outputs, copied: OpenVINO's arrays may lie in memory that the next inference writes to."""
    found = compiled(sample)
    return [found[index].copy() for index in range(len(compiled.outputs))]


def _tensors(model: Any, wanted: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Inputs and outputs of a model or a compiled one; a tensor of several names by the ONNX model's."""
    return {
        kind: [_tensor(port, {tensor["name"] for tensor in wanted[kind]}) for port in ports]
        for kind, ports in (("inputs", model.inputs), ("outputs", model.outputs))
    }


def _tensor(port: Any, known: set[str]) -> dict[str, Any]:
    names = sorted(port.get_names(), key=lambda name: (name not in known, name))
    shape = port.get_partial_shape()
    return {
        "name": names[0] if names else None,
        "shape": [size.get_length() if size.is_static else -1 for size in shape]
        if shape.rank.is_static
        else None,
        "dtype": _dtype(port.get_element_type()),
    }


def _dtype(of: Any) -> str | None:
    try:
        return str(of.to_dtype())
    except RuntimeError:
        # A type that numpy does not have.
        return None


if __name__ == "__main__":
    serve(work)
