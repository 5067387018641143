"""Ethos-U's side of a job; runs inside the environment `ethos-u`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "standalone"))
import worker_pooling
from worker_frame import NotSupportedError, aside, compared, if_any, reference, samples, serve, step
from worker_litert import (
    ChangedError,
    by_name,
    find_layout,
    open_model,
    run,
    spelt,
    steps,
    tensors_of,
    without_lost,
)

REWRITTEN = "rewritten.onnx"
FOLDER = "litert"
QUANTISED = "quantised.tflite"
LEAST_OPSET = 11
OF_DATA = frozenset({"NonMaxSuppression", "NonZero", "Unique", "Compress"})
"""How large their outputs are depends on the data, which LiteRT's form of them handles in another way."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """onnx2tf, AI Edge Quantizer, LiteRT's outputs beside ONNX Runtime's, and Vela."""
    order = [tensor["name"] for tensor in job["tensors"]["inputs"]]
    calibration, evaluation = (
        [_ordered(one, order) for one in samples(job[k])] for k in ("calibration", "evaluation")
    )
    expecting = [aside(reference, job["model"], one) for one in (evaluation, samples(job["rounded"]))]
    with step("rewrite"):
        rewritten = _rewritten(job["model"])
    with step("onnx2tf"):
        _call(["onnx2tf", "-i", REWRITTEN, "-o", FOLDER, "-roc"])
    floats = Path(FOLDER) / f"{Path(REWRITTEN).stem}_float32.tflite"
    if not floats.is_file():
        raise RuntimeError(f"onnx2tf ended without writing {floats.name}")
    _refuse_custom(str(floats))
    told = without_lost(tensors_of(str(floats)), str(floats))
    if _names(told) != _names(job["tensors"]):
        return {"tensors": told}
    with step("reference"):
        expected, rounded = if_any(expecting)
    with step("layout"):
        layout = _layout(str(floats), evaluation[0], expected[0] if expected else _blank(job))
    with step("quantise"):
        _quantise(str(floats), calibration, layout)
    with step("simulate"):
        quantised = open_model(QUANTISED)
        outputs = [run(quantised, sample, layout) for sample in evaluation]
    with step("vela"):
        _call(
            ["vela", QUANTISED, "--accelerator-config", job["accelerator"], "--config", "Arm/vela.ini",
             "--system-config", job["system_config"], "--memory-mode", job["memory_mode"],
             "--output-dir", "vela", "--verbose-performance", "--show-cpu-operations"]
        )  # fmt: skip
    kept = {"per_layer": "*_per-layer.csv", "summary": "*_summary_*.csv", "artifact": "*_vela.tflite"}
    found = {name: _only(pattern) for name, pattern in kept.items()}
    return {
        "artifact": found["artifact"],
        "tensors": tensors_of(found["artifact"]),
        "kept": [found["per_layer"], found["summary"]],
        "per_layer": found["per_layer"],
        "summary": found["summary"],
        "poolings_rewritten": rewritten,
        "steps": steps(quantised),
        **compared(outputs, expected, rounded),
    }


def _ordered(sample: dict[str, Any], order: list[str]) -> dict[str, Any]:
    return {name: sample[name] for name in order}


def _names(tensors: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    return [sorted(spelt(one["name"]) for one in tensors[side]) for side in ("inputs", "outputs")]


def _rewritten(path: str) -> int:
    model = onnx.load(path)
    opset = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
    if opset < LEAST_OPSET:
        model = onnx.version_converter.convert_version(model, 13)
    inferred = onnx.shape_inference.infer_shapes(model)
    count: int = worker_pooling.rewrite(inferred)
    onnx.save(inferred, REWRITTEN)
    return count


def _refuse_custom(path: str) -> None:
    """onnx2tf ends well with operators that it made up; whoever runs the file has to know them."""
    from ai_edge_litert.interpreter import Interpreter

    made_up = {detail["op_name"] for detail in Interpreter(path)._get_ops_details()}
    prefix = "ONNX_"
    names = {name.removeprefix(prefix) for name in made_up if name.startswith(prefix)}
    if names:
        types = {node.op_type for node in onnx.load(REWRITTEN, load_external_data=False).graph.node}
        operators = tuple(sorted(t for t in types if t.upper() in names)) or tuple(sorted(names))
        raise NotSupportedError(f"onnx2tf has no LiteRT operator for {', '.join(operators)}", operators)


def _blank(job: dict[str, Any]) -> list[Any]:
    """Outputs of the model's shapes, for want of a reference: the first layout that fits them is taken."""
    return [np.zeros([max(1, size) for size in one["shape"]]) for one in job["tensors"]["outputs"]]


def _layout(path: str, sample: dict[str, Any], expected: list[Any]) -> Any:
    try:
        return find_layout(open_model(path), sample, expected)
    except ChangedError as error:
        types = {node.op_type for node in onnx.load(REWRITTEN, load_external_data=False).graph.node}
        if operators := tuple(sorted(types & OF_DATA)):
            raise NotSupportedError(f"{error}: {', '.join(operators)} is not the same", operators) from error
        raise


def _quantise(path: str, calibration: list[dict[str, Any]], layout: Any) -> None:
    from ai_edge_quantizer import qtyping, quantizer, recipe

    interpreter = open_model(path)
    signature, tensors = next(iter(interpreter.get_signature_list().items()))
    made = quantizer.Quantizer(path)
    made.load_quantization_recipe(recipe.static_wi8_ai8())
    # LiteRT's BATCH_MATMUL knows one scale of its weights, and of one a channel makes zeros.
    made.add_static_config(
        ".*", qtyping.TFLOperationName.BATCH_MATMUL, 8, 8, qtyping.QuantGranularity.TENSORWISE
    )
    data = []
    for sample in calibration:
        details = by_name(interpreter, list(sample))
        # onnx2tf makes FP32 of half precision.
        arrays = {
            spelt(name): layout.to_model(array).astype(detail["dtype"], copy=False)
            for (name, array), detail in zip(sample.items(), details, strict=True)
        }
        only = len(arrays) == 1 == len(tensors["inputs"])
        data.append({tensors["inputs"][0]: next(iter(arrays.values()))} if only else arrays)
    result = made.quantize(made.calibrate({signature: data}))
    result.export_model(QUANTISED)


def _call(argv: list[str]) -> None:
    """One of the tools' own commands; its words go where this process's go."""
    sys.stdout.flush()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with code {done.returncode}")


def _only(pattern: str) -> str:
    """The one file of Vela's that fits, brought into the job's folder; its name."""
    found = sorted(Path("vela").glob(pattern))
    if len(found) != 1:
        raise RuntimeError(f"vela wrote {len(found)} files {pattern}")
    return found[0].rename(found[0].name).name


if __name__ == "__main__":
    serve(work)
