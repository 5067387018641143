"""Decode, scale, run a model, frame by frame, as a camera application does; in the worker."""

import hashlib
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from npubench.benchmarks.codec.worker_frames import (
    Budget,
    decoded,
    decoder,
    filter_graph,
    packets,
    rounds,
    told_of,
)

CHANNELS = (3, 16, 32, 64, 128, 256)
CLASSES = 1000
SEED = 0


def pipeline(job: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's fields are those that `pyav` makes a `Found` of; `more` has the steps' times."""
    told = told_of(decoded(packets(Path(job["input"]), job["codec"]), job["codec"]))
    session, model = _model(job)
    steps = {"decode": 0.0, "preprocess": 0.0, "model": 0.0}
    times = rounds(job, lambda: partial(_one_round, job, session, steps))
    done = max(1, sum(times["round_frames"]))
    means = {f"{name}_us": total / done for name, total in steps.items()}
    return {**told, **times, "more": {**means, **model}}


def _one_round(
    job: Mapping[str, Any], session: Any, steps: dict[str, float], budget: Budget
) -> tuple[list[float], int]:
    """Microseconds from a packet's way in to its scores, and the packets that were sent."""
    stream = packets(Path(job["input"]), job["codec"])
    context = decoder(job["codec"], job["threads"])
    chain = job["filters"].format(exact="")
    graph = filter_graph(chain, width=job["width"], height=job["height"], format="yuv420p")
    samples: list[float] = []
    under_way: deque[int] = deque()
    sent = 0

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
