"""Runs in a process of its own: `python -m ...worker job.json answer.json`.

ONNX Runtime may crash, hang or take all memory on a model; here that ends one job and nothing else.
"""

import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from npubench.backends.onnxruntime import computed
from npubench.backends.onnxruntime.processors import this_processor
from npubench.domain.figures import NoAccuracy
from npubench.domain.specs import ModelInputs
from npubench.measure.calibration import calibration_of_json, choose, evaluation_inputs
from npubench.measure.crowding import crowded_share
from npubench.measure.onnx_session import (
    interrupted_share,
    of_threads,
    open_session,
    ready,
    settled,
    timed_rounds,
    warm_up,
    without_optimisation,
)
from npubench.measure.outputs import compare
from npubench.storage.hashing import sha256_of_bundle
from npubench.storage.json import decode, encode
from npubench.tools.standalone import fork_server
from npubench.tools.worker_protocol import serve

IS_REFERENCE: dict[str, Any] = {
    "accuracy": None,
    "no_accuracy": NoAccuracy.IS_REFERENCE,
    "no_accuracy_why": "FP32 is what the others are compared with",
    "kernels": None,
}


def main(question: str, reply: str) -> None:
    """Do the job; an exception is part of the answer."""
    serve(STEPS, question, reply, unlogged=("rounds_ns", "interrupted_ns"))


def quantise(job: dict[str, Any]) -> dict[str, Any]:
    """Static quantisation to INT8 QDQ, weights per channel."""
    from npubench.backends.onnxruntime.quantise import quantise_static

    chosen = choose(fed(job), calibration_of_json(job["calibration"]))
    processor, flags = this_processor()
    model, output, scratch = (Path(job[name]) for name in ("model", "output", "scratch"))
    settings = quantise_static(model, output, scratch, chosen.calibration(), processor)
    settings["processor_flags"] = " ".join(flags)
    return {"settings": settings, "data": encode(chosen.use())}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Load, warm up, time in rounds; then compare with the reference, and profile in a session apart."""
    path = Path(job["artifact"])
    sha256 = sha256_of_bundle(path, [Path(file) for file in job["beside"]])
    samples = evaluation_inputs(fed(job), calibration_of_json(job["calibration"]))
    started = time.perf_counter_ns()
    session = open_session(path, of_threads(job["threads"]))
    load_us = (time.perf_counter_ns() - started) / 1000
    timed, feeds = ready(session, samples[0])
    warmed = warm_up(timed, feeds, job["timing"])
    between = fork_server.between if job["alternates"] else None
    rounds = timed_rounds(timed, feeds, job["timing"], between, watched=job["threads"] == 1)
    counted, interrupted = settled(rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    compared = (
        compared_with(Path(job["reference"]), session, job, samples) if job["reference"] else IS_REFERENCE
    )
    return {
        "artifact_sha256": sha256,
        "load_us": load_us,
        "rounds_ns": counted,
        "interrupted_ns": interrupted,
        "interrupted_share": interrupted_share(rounds) if job["threads"] == 1 else None,
        "crowded_share": crowded_share([one.occupied for one in rounds], job["threads"], os.cpu_count() or 1),
        "peak_memory_bytes": peak,
        **compared,
        "not_profiled": profile(path, samples[0], job),
        "details": {
            "latency": "one session.run with one input in memory; load is apart",
            "memory": "peak resident memory of the process that ran it",
            "threads": session.get_session_options().intra_op_num_threads or "one a physical core",
            "providers": session.get_providers(),
            **warmed,
        },
    }


def compared_with(
    reference: Path, session: Any, job: dict[str, Any], samples: "list[dict[str, Any]]"
) -> dict[str, Any]:
    """The accuracy of what ran, and of the same file without optimisation."""
    fp32 = open_session(reference, of_threads(job["threads"]))
    ours, theirs = ([one.run(None, sample) for sample in samples] for one in (session, fp32))
    found = compare(ours, theirs, fp32, samples, job["classification"])
    plain = open_session(Path(job["artifact"]), without_optimisation(job["threads"]))
    unoptimised = [plain.run(None, sample) for sample in samples[: computed.COMPARED]]
    cosines = computed.kernels(ours[: computed.COMPARED], unoptimised, theirs[: computed.COMPARED])
    return {**found.as_answer(), "wrong": found.wrong, "kernels": cosines}


def optimise(job: dict[str, Any]) -> dict[str, Any]:
    """Write the graph with its operators fused, layouts of processors left out: those tell no shapes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    computed.keep_graph(options, Path(job["output"]))
    open_session(Path(job["artifact"]), options)
    return {}


def profile(path: Path, feeds: dict[str, Any], job: dict[str, Any]) -> str:
    """Leave what tells layers, and in what it computed; why not, which is no failure of the figures."""
    try:
        computed.profiled(path, feeds, Path(job["scratch"]), of_threads(job["threads"]))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime raises types of its own; the log has it
        return told(error)
    return ""


def told(error: Exception) -> str:
    """What kept ONNX Runtime's profile from being told: one line."""
    traceback.print_exc()
    text = next(iter(str(error).splitlines()), "")
    return f"ONNX Runtime's profile tells nothing: {type(error).__name__}: {text}"


def read_profile(job: dict[str, Any]) -> dict[str, Any]:
    """Layers, and in what they computed, from what `measure` left: apart, for it takes onnx and memory."""
    from npubench.backends.onnxruntime.layers import layers_of

    scratch, found = Path(job["scratch"]), dict[str, Any](computed=None, layers=None, no_layers="")
    try:
        found["layers"] = encode(layers_of(scratch, Path(job["model"])))
    except Exception as error:  # noqa: BLE001 - a profile or a graph of a form that is not known
        found["no_layers"] = told(error)
    shapes = {tensor.name: tensor.shape for tensor in fed(job).tensors}
    try:
        found["computed"] = computed.computed(scratch, shapes)
    except Exception as error:  # noqa: BLE001 - the same
        told(error)
    return found


def predict(job: dict[str, Any]) -> dict[str, Any]:
    """Outputs for a data set, and what layers lose against the reference on its first samples."""
    path, inputs = Path(job["artifact"]), Path(job["samples"])
    (tensor,) = fed(job).tensors
    computed.outputs_of(path, tensor, inputs, Path(job["output"]))
    losses: list[dict[str, Any]] = []
    if job["reference"]:
        losses = computed.layer_losses(path, Path(job["reference"]), tensor, inputs, Path(job["scratch"]))
    return {"artifact_sha256": sha256_of_bundle(path, [Path(one) for one in job["beside"]]), "losses": losses}


def fed(job: dict[str, Any]) -> ModelInputs:
    """The model's inputs and what they hold."""
    return decode(ModelInputs, job["fed"])


STEPS = {
    "quantise": quantise,
    "measure": measure,
    "read_profile": read_profile,
    "predict": predict,
    "optimise": optimise,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
