"""A run over 20 of one's own .onnx files against a bare script with the same quantiser and session calls.

What is compared is processor time, of all processes together: it does not depend on who else is at work.
Both quantise with the same settings and samples, open the same sessions (FP32, INT8, FP32 as the reference,
INT8 without optimisation, one in the profiler for each precision) and run each as often. The bare script is
one process that imports everything once; what npubench does besides is the difference.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FILES = 20
ROUNDS = 3
BARE = """
import sys, tempfile
from pathlib import Path
import numpy as np
import onnxruntime
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

CPU = ["CPUExecutionProvider"]
U8S7 = sys.argv[1] == "u8s7"
SIGNED = sys.argv[1].startswith("s8")


class Reader:
    def __init__(self, samples):
        self.left = iter(samples)

    def get_next(self):
        return next(self.left, None)


def session(path, optimised=True, profile=None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile / "profile")
        options.optimized_model_filepath = str(profile / "optimised.onnx")
        entry = "session.optimized_model_external_initializers_"
        options.add_session_config_entry(entry + "file_name", "optimised.bin")
        options.add_session_config_entry(entry + "min_size_in_bytes", "1024")
    return onnxruntime.InferenceSession(str(path), options, providers=CPU)


def profiled(path, sample, scratch):
    made = session(path, profile=scratch)
    made.run(None, sample)
    made.end_profiling()


for name in sys.argv[2:]:
    random = np.random.default_rng(0)
    draw = lambda: {"x": random.standard_normal((1, 3, 32, 32), dtype=np.float32)}
    calibration, evaluation = [draw() for _ in range(8)], [draw() for _ in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        prepared, int8 = scratch / "prepared.onnx", scratch / "int8.onnx"
        quant_pre_process(name, str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(int8), Reader(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
            reduce_range=U8S7, weight_type=QuantType.QInt8,
            activation_type=QuantType.QInt8 if SIGNED else QuantType.QUInt8,
        )
        float32 = session(name)
        float32.run(None, evaluation[0])
        profiled(name, evaluation[0], scratch)
        quantised, reference, plain = session(int8), session(name), session(int8, optimised=False)
        quantised.run(None, evaluation[0])
        for one in (quantised, reference, plain):
            for sample in evaluation:
                one.run(None, sample)
        profiled(int8, evaluation[0], scratch)
"""


def main() -> None:
    from npubench.backends.onnxruntime.processors import this_processor

    with tempfile.TemporaryDirectory() as folder:
        files = [_model(Path(folder) / f"net{number}.onnx", number) for number in range(FILES)]
        quick = [
            "--warmup",
            "0",
            "--repeat",
            "1",
            "--min-duration",
            "0",
            "--rounds",
            "1",
            "--fresh",
            "--quiet",
        ]
        run = [sys.executable, "-m", "npubench", "run", "--board", "local", *quick]
        ours = [*run, "--out", str(Path(folder) / "out"), *files]
        bare = [sys.executable, "-c", BARE, this_processor()[0].code, *files]
        seconds = [(_processor_s(ours), _processor_s(bare)) for _ in range(ROUNDS)]
    print(
        f"processor time of {FILES} files of one's own, in both precisions (bound: at most 0.3 s a file more)"
    )
    for name, column in zip(
        ("npubench run", "the same calls in one bare script"), zip(*seconds, strict=True), strict=True
    ):
        least, middle, most = (
            f"{value / FILES:.3f}" for value in (min(column), statistics.median(column), max(column))
        )
        print(f"  {name:<44} min {least}  median {middle}  max {most} s a file")
    more = statistics.median(one - other for one, other in seconds) / FILES
    print(f"  difference {more:+.3f} s a file (median of {ROUNDS} pairs)\n")


def _processor_s(argv: list[str]) -> float:
    """User and system seconds of a process and of all that it waited for."""
    before = os.times()
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _model(path: Path, seed: int) -> str:
    """Four convolutions of 3x3 on 32x32 pixels and a classifier: what a small network of one's own is."""
    random, nodes, weights, last = np.random.default_rng(seed), [], [], "x"
    for at, (read, made) in enumerate(((3, 16), (16, 32), (32, 32), (32, 64))):
        values = random.standard_normal((made, read, 3, 3)) * (2 / (9 * read)) ** 0.5
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{at}"))
        nodes.append(helper.make_node("Conv", [last, f"w{at}"], [f"c{at}"], name=f"c{at}", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{at}"], [f"r{at}"], name=f"r{at}"))
        last = f"r{at}"
    values = random.standard_normal((64, 10)).astype(np.float32)
    weights.append(numpy_helper.from_array(values, "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["p"], name="p"),
        helper.make_node("Flatten", ["p"], ["f"], name="f"),
        helper.make_node("Gemm", ["f", "head"], ["y"], name="y"),
    ]
    ends = [
        helper.make_tensor_value_info(*one)
        for one in (("x", TensorProto.FLOAT, [1, 3, 32, 32]), ("y", TensorProto.FLOAT, [1, 10]))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return str(path)


if __name__ == "__main__":
    main()
