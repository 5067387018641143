"""`npubench convert --cut auto` as a user meets it, on a stand-in for a toolchain that refuses operators."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.cli import main
from npubench.domain.records import Failure, FailureClass, Figures, Kind, Latency, Stage
from npubench.engine import plugins
from npubench.measure.calibration import calibration_inputs, evaluation_inputs
from npubench.storage import ledger
from npubench.storage.ledger import Conversion
from npubench.tools import process
from tests.fakes import FakeBackend

RANDOM = np.random.default_rng(5)
SHAPE = (1, 3, 16, 16)
STEM = "net.rk3588.int8"


class RefusingBackend(FakeBackend):
    """Refuses operators; its simulator is ONNX Runtime with outputs that are a little off."""

    def __init__(self, *refused, off=0.001, **explained):
        super().__init__(estimated=Figures(Kind.SIMULATED, Latency(n=1, mean=7.0)))
        self.refused, self.off, self.explained = refused, off, explained
        self.asked = []
        self.data, self.compared = [], []

    def compile(self, model, target, workdir, log):
        self.asked.append(tuple(model.operators))
        self.data.append(calibration_inputs(model.fed, target.calibration))
        self.compared.append(evaluation_inputs(model.fed, target.calibration))
        for name, failure in self.explained.items():
            if name in model.operators:
                return failure
        lacking = tuple(name for name in self.refused if name in model.operators)
        if lacking:
            message = f"the stand-in has no {', '.join(lacking)}"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, lacking)
        session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
        for number, sample in enumerate(evaluation_inputs(model.fed, target.calibration)[:2]):
            for index, array in enumerate(session.run(None, sample)):
                # Tools give tensors back in a rank of their own.
                np.save(workdir / f"o-{number}-{index}.npy", array.ravel() * (1 + self.off))
        self.outputs = len(session.get_outputs())
        return super().compile(model, target, workdir, log)

    def simulated(self, workdir):
        return tuple(tuple(workdir / f"o-{n}-{i}.npy" for i in range(self.outputs)) for n in range(2))


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def write(path, nodes, outputs, weights=(), opset=17):
    stored = {"w": RANDOM.standard_normal((3, 3, 3, 3)).astype(np.float32) / 5, **dict(weights)}
    read = {name for one in nodes for name in one.input}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in stored.items() if name in read],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model, strict_mode=True), path)
    return path


CONV = node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4)
TOPK_TAIL = [CONV, node("Flatten", ["c"], ["f"]), node("TopK", ["f", "k"], ["v", "i"])]
K = {"k": np.array([4])}


@pytest.fixture
def convert(tmp_path, monkeypatch, capsys):
    def run(backend, *words, board="rk3588"):
        monkeypatch.setattr(plugins, "backend_of", lambda *_: backend)
        code = main(["convert", *map(str, words), "--board", board, "--out", str(tmp_path / "out")])
        return code, tmp_path / "out", capsys.readouterr()

    yield run
    process.reset()


def record(out, stem=STEM):
    return json.loads((out / f"{stem}.cut.json").read_text())


def test_a_tail_is_cut_joined_compared_and_timed(tmp_path, convert):
    file = write(tmp_path / "net.onnx", TOPK_TAIL, ("v", "i"), K)
    backend = RefusingBackend("TopK")
    code, out, said = convert(backend, file, "--cut", "auto")
    assert code == 0, said.err
    assert backend.asked == [("Conv", "Flatten", "TopK"), ("Conv", "Flatten")]
    assert {p.name for p in out.iterdir() if p.name.startswith("net")} == {
        f"{STEM}.{end}" for end in ("bin", "body.onnx", "tail.onnx", "cut.json")
    }
    told = record(out)
    assert told["as_is"]["failure_class"] == "unsupported_operator"
    assert (told["lacking"], told["head"], told["macs_share_on_cpu"]) == (["TopK"], None, 0.0)
    assert told["tail"]["operators"] == {"TopK": 1}
    times = told["tail"]["figures"]
    assert (times["kind"], told["body"]["figures"]["kind"]) == ("measured", "simulated")
    assert times["latency_us"]["n"] >= 64 * 3
    assert times["details"]["providers"] == ["CPUExecutionProvider"]
    assert "no sum" in told["times"]
    exact = {one["name"]: one for one in told["joined_fp32"]}
    assert exact["v"]["max_abs"] < 1e-5
    assert (exact["i"]["equal"], exact["i"]["samples"]) == (1.0, 4)
    target = {one["name"]: one for one in told["joined_target"]}
    assert target["v"]["relative_error"] == pytest.approx(0.001, rel=0.01)
    assert target["v"]["samples"] == 2
    assert "rknn on rk3588: of 1, 0 convert without --cut auto, 1 with it" in said.out
    assert "TopK cut off; tail" in said.out


def test_the_files_do_together_what_the_model_does(tmp_path, convert):
    file = write(tmp_path / "net.onnx", TOPK_TAIL, ("v", "i"), K)
    _, out, _ = convert(RefusingBackend("TopK"), file, "--cut", "auto")
    x = RANDOM.standard_normal(SHAPE).astype(np.float32)
    body, tail, whole = (
        onnxruntime.InferenceSession(str(one))
        for one in (out / f"{STEM}.body.onnx", out / f"{STEM}.tail.onnx", file)
    )
    (middle,) = body.run(None, {"x": x})
    for ours, theirs in zip(tail.run(None, {"f": middle}), whole.run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_second_run_converts_and_measures_nothing(tmp_path, convert):
    file = write(tmp_path / "net.onnx", TOPK_TAIL, ("v", "i"), K)
    backend = RefusingBackend("TopK")
    _, out, _ = convert(backend, file, "--cut", "auto")
    before, asked = record(out), list(backend.asked)
    code, out, said = convert(backend, file, "--cut", "auto")
    assert code == 0
    assert backend.asked == asked
    assert record(out) == before
    assert "0 convert without --cut auto, 1 with it" in said.out
    convert(backend, file, "--cut", "auto", "--fresh")
    assert backend.asked == asked * 2


def test_a_head_feeds_the_body_its_calibration_data(tmp_path, convert):
    nodes = [
        node("Sin", ["x"], ["s"]),
        node("Conv", ["s", "w"], ["c"], pads=[1] * 4),
        node("Relu", ["c"], ["y"]),
    ]
    file = write(tmp_path / "net.onnx", nodes, ("y",))
    values = np.arange(1, 9, dtype=np.float32) / 10
    np.save(tmp_path / "data.npy", np.ones((8, *SHAPE[1:]), np.float32) * values[:, None, None, None])
    backend = RefusingBackend("Sin")
    code, out, said = convert(backend, file, "--cut", "auto", "--calibration", tmp_path / "data.npy")
    assert code == 0, said.err
    calibrating, compared = backend.data[-1], backend.compared[-1]
    given = sorted(float(one["s"].max()) for one in (*calibrating, *compared))
    assert (len(calibrating), len(compared)) == (6, 2)
    np.testing.assert_allclose(given, np.sin(values), rtol=1e-6)
    told = record(out)
    assert told["tail"] is None
    assert told["head"]["figures"]["latency_us"]["mean"] > 0
    assert told["joined_target"][0]["relative_error"] == pytest.approx(0.001, rel=0.01)
    assert "what the head makes" in told["calibration"]


def test_a_rewrite_is_enough_where_the_table_has_one(tmp_path, convert):
    nodes = [CONV, node("HardSwish", ["c"], ["y"])]
    backend = RefusingBackend("HardSwish")
    code, out, said = convert(backend, write(tmp_path / "net.onnx", nodes, ("y",)), "--cut", "auto")
    assert code == 0, said.err
    told = record(out)
    assert [(one["name"], one["nodes"]) for one in told["rewrites"]] == [("HardSwish decomposed", 1)]
    assert (told["lacking"], told["head"], told["tail"]) == ([], None, None)
    assert told["joined_fp32"][0]["max_abs"] < 1e-5
    assert backend.asked[-1] == ("Mul", "Conv", "Add", "Clip")


def test_a_rewrite_that_makes_what_is_refused_too_is_not_tried_and_the_operator_is_cut_off(tmp_path, convert):
    nodes = [CONV, node("HardSwish", ["c"], ["h"]), node("Clip", ["h"], ["y"])]
    backend = RefusingBackend("HardSwish", "Clip")
    code, out, _ = convert(backend, write(tmp_path / "net.onnx", nodes, ("y",)), "--cut", "auto")
    assert code == 0
    assert record(out)["rewrites"] == []
    assert record(out)["tail"]["operators"] == {"HardSwish": 1, "Clip": 1}


def test_what_is_refused_one_after_another_is_cut_off_in_turn(tmp_path, convert):
    nodes = [
        CONV,
        node("Sin", ["c"], ["s"]),
        node("Flatten", ["s"], ["f"]),
        node("TopK", ["f", "k"], ["v", "i"]),
    ]

    class OneByOne(RefusingBackend):
        def compile(self, model, target, workdir, log):
            self.refused = ("TopK",) if "TopK" in model.operators else ("Sin",)
            return super().compile(model, target, workdir, log)

    backend = OneByOne()
    code, out, _ = convert(backend, write(tmp_path / "net.onnx", nodes, ("v", "i"), K), "--cut", "auto")
    assert code == 0
    assert record(out)["lacking"] == ["TopK", "Sin"]
    assert backend.asked[-1] == ("Conv",)


def test_no_cut_in_the_middle_is_a_failure_that_says_so(tmp_path, convert):
    nodes = [CONV, node("Sin", ["c"], ["s"]), node("Conv", ["s", "w"], ["y"])]
    code, out, said = convert(
        RefusingBackend("Sin"), write(tmp_path / "net.onnx", nodes, ("y",)), "--cut", "auto"
    )
    assert code == 2
    assert "the stand-in has no Sin; no cut at Sin: they stand in the middle" in said.err
    assert not list(out.glob("net*"))
    assert "0 convert without --cut auto, 0 with it" in said.out


def test_a_tail_whose_output_the_data_size_is_joined(tmp_path, convert):
    nodes = [
        CONV,
        node("Reshape", ["c", "rows"], ["r"]),
        node("Slice", ["r", "zero", "four", "last"], ["boxes"]),
        node("Slice", ["r", "four", "five", "last"], ["s"]),
        node("Transpose", ["s"], ["scores"], perm=[0, 2, 1]),
        node("NonMaxSuppression", ["boxes", "scores", "most", "overlap", "least"], ["picked"]),
    ]
    weights = {
        "rows": np.array([1, 48, 16]), "zero": np.array([0]), "four": np.array([4]), "five": np.array([5]),
        "last": np.array([2]), "most": np.array([9]), "overlap": np.float32(0.5), "least": np.float32(0),
    }  # fmt: skip
    backend = RefusingBackend("NonMaxSuppression", off=0.0)
    code, out, said = convert(
        backend, write(tmp_path / "net.onnx", nodes, ("picked",), weights), "--cut", "auto"
    )
    assert code == 0, said.err
    told = record(out)
    assert [one["name"] for one in told["tail"]["inputs"]] == ["boxes", "scores"]
    assert told["tail"]["outputs"][0]["shape"] == [-1, 3]
    assert told["joined_fp32"][0]["equal"] == 1.0


def test_where_no_operator_is_named_what_the_table_knows_of_the_backend_is_tried(tmp_path, convert):
    class NoPadding(RefusingBackend):
        def compile(self, model, target, workdir, log):
            pools = [one for one in onnx.load(model.path).graph.node if one.op_type == "MaxPool"]
            if any(a.name == "pads" for one in pools for a in one.attribute):
                self.asked.append(tuple(model.operators))
                return Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, "PADV2 cannot be quantised")
            return super().compile(model, target, workdir, log)

    pool = node("MaxPool", ["c"], ["y"], kernel_shape=[3, 3], pads=[1] * 4)
    file = write(tmp_path / "net.onnx", [CONV, pool], ("y",))
    code, out, said = convert(NoPadding(), file, "--cut", "auto", board="ethos-u55-256")
    assert code == 0, said.err
    told = record(out, "net.ethos-u55-256.int8")
    assert [one["name"] for one in told["rewrites"]] == ["padded MaxPool as Pad and MaxPool"]
    code, _, said = convert(NoPadding(), file, "--cut", "auto")
    assert code == 3, "the table knows no such restriction of rknn"


def test_a_body_that_goes_on_to_fail_fails_with_its_own_class(tmp_path, convert):
    hang = Failure(Stage.COMPILE, FailureClass.HANG, "no end after 9 s")

    class Hangs(RefusingBackend):
        def compile(self, model, target, workdir, log):
            return super().compile(model, target, workdir, log) if "TopK" in model.operators else hang

    backend = Hangs("TopK")
    code, _, said = convert(backend, write(tmp_path / "net.onnx", TOPK_TAIL, ("v", "i"), K), "--cut", "auto")
    assert code == 3
    assert "no end after 9 s" in said.err


@pytest.mark.parametrize(
    "failure_class", [FailureClass.HANG, FailureClass.TOOL_MISSING, FailureClass.OUT_OF_MEMORY]
)
def test_other_failures_are_not_operated_on(tmp_path, convert, failure_class):
    failure = Failure(Stage.COMPILE, failure_class, "not the operator's fault", ("TopK",))
    backend = RefusingBackend(TopK=failure)
    code, _, _ = convert(backend, write(tmp_path / "net.onnx", TOPK_TAIL, ("v", "i"), K), "--cut", "auto")
    assert code == 3
    assert len(backend.asked) == 1


def test_an_operator_that_the_model_does_not_have_ends_it(tmp_path, convert):
    """Tools name operators of their own making, which no cut can take away."""
    failure = Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, "no exOwn", ("exOwn",))
    backend = RefusingBackend(Conv=failure)
    code, _, said = convert(backend, write(tmp_path / "net.onnx", TOPK_TAIL, ("v", "i"), K), "--cut", "auto")
    assert (code, len(backend.asked)) == (2, 1)
    assert "no exOwn" in said.err


def test_a_case_that_converts_as_it_is_gets_no_record(tmp_path, convert):
    code, out, said = convert(
        RefusingBackend(), write(tmp_path / "net.onnx", [CONV], ("c",)), "--cut", "auto"
    )
    assert code == 0
    assert not (out / f"{STEM}.cut.json").exists()
    assert "of 1, 1 convert without --cut auto, 1 with it" in said.out


def test_without_the_option_nothing_is_cut(tmp_path, convert):
    backend = RefusingBackend("TopK")
    code, _, said = convert(backend, write(tmp_path / "net.onnx", TOPK_TAIL, ("v", "i"), K))
    assert (code, len(backend.asked)) == (2, 1)
    assert "the stand-in has no TopK" in said.err


def test_a_tail_that_onnx_runtime_cannot_run_is_a_failure(tmp_path, convert):
    file = write(tmp_path / "net.onnx", [CONV, node("Sin", ["c"], ["m"]), node("Relu", ["m"], ["y"])], ("y",))
    model = onnx.load(file)
    model.graph.node[1].op_type, model.graph.node[1].domain = "MyOp", "my"
    model.opset_import.append(helper.make_opsetid("my", 1))
    onnx.save(model, file)
    code, _, said = convert(RefusingBackend("my.MyOp"), file, "--cut", "auto")
    assert code == 2
    assert "MyOp" in said.err
    assert "Traceback" not in said.err


def test_surgery_that_changes_outputs_is_refused(tmp_path, convert, monkeypatch):
    from npubench.graph.surgery import rewrites, state

    def wrong(one, view):
        return [helper.make_node("Neg", one.input, one.output)] if one.op_type == "Sin" else None

    entry = replace(rewrites.REWRITES[0], name="wrong", replaces="Sin", makes=("Neg",), rewriting=wrong)
    monkeypatch.setattr(state, "REWRITES", (entry,))
    file = write(tmp_path / "net.onnx", [CONV, node("Sin", ["c"], ["y"])], ("y",))
    code, _, said = convert(RefusingBackend("Sin"), file, "--cut", "auto")
    assert code == 3
    assert "surgery changed output 'y'" in said.err


def test_what_became_of_each_case_is_kept_over_several_calls(tmp_path, convert):
    cut = write(tmp_path / "cut.onnx", TOPK_TAIL, ("v", "i"), K)
    plain = write(tmp_path / "plain.onnx", [CONV], ("c",))
    _, out, _ = convert(RefusingBackend("TopK"), cut, "--cut", "auto")
    convert(RefusingBackend("TopK", "Conv"), plain, "--cut", "auto")
    missing = Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, "nobody asked the tool")
    convert(
        RefusingBackend(Sin=missing),
        write(tmp_path / "m.onnx", [node("Sin", "x", "y")], "y"),
        "--cut",
        "auto",
    )
    refused = "unsupported_operator"
    found = [replace(one, backend="") for one in ledger.read_conversions(out)]
    assert found[0].joined_fp32 == pytest.approx(1.0)
    found[0] = replace(found[0], joined_fp32=None, joined_target=None)
    assert found == [
        Conversion("cut", "", "rk3588", "int8", refused, "", ("TopK",)),
        Conversion("plain", "", "rk3588", "int8", refused, refused, ("Conv",)),
    ]
