"""RKNN-Toolkit2's side of a job; runs inside the environment `rknn`."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "standalone"))
from worker_frame import aside, built, compared, if_any, reference, samples, serve, step

ARTIFACT = "model.rknn"
DATASET = "dataset.txt"
GRAPH = b'{"connection"'
ATTRIBUTES = b"{'attrs'"


class RefusedError(Exception):
    """A step of the toolkit that returned an error code in place of raising."""


class LostInputError(Exception):
    """The toolkit's model takes fewer inputs than the ONNX one."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Load, quantise, build and export; then the simulator's outputs beside ONNX Runtime's."""
    evaluation = samples(job["evaluation"])
    # In another process: beside the toolkit's libraries ONNX Runtime did not end on some operators.
    expecting = [aside(reference, job["model"], one) for one in (evaluation, samples(job["rounded"]))]
    with step("import"):
        from rknn.api import RKNN

        tool = RKNN(verbose=True)
    # One line a sample, its files in the order of the model's inputs.
    order = [tensor["name"] for tensor in job["tensors"]["inputs"]]
    lines = (" ".join(sample[name] for name in order) for sample in job["calibration"])
    Path(DATASET).write_text("\n".join([*lines, ""]), encoding="utf-8")
    with step("load"):
        _accept("config", tool.config(target_platform=job["platform"]))
        _accept("load_onnx", tool.load_onnx(job["model"]))
    with step("build"):
        _build(tool, job)
    with step("export"):
        _accept("export_rknn", tool.export_rknn(ARTIFACT))
    built({"artifact": ARTIFACT})
    with step("simulate"):
        _accept("init_runtime", tool.init_runtime())
        outputs = [_infer(tool, [sample[name] for name in order]) for sample in evaluation]
    with step("reference"):
        expected, rounded = if_any(expecting)
    return {"artifact": ARTIFACT, "tensors": tensors_of(ARTIFACT), **compared(outputs, expected, rounded)}


def _build(tool: Any, job: dict[str, Any]) -> None:
    quantise = job["quantise"]
    try:
        _accept("build", tool.build(do_quantization=quantise, dataset=DATASET if quantise else None))
    except ValueError as error:
        if "not match input num" not in str(error):
            raise
        lost = ", ".join(_unused(job))
        raise LostInputError(f"RKNN leaves out inputs that no operator reads: {lost}") from error


def _unused(job: dict[str, Any]) -> list[str]:
    """Inputs that no node of the graph takes."""
    import onnx

    graph = onnx.load(job["model"], load_external_data=False).graph
    read = {name for node in graph.node for name in node.input}
    return [tensor["name"] for tensor in job["tensors"]["inputs"] if tensor["name"] not in read]


def _infer(tool: Any, inputs: list[Any]) -> list[Any]:
    # The toolkit takes pictures for NHWC unless told otherwise; told so of other ranks, it changes nothing.
    outputs = tool.inference(inputs=inputs, data_format=["nchw"] * len(inputs))
    if outputs is None:
        raise RefusedError("inference gave no outputs")
    return list(outputs)


def _accept(what: str, code: int) -> None:
    if code != 0:
        raise RefusedError(f"{what} returned {code}")


def tensors_of(path: str) -> dict[str, Any] | None:
    """Inputs and outputs of a .rknn file, as it tells of them; None of a file of another format.

    A file of this toolkit ends with a JSON object that joins its tensors to inputs and outputs, in order, and
    holds a Python dictionary `attrs` with the shape and the type that each had in the model.
    """
    data = Path(path).read_bytes()
    try:
        graph, _ = json.JSONDecoder().raw_decode(data[data.rindex(GRAPH) :].decode("utf-8", "replace"))
        tables = {
            kind: {one["tensor_id"]: one for one in graph[kind]} for kind in ("norm_tensor", "const_tensor")
        }
        known = _attributes(data)
        return {
            f"{side}s": [
                _tensor(tables[end["right"]][end["right_tensor_id"]], known)
                for end in sorted(graph["graph"], key=lambda one: one["left_tensor_id"])
                if end["left"] == side
            ]
            for side in ("input", "output")
        }
    except (ValueError, KeyError, TypeError) as error:
        print(f"the .rknn file does not tell its tensors: {type(error).__name__}: {error}")  # noqa: T201 - for the log
        return None


def _attributes(data: bytes) -> dict[str, Any]:
    start = data.find(ATTRIBUTES)
    if start < 0:
        return {}
    try:
        found: dict[str, Any] = ast.literal_eval(data[start : data.index(b"\0", start)].decode())["attrs"]
    except (ValueError, SyntaxError, KeyError, TypeError):
        return {}
    return found


def _tensor(tensor: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    about = known.get(tensor["url"], {})
    return {
        "name": tensor["url"],
        "shape": about.get("shape", tensor.get("size")),
        "dtype": about.get("dtype"),
    }


if __name__ == "__main__":
    serve(work)
