"""Runs in a process of its own: `python -m ...worker job.json answer.json`.

ONNX Runtime may crash, hang or take all memory on a model; here that ends one job and nothing else.
"""

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from npubench.records import NoAccuracy
from npubench.specs import CalibrationSpec, TensorSpec


def main() -> None:
    """Do the job; an exception is part of the answer."""
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        answer = {"quantise": quantise, "measure": measure, "predict": predict}[job["step"]](job)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side decides what it means
        traceback.print_exc()
        text = {"type": type(error).__name__, "text": str(error), "traceback": traceback.format_exc()}
        answer = {"error": text}
    Path(sys.argv[2]).write_text(json.dumps(answer))
    print(json.dumps({key: value for key, value in answer.items() if key != "rounds_ns"}))  # noqa: T201 - for the log


def quantise(job: dict[str, Any]) -> dict[str, Any]:
    """Static quantisation to INT8 QDQ, weights per channel."""
    from npubench.backends.onnxruntime.quantise import quantise_static
    from npubench.calibration import calibration_inputs

    samples = calibration_inputs(tensors(job), calibration(job))
    settings = quantise_static(Path(job["model"]), Path(job["output"]), Path(job["scratch"]), samples)
    return {"settings": settings}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Load, warm up, time in rounds, and compare with the reference afterwards."""
    import resource

    from npubench.backends.onnxruntime.compare import Similarity, compare
    from npubench.backends.onnxruntime.timed import open_session, timed_rounds, warm_up
    from npubench.calibration import evaluation_inputs
    from npubench.identity import sha256_of_bundle

    path = Path(job["artifact"])
    sha256 = sha256_of_bundle(path, [Path(file) for file in job["beside"]])
    samples = evaluation_inputs(tensors(job), calibration(job))
    started = time.perf_counter_ns()
    session = open_session(path)
    load_us = (time.perf_counter_ns() - started) / 1000
    warmed = warm_up(session, samples[0], job["timing"])
    rounds = timed_rounds(session, samples[0], job["timing"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = Similarity(None, NoAccuracy.IS_REFERENCE, "FP32 is what the others are compared with")
    if job["reference"]:
        reference = open_session(Path(job["reference"]))
        found = compare(session, reference, samples, job["classification"])
    return {
        "artifact_sha256": sha256,
        "load_us": load_us,
        "rounds_ns": rounds,
        "peak_memory_bytes": peak,
        **found.told(),
        "wrong": found.wrong,
        "details": {
            "latency": "one session.run with one input in memory; load is apart",
            "memory": "peak resident memory of the process that ran it",
            "threads": session.get_session_options().intra_op_num_threads or "one a physical core",
            "providers": session.get_providers(),
            **warmed,
        },
    }


def predict(job: dict[str, Any]) -> dict[str, Any]:
    """Outputs for a data set, and what layers lose against the reference on its first samples."""
    from npubench.backends.onnxruntime.predict import layer_losses, outputs_of
    from npubench.identity import sha256_of_bundle

    path, inputs = Path(job["artifact"]), Path(job["samples"])
    (tensor,) = tensors(job)
    outputs_of(path, tensor, inputs, Path(job["output"]))
    losses: list[dict[str, Any]] = []
    if job["reference"]:
        losses = layer_losses(path, Path(job["reference"]), tensor, inputs, Path(job["scratch"]))
    return {"artifact_sha256": sha256_of_bundle(path, [Path(one) for one in job["beside"]]), "losses": losses}


def tensors(job: dict[str, Any]) -> list[TensorSpec]:
    """The model's inputs."""
    return [TensorSpec(t["name"], tuple(t["shape"]), t["dtype"]) for t in job["inputs"]]


def calibration(job: dict[str, Any]) -> CalibrationSpec:
    """Where input data come from."""
    given = job["calibration"]
    path = Path(given["path"]) if given["path"] else None
    return CalibrationSpec(path, given["seed"], given["samples"])


if __name__ == "__main__":
    main()
