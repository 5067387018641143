"""Decode, scale, run a model, frame by frame, as a camera application does; in the worker."""

import time
from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.worker_frames import (
    Budget,
    decoded,
    decoder,
    filter_graph,
    packets,
    sha256_of_frames,
)

CHANNELS = (3, 16, 32, 64, 128, 256)
CLASSES = 1000
SEED = 0


def pipeline(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `engines.pyav` makes a `Found` of; `more` has the steps' times."""
    frames, frames_sha256 = sha256_of_frames(decoded(Path(job["input"]), job["codec"]))
    session, model = _model(job)
    rounds: list[list[float]] = []
    seconds: list[float] = []
    steps = {"decode": 0.0, "preprocess": 0.0, "model": 0.0}
    fed, cpu_s = 0, 0.0
    for _ in range(job["rounds"]):
        cpu, started = time.process_time(), time.perf_counter()
        samples, sent = _one_round(job, session, steps)
        seconds.append(time.perf_counter() - started)
        cpu_s += time.process_time() - cpu
        rounds.append(samples)
        fed += sent
    done = [len(one) for one in rounds]
    means = {f"{name}_us": total / max(1, sum(done)) for name, total in steps.items()}
    return {
        "frames": frames,
        "frames_sha256": frames_sha256,
        "psnr_db": None,
        "round_frames": done,
        "round_seconds": seconds,
        "frames_fed": fed,
        "cpu_s": cpu_s,
        "samples_us": rounds,
        "more": {**means, **model},
    }


def _one_round(job: Mapping[str, Any], session: Any, steps: dict[str, float]) -> tuple[list[float], int]:
    """Microseconds from a packet's way in to its scores, and the packets that were sent."""
    stream = packets(Path(job["input"]), job["codec"])
    context = decoder(job["codec"], job["threads"])
    graph = filter_graph(job["filters"].format(exact=""), job["width"], job["height"], "yuv420p")
    samples: list[float] = []
    under_way: deque[int] = deque()
    sent, budget = 0, Budget(job)

    def give(packet: Any) -> None:
        begin = time.perf_counter_ns()
        under_way.append(begin)
        frames = context.decode(packet)
        steps["decode"] += (time.perf_counter_ns() - begin) / 1000
        for frame in frames:
            frame.pts = len(samples)
            _one_frame(frame, graph, session, steps)
            samples.append((time.perf_counter_ns() - under_way.popleft()) / 1000)

    while not budget.spent(sent):
        for packet in stream:
            give(packet)
        sent += len(stream)
    give(None)
    return samples, sent


def _one_frame(frame: Any, graph: Any, session: Any, steps: dict[str, float]) -> None:
    """Scale to the model's size, to numbers in 0..1 and planes (NCHW), and infer; ValueError on NaN."""
    import numpy as np

    begin = time.perf_counter_ns()
    graph.push(frame)
    pixels = graph.pull().to_ndarray().transpose(2, 0, 1)[np.newaxis]
    tensor = np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)
    prepared = time.perf_counter_ns()
    (scores, *_) = session.run(None, {session.get_inputs()[0].name: tensor})
    steps["preprocess"] += (prepared - begin) / 1000
    steps["model"] += (time.perf_counter_ns() - prepared) / 1000
    if not np.isfinite(scores).all():
        raise ValueError("the model gave a number that is not finite")


def _model(job: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The user's own model, or a small seeded network; an ONNX Runtime session and what it is."""
    import hashlib

    import onnxruntime as ort

    content = Path(job["model"]).read_bytes() if job["model"] else small_network(job["output"])
    options = ort.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    wanted = [1, 3, job["output"][1], job["output"][0]]
    if list(shape) != wanted:
        raise ValueError(f"the model's input is {shape}, not {wanted}: give one that takes it")
    return session, {
        "model": Path(job["model"]).name if job["model"] else "convnet6",
        "model_sha256": hashlib.sha256(content).hexdigest(),
        "onnxruntime": ort.__version__,
    }


def small_network(size: tuple[int, int]) -> bytes:
    """Five 3x3 convolutions of stride 2 with ReLU, pooling and a layer of 1000 classes; seeded weights."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(SEED)
    nodes, weights, name = [], [], "image"

    def weight(label: str, *shape: int) -> str:
        values = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        weights.append(numpy_helper.from_array(values.astype(np.float32), label))
        return label

    for i, (before, after) in enumerate(pairwise(CHANNELS)):
        kernel = weight(f"w{i}", after, before, 3, 3)
        nodes.append(helper.make_node("Conv", [name, kernel], [f"c{i}"], strides=[2, 2], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [name := f"r{i}"]))
    nodes.append(helper.make_node("GlobalAveragePool", [name], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", weight("w", CLASSES, CHANNELS[-1])], ["scores"], transB=1))
    graph = helper.make_graph(
        nodes,
        "convnet6",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size[1], size[0]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())
