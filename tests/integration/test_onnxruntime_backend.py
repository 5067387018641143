"""The reference backend with the real ONNX Runtime, on models made here."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.backends.onnxruntime import backend, worker
from npubench.backends.onnxruntime.backend import OnnxRuntimeBackend
from npubench.boards.local import LocalSession
from npubench.domain.records import Artifact, Failure, FailureClass, Figures, Kind, NoAccuracy
from npubench.domain.specs import CalibrationSpec, Precision, Target, TimingProtocol
from npubench.graph.read import describe
from npubench.measure.outputs import similarity, top1_agreement
from npubench.storage.hashing import sha256_of_file
from npubench.storage.json import encode
from npubench.tools import process

QUICK = TimingProtocol(warmup=1, warmup_min_s=0.0, warmup_max_s=0.1, repeat=64, min_duration_s=0.05, rounds=2)
BACKEND = OnnxRuntimeBackend()


def save(path: Path, nodes, inputs, outputs, weights=(), opset=13, **more) -> Path:
    values = [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs]
    results = [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs]
    graph = helper.make_graph(nodes, "g", values, results, weights)
    opsets = [helper.make_opsetid("", opset), *more.get("opsets", [])]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def classifier(folder: Path):
    rng = np.random.default_rng(0)
    conv = numpy_helper.from_array((rng.standard_normal((8, 3, 3, 3)) / 5).astype(np.float32), "w")
    head = numpy_helper.from_array((rng.standard_normal((8, 10)) / 3).astype(np.float32), "h")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "h"], ["y"]),
    ]
    x, y = ("x", TensorProto.FLOAT, [1, 3, 16, 16]), ("y", TensorProto.FLOAT, [1, 10])
    return describe(save(folder / "model.onnx", nodes, [x], [y], [conv, head]), "net", task="classification")


def compile_(model, folder: Path, precision=Precision.INT8, deadline_s=120.0, **calibration):
    work = folder / f"work-{precision}-{time.monotonic_ns()}"
    work.mkdir()
    target = Target("host", precision, {}, CalibrationSpec(**calibration), deadline_s)
    return BACKEND.compile(model, target, work, folder / "log")


def measure(artifact: Artifact, folder: Path, deadline_s=120.0):
    return BACKEND.measure(artifact, LocalSession(), QUICK, deadline_s, folder / "log")


def test_fp32_is_the_very_model_and_every_run_is_kept(tmp_path):
    model = classifier(tmp_path)
    artifact = compile_(model, tmp_path, Precision.FP32)
    assert artifact.sha256 == model.sha256
    figures = measure(artifact, tmp_path)
    assert isinstance(figures, Figures)
    assert figures.kind is Kind.MEASURED
    assert figures.artifact_sha256 == artifact.sha256
    assert [len(one) >= 64 for one in figures.samples_us] == [True, True]
    assert sum(sum(one) for one in figures.samples_us) >= 50_000
    assert figures.latency_us.n == sum(len(one) for one in figures.samples_us)
    assert figures.latency_us.p90 is not None
    assert figures.load_us > 0
    assert figures.accuracy is None
    assert figures.details["providers"] == ["CPUExecutionProvider"]
    assert '"load_us"' in (tmp_path / "log").read_text()


def test_int8_is_quantised_deterministic_and_compared_with_fp32(tmp_path):
    import onnx

    model = classifier(tmp_path)
    artifact, again = compile_(model, tmp_path), compile_(model, tmp_path)
    assert artifact.sha256 == again.sha256 != model.sha256
    graph = onnx.load(artifact.path).graph
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in graph.node}
    per_channel = [t for t in graph.initializer if t.name.startswith("w_") and t.name.endswith("scale")]
    assert [list(t.dims) for t in per_channel] == [[8]]
    assert artifact.settings["per_channel"] is True
    figures = measure(artifact, tmp_path)
    assert figures.accuracy.cosine > 0.99
    assert figures.accuracy.psnr_db > 20
    assert figures.accuracy.max_abs > 0
    assert 0 <= figures.accuracy.top1_agreement <= 1
    assert figures.accuracy.samples == 8


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_a_profile_apart_tells_layers_that_add_up_and_hold_all_nodes(tmp_path, precision):
    figures = measure(compile_(classifier(tmp_path), tmp_path, precision), tmp_path)
    assert (figures.layers.adds_up, figures.layers.kind, figures.no_layers) == (True, Kind.MEASURED, "")
    # Nodes without names are called by what they write.
    assert [name for one in figures.layers.layers for name in one.nodes] == ["c", "r", "p", "f", "y"]
    assert sum(one.graph_macs or 0 for one in figures.layers.layers) == 8 * 3 * 9 * 14 * 14 + 80
    assert figures.latency_us.n == sum(len(one) for one in figures.samples_us)


def test_what_keeps_the_profile_from_being_told_is_told_and_no_failure(tmp_path, capsys):
    job = {"scratch": str(tmp_path / "gone"), "threads": 1}
    model = classifier(tmp_path)
    feeds = {"x": np.zeros((1, 3, 16, 16), np.float32)}
    assert worker.profile(model.path, feeds, job).startswith("ONNX Runtime's profile tells nothing: ")
    found = worker.read_profile({**job, "model": str(model.path), "fed": encode(model.fed)})
    assert (found["layers"], found["computed"]) == (None, None)
    assert found["no_layers"].startswith("ONNX Runtime's profile tells nothing: ValueError")
    assert "Traceback" in capsys.readouterr().err


def test_a_row_says_why_it_has_no_layers(tmp_path, monkeypatch):
    artifact = compile_(classifier(tmp_path), tmp_path, Precision.FP32)
    ends = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(
        backend, "_on_files", lambda _, limit_s, log: process.run(ends, timeout_s=limit_s, log=log)
    )
    figures = measure(artifact, tmp_path)
    assert (figures.layers, figures.computed) == (None, None)
    assert "ended with code 3" in figures.no_layers
    assert figures.latency_us.n >= 128


def test_calibration_data_decide_the_artifact(tmp_path):
    model = classifier(tmp_path)
    np.save(tmp_path / "wide.npy", np.full((1, 3, 16, 16), 50, np.float32))
    assert compile_(model, tmp_path).sha256 != compile_(model, tmp_path, path=tmp_path / "wide.npy").sha256


def test_calibration_data_that_do_not_fit_are_a_failure(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1, 3, 5, 5), np.float32))
    failure = compile_(classifier(tmp_path), tmp_path, path=tmp_path / "a.npy")
    assert failure.failure_class is FailureClass.INVALID_CALIBRATION
    assert "wants 1x3x16x16" in failure.message


def one_node(folder: Path, op: str, shape, out, **more):
    x, y = ("x", TensorProto.FLOAT, shape), ("y", TensorProto.FLOAT, out)
    node = helper.make_node(op, ["x"], ["y"], **more.pop("attributes", {}))
    return describe(save(folder / "model.onnx", [node], [x], [y], **more), op)


def test_an_operator_that_follows_its_input_is_quantised_when_alone(tmp_path):
    model = one_node(tmp_path, "Transpose", [1, 2, 3], [1, 3, 2], attributes={"perm": [0, 2, 1]})
    artifact = compile_(model, tmp_path)
    assert artifact.settings["forced"] is True
    assert measure(artifact, tmp_path).accuracy.cosine > 0.99


def test_an_operator_that_cannot_be_quantised_is_named(tmp_path):
    failure = compile_(one_node(tmp_path, "Erf", [1, 3], [1, 3]), tmp_path)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("Erf",)


def test_an_operator_that_the_runtime_does_not_know_is_named(tmp_path):
    node = helper.make_node("Magic", ["x"], ["y"], domain="my.own")
    x, y = ("x", TensorProto.FLOAT, [1, 3]), ("y", TensorProto.FLOAT, [1, 3])
    opsets = [helper.make_opsetid("my.own", 1)]
    model = describe(save(tmp_path / "model.onnx", [node], [x], [y], opsets=opsets), "magic")
    failure = measure(compile_(model, tmp_path, Precision.FP32), tmp_path)
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators[0].endswith("Magic")
    assert str(tmp_path) not in failure.message
    assert "\n" not in failure.message


def test_an_old_opset_is_raised_so_that_weights_can_be_quantised_per_channel(tmp_path):
    weights = numpy_helper.from_array(np.random.default_rng(0).standard_normal((4, 3, 3, 3), np.float32), "w")
    ones = numpy_helper.from_array(np.ones(4, np.float32), "one")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "one", "one", "one", "one"], ["y"]),
    ]
    x, y = ("x", TensorProto.FLOAT, [1, 3, 8, 8]), ("y", TensorProto.FLOAT, [1, 4, 6, 6])
    model = describe(save(tmp_path / "model.onnx", nodes, [x], [y], [weights, ones], opset=7), "old")
    artifact = compile_(model, tmp_path)
    assert artifact.settings["converted_from_opset"] == 7
    assert measure(artifact, tmp_path).accuracy.cosine > 0.99


def test_more_memory_than_there_is_is_asked_for_in_bytes(tmp_path):
    sizes = numpy_helper.from_array(np.array([400_000, 400_000]), "s")
    node = helper.make_node("Expand", ["x", "s"], ["y"])
    x, y = ("x", TensorProto.FLOAT, [1, 1]), ("y", TensorProto.FLOAT, [400_000, 400_000])
    model = describe(save(tmp_path / "model.onnx", [node], [x], [y], [sizes]), "huge")
    failure = measure(compile_(model, tmp_path, Precision.FP32), tmp_path)
    assert failure.failure_class is FailureClass.OUT_OF_MEMORY
    assert "640,000,000,000 bytes" in failure.message


def endless(folder: Path):
    """A loop of 2^62 turns: a graph that never ends."""
    trips = numpy_helper.from_array(np.array(2**62, np.int64), "trips")
    go_on = numpy_helper.from_array(np.array(True), "go_on")
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Identity", ["v"], ["v2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [1, 3]),
        ],
        [
            helper.make_tensor_value_info("c2", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v2", TensorProto.FLOAT, [1, 3]),
        ],
    )
    node = helper.make_node("Loop", ["trips", "go_on", "x"], ["y"], body=body)
    x, y = ("x", TensorProto.FLOAT, [1, 3]), ("y", TensorProto.FLOAT, [1, 3])
    return describe(save(folder / "model.onnx", [node], [x], [y], [trips, go_on]), "endless")


def test_a_model_that_hangs_ends_at_its_deadline(tmp_path):
    model = endless(tmp_path)
    failure = measure(compile_(model, tmp_path, Precision.FP32), tmp_path, deadline_s=4)
    assert failure.failure_class is FailureClass.HANG
    assert "--deadline" in failure.message


def test_the_artifact_that_was_run_is_the_one_reported(tmp_path):
    from dataclasses import replace

    from npubench.domain.errors import BoardError

    artifact = compile_(classifier(tmp_path), tmp_path, Precision.FP32)
    other = classifier(tmp_path)
    path = tmp_path / "other.onnx"
    path.write_bytes(other.path.read_bytes() + b"")
    figures = measure(replace(artifact, path=path), tmp_path)
    assert figures.artifact_sha256 == sha256_of_file(path)
    with pytest.raises(BoardError, match="is not the file"):
        LocalSession().put(path, "0" * 64)


def test_similarity_knows_its_borders():
    a = [[np.array([1.0, 2.0, 3.0])]]
    same = similarity(a, a).figures
    assert (same["cosine"], same["psnr_db"], same["max_abs"]) == (1.0, None, 0.0)
    opposite = similarity(a, [[-a[0][0]]]).figures
    assert opposite["cosine"] == pytest.approx(-1.0)
    known = similarity([[np.array([0.0, 10.0])]], [[np.array([0.0, 9.0])]]).figures
    assert known["psnr_db"] == pytest.approx(10 * np.log10(81 / 0.5))
    huge = similarity([[np.array([1e200, 1.0])]], [[np.array([-1e200, 1.0])]])
    assert (huge.figures, huge.no_accuracy) == (None, NoAccuracy.NOT_COMPARED)
    assert "squares" in huge.why


def test_large_outputs_are_compared_in_pieces_as_if_whole():
    random = np.random.default_rng(0)
    theirs = [random.standard_normal((3, 50_000)), random.standard_normal((7, 11))]
    ours = [one + random.standard_normal(one.shape) / 10 for one in theirs]
    a, b = (np.concatenate([one.ravel() for one in side]) for side in (ours, theirs))
    found = similarity([[one] for one in ours], [[one] for one in theirs]).figures
    assert found["cosine"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-12)
    assert found["max_abs"] == np.abs(a - b).max()
    peak = b.max() - b.min()
    assert found["psnr_db"] == pytest.approx(10 * np.log10(peak**2 / np.mean((a - b) ** 2)), rel=1e-12)
    ours[0] = ours[0][:, :-1]
    assert similarity([[one] for one in ours], [[one] for one in theirs]).figures is None


def test_of_several_outputs_the_worst_counts():
    big, small = np.array([100.0, 200.0]), np.array([1.0, 2.0])
    found = similarity([[big, -small]], [[big, small]]).figures
    assert (found["cosine"], found["max_abs"]) == (pytest.approx(-1.0), 4.0)
    assert found["psnr_db"] == pytest.approx(10 * np.log10(1 / 10))
    # An output that is all zero has no cosine, and that of the others is not its.
    assert similarity([[big, 0 * small]], [[big, small]]).figures["cosine"] is None
    assert similarity([[big]], [[big, small]]).figures is None


def test_whole_numbers_are_equal_or_not_and_never_near():
    values, indices = np.array([3.0, 2.0]), np.array([7, 100, 3, 4])
    # As tools do that know floats only.
    near = np.array([8.0, 100.0, 3.0, 5.0], np.float32)
    found = similarity([[values, near]], [[values, indices]], [[values, indices[::-1]]]).figures
    assert (found["cosine"], found["max_abs"]) == (1.0, 0.0)
    assert (found["equal"], found["equal_rounded"]) == (0.5, 0.0)
    alone = similarity([[near]], [[indices]]).figures
    assert (alone["cosine"], alone["max_abs"], alone["equal"]) == (None, None, 0.5)
    assert alone["equal_rounded"] is None
    assert similarity([[values]], [[values]]).figures["equal"] is None


def test_whole_numbers_that_are_missing_or_too_many_are_not_equal():
    chosen = np.array([[0, 0, 5], [0, 0, 9]])
    assert similarity([[chosen[:1]]], [[chosen]]).figures["equal"] == 0.5
    assert similarity([[chosen]], [[chosen[:1]]]).figures["equal"] == 0.5
    assert similarity([[chosen[:0]]], [[chosen[:0]]]).figures is None


def test_of_several_outputs_of_whole_numbers_the_worst_counts():
    right, wrong = np.arange(100), np.arange(2)
    assert similarity([[right, wrong + 1]], [[right, wrong]]).figures["equal"] == 0.0


def test_an_arg_max_is_judged_by_the_share_that_is_equal(tmp_path):
    nodes = [helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)]
    x, y = ("x", TensorProto.FLOAT, [1, 64, 8, 8]), ("y", TensorProto.INT64, [1, 8, 8])
    model = describe(save(tmp_path / "argmax.onnx", nodes, [x], [y]), "argmax")
    figures = measure(compile_(model, tmp_path), tmp_path)
    accuracy = figures.accuracy
    assert accuracy.cosine is None
    assert accuracy.max_abs is None
    # Of 64 normal numbers the greatest two are now and then nearer than a step, and mostly are not.
    assert 0.8 < accuracy.equal_rounded < 1
    assert 0.8 < accuracy.equal < 1


def softmax_over(classes, folder: Path, more=(), output="y"):
    nodes = [helper.make_node("Softmax", ["x"], ["y"], axis=1), *more]
    x, y = ("x", TensorProto.FLOAT, [1, classes]), (output, TensorProto.FLOAT, [1, classes])
    return describe(save(folder / "softmax.onnx", nodes, [x], [y]), "softmax")


@pytest.mark.parametrize("more", [{}, {"more": [helper.make_node("Relu", ["y"], ["z"])], "output": "z"}])
def test_softmax_over_a_thousand_classes_has_the_range_of_its_data(tmp_path, more):
    artifact = compile_(softmax_over(1000, tmp_path, **more), tmp_path)
    least, most = artifact.settings["softmax_ranges"]["y"]
    # With ONNX Runtime's own range of 0 to 1 the step is 1/255, and the cosine 0.86.
    assert (least, 0.01 < most < 0.1) == (0.0, True)
    assert measure(artifact, tmp_path).accuracy.cosine > 0.99


def test_softmax_that_reaches_1_keeps_the_range_that_it_has(tmp_path):
    assert compile_(softmax_over(1, tmp_path), tmp_path).settings["softmax_ranges"] == {}


def test_top1_agreement_counts_rows():
    ours = [[np.array([[1.0, 0.0]])], [np.array([[1.0, 0.0]])]]
    theirs = [[np.array([[2.0, 1.0]])], [np.array([[1.0, 2.0]])]]
    assert top1_agreement(ours, theirs) == 0.5
    assert top1_agreement([[np.zeros(3)]], [[np.zeros(3)]]) is None


def test_int8_says_for_which_processor_and_in_what_it_was_computed(tmp_path):
    artifact = compile_(classifier(tmp_path), tmp_path)
    assert artifact.settings["processor"]
    assert artifact.settings["processor_flags"] == " ".join(LocalSession().facts().cpu_flags)
    figures = measure(artifact, tmp_path)
    assert figures.computed.macs.integer + figures.computed.macs.floating == 1.0
    kernels = figures.accuracy.kernels
    assert abs(kernels.fused_cosine - kernels.unoptimised_cosine) < 0.005


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_a_convolution_of_bfloat16_is_unsupported_in_the_runtimes_own_words(tmp_path, precision):
    weight = helper.make_tensor("w", TensorProto.BFLOAT16, [2, 3, 3, 3], [0.5] * 54)
    ends = [("x", TensorProto.BFLOAT16, [1, 3, 8, 8])], [("y", TensorProto.BFLOAT16, [1, 2, 6, 6])]
    path = save(
        tmp_path / "bf16.onnx", [helper.make_node("Conv", ["x", "w"], ["y"])], *ends, [weight], opset=22
    )
    found = compile_(describe(path, "bf16"), tmp_path, precision)
    failure = found if isinstance(found, Failure) else measure(found, tmp_path)
    assert (failure.failure_class, failure.operators) == (FailureClass.UNSUPPORTED_OPERATOR, ("Conv",))
    assert failure.message.startswith("Could not find an implementation for Conv(22)")


def read_twice(folder: Path, form: str):
    """A convolution whose negative numbers a Relu or Clip cuts off, and that is an output or read by a subgraph."""
    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((8, 3, 3, 3), np.float32), "w")
    six = [numpy_helper.from_array(np.float32(value), name) for name, value in (("lo", 0), ("hi", 6))]
    clip = form == "Clip"
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Clip" if clip else "Relu", ["c", "lo", "hi"] if clip else ["c"], ["y"]),
    ]
    inputs, second = [("x", TensorProto.FLOAT, [1, 3, 16, 16])], "c"
    if form == "subgraph":
        out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [1, 8, 14, 14])
        branch = helper.make_graph([helper.make_node("Neg", ["c"], ["o"])], "b", [], [out])
        nodes.append(helper.make_node("If", ["k"], ["z"], then_branch=branch, else_branch=branch))
        inputs, second = [*inputs, ("k", TensorProto.BOOL, [1])], "z"
    outputs = [(name, TensorProto.FLOAT, [1, 8, 14, 14]) for name in (second, "y")]
    return describe(save(folder / "m.onnx", nodes, inputs, outputs, [weight, *six]), "m")


@pytest.mark.parametrize("form", ["Relu", "Clip", "subgraph"])
def test_what_a_relu_cuts_off_stays_where_something_else_reads_it(tmp_path, form):
    artifact = compile_(read_twice(tmp_path, form), tmp_path)
    least, most = artifact.settings["shared_ranges"]["c"]
    assert least < 0 < most
    # With the range that the Relu gives, the cosine is 0.7.
    assert measure(artifact, tmp_path).accuracy.cosine > 0.999


@pytest.mark.parametrize("kind", ["BFLOAT16", "FLOAT8E4M3FN"])
def test_outputs_of_types_that_numpy_lacks_are_quantised_towards(tmp_path, kind):
    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((4, 3, 1, 1), np.float32), "w")
    element = TensorProto.DataType.Value(kind)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Cast", ["c"], ["y"], to=element)]
    x, y = ("x", TensorProto.FLOAT, [1, 3, 8, 8]), ("y", element, [1, 4, 8, 8])
    model = describe(save(tmp_path / "m.onnx", nodes, [x], [y], [weight], opset=19), "m")
    assert measure(compile_(model, tmp_path), tmp_path).accuracy.cosine > 0.99


def test_a_table_in_half_precision_is_quantised_at_opsets_without_such_scales(tmp_path):
    rng = np.random.default_rng(0)
    table = numpy_helper.from_array(rng.standard_normal((300, 8)).astype(np.float16), "t")
    weight = numpy_helper.from_array(rng.standard_normal((8, 4)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Gather", ["t", "x"], ["e"]),
        helper.make_node("Cast", ["e"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    x, y = ("x", TensorProto.INT64, [1, 7]), ("y", TensorProto.FLOAT, [1, 7, 4])
    model = describe(save(tmp_path / "m.onnx", nodes, [x], [y], [table, weight]), "m")
    assert measure(compile_(model, tmp_path), tmp_path).accuracy.cosine > 0.99
