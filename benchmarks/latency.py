"""The p50 that npubench reports against a bare ONNX Runtime loop on the same model.

Each round is a process of its own on either side, in turn, so that both meet the same machine.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

BARE_LOOP = """
import sys, time, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
x = {"x": numpy.random.default_rng(0).standard_normal((1, 64, 56, 56)).astype("float32")}
end = time.perf_counter() + 1.0
while time.perf_counter() < end:
    session.run(None, x)
times = []
end = time.perf_counter() + 3.0
while time.perf_counter() < end:
    start = time.perf_counter_ns()
    session.run(None, x)
    times.append(time.perf_counter_ns() - start)
print(sorted(times)[len(times) // 2] / 1000)
"""
ROUNDS = 7


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "conv3x3.onnx"
        _save_model(model)
        pairs = [(_npubench_us(model, Path(folder) / str(i)), _bare_us(model)) for i in range(ROUNDS)]
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print("reported latency (bound: p50 within 2 %)")
    print(f"  npubench run             median p50 {ours:9.1f} us")
    print(f"  bare ONNX Runtime loop   median p50 {bare:9.1f} us")
    print(f"  ratio {ratio:.4f} (median of {ROUNDS} pairs: {', '.join(f'{a / b:.4f}' for a, b in pairs)})\n")


def _npubench_us(model: Path, out: Path) -> float:
    npubench = [sys.executable, "-m", "npubench"]
    run = ["run", "--board", "local", "--precision", "fp32", "--quiet", "--out", str(out), str(model)]
    subprocess.run([*npubench, *run], check=True, stdout=subprocess.DEVNULL)
    shown = subprocess.run(
        [*npubench, "results", "--json", "--out", str(out)], check=True, capture_output=True, text=True
    )
    (row,) = json.loads(shown.stdout)
    return float(row["latency_us"]["p50"])


def _bare_us(model: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", BARE_LOOP, str(model)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def _save_model(path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array((rng.standard_normal((64, 64, 3, 3)) / 24).astype(np.float32), f"w{i}")
        for i in range(4)
    ]
    nodes = [
        helper.make_node("Conv", [f"t{i}" if i else "x", f"w{i}"], [f"t{i + 1}"], pads=[1, 1, 1, 1])
        for i in range(4)
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64, 56, 56])
    y = helper.make_tensor_value_info("t4", TensorProto.FLOAT, [1, 64, 56, 56])
    graph = helper.make_graph(nodes, "conv3x3", [x], [y], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


if __name__ == "__main__":
    main()
