"""OpenVINO's side of a job; runs inside the environment `openvino`."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apart"))
from worker_frame import built, keep, reference, samples, serve, step


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Convert, quantise unless FP32 is asked for, and run on the device beside ONNX Runtime."""
    with step("import"):
        import openvino
    with step("convert"):
        model = openvino.convert_model(job["model"])
    order = [tensor["name"] for tensor in job["tensors"]["inputs"]]
    quantised = None
    if job["precision"] == "int8":
        with step("quantise"):
            model, quantised = _quantised(model, samples(job["calibration"]), order)
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
        outputs = [_infer(compiled, [sample[name] for name in order]) for sample in evaluation]
    with step("reference"):
        expected = reference(job["model"], evaluation)
        rounded = reference(job["model"], samples(job["rounded"]))
    return {
        "artifact": "model.xml",
        "parts": ["model.bin"],
        "quantised_operators": quantised,
        "outputs": keep("output", outputs),
        "reference": keep("reference", expected),
        "rounded": keep("rounded", rounded),
    }


def _quantised(model: Any, calibration: list[dict[str, Any]], order: list[str]) -> tuple[Any, int]:
    """NNCF's post-training quantisation with all samples, and how many quantisers it put in."""
    import nncf

    data = [[sample[name] for name in order] for sample in calibration]
    made = nncf.quantize(model, nncf.Dataset(data), subset_size=len(data))
    count = sum(node.get_type_name() == "FakeQuantize" for node in made.get_ordered_ops())
    return made, count


def _infer(compiled: Any, inputs: list[Any]) -> list[Any]:
    found = compiled(inputs)
    return [found[index] for index in range(len(compiled.outputs))]


if __name__ == "__main__":
    serve(work)
