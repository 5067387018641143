"""`npubench predict --board`: answers, refusals and mistakes, as a user meets them."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from npubench.cli import main
from npubench.predict.calibration import read


def _model(path, operator="Relu", side=56):
    """A convolution of 64 channels, 56 x 56, and an operator behind it."""
    weights = numpy_helper.from_array(np.zeros((64, 64, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node(operator, ["c"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64, side, side])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    save(model, path)
    return path


@dataclass(frozen=True)
class Said:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self):
        return self.stdout + self.stderr


@pytest.fixture
def predict(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder that has nothing of this account."""
    monkeypatch.setenv("NPUBENCH_OUT", str(tmp_path / "out"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main(["predict", *map(str, words)])
        said = capsys.readouterr()
        return Said(int(code), said.out, said.err)

    return run


@pytest.fixture
def model(tmp_path):
    return _model(tmp_path / "m.onnx")


def test_answer_with_band_basis_costs_and_hashes(tmp_path, predict, model):
    found = predict("--board", "axera-pi", model, "--json")
    assert found.exit_code == 0, found.output
    (record,) = json.loads(found.stdout)
    assert (record["kind"], record["unit"], record["basis"]) == ("predicted", "ms", "known family")
    assert record["low"] < record["value"] < record["high"]
    assert sum(record["costs"].values()) == pytest.approx(1)
    assert len(record["data_sha256"]) == len(record["calibration_sha256"]) == 64
    assert record["older_data"] == ""
    text = predict("--board", "axera-pi", model).stdout
    assert (
        f"{record['value']:.4g} ms predicted, 90 % band {record['low']:.4g} to {record['high']:.4g} ms"
        in text
    )


def test_refusal_names_operator_share_and_command_and_no_number(tmp_path, predict):
    model = _model(tmp_path / "soft.onnx", "Softmax")
    found = predict("--board", "axera-pi", model, "--json")
    assert found.exit_code == 3
    (record,) = json.loads(found.stdout)
    assert [*record["lacking"]] == ["Softmax"]
    assert 0.05 < record["lacking"]["Softmax"] < 1
    assert "value" not in record
    assert record["command"].startswith("npubench predict --board axera-pi --simulated-qps QPS")
    text = predict("--board", "axera-pi", model)
    assert (text.exit_code, "no prediction" in text.stdout) == (3, True)
    told = predict("--board", "axera-pi", "--simulated-qps", "300", model)
    assert told.exit_code == 0
    assert "rests on: compiler's qps" in told.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--board", "axera-pie", "m.onnx"), "no board is called 'axera-pie'"),
        (("--board", "rk3588", "m.onnx"), "has no calibration: npubench predict --fit --board rk3588"),
        (("--board", "axera-pi", "absent.onnx"), "no such file"),
        (("--board", "axera-pi", "resnet18"), "npubench export resnet18"),
        (("--board", "axera-pi"), "name the .onnx files"),
        (("--board", "axera-pi", "bad.onnx"), "not an ONNX model"),
        (("--board", "axera-pi", "--precision", "fp32", "m.onnx"), "calibrated for int8, not for fp32"),
        (("--board", "axera-pi", "--calibration", "absent.toml", "m.onnx"), "No such file"),
        (("--board", "axera-pi", "--simulated-qps", "9", "m.onnx", "m.onnx"), "name one"),
        (("--board", "axera-pi", "--published", "m.onnx"), "go with --fit"),
        (("--fit",), "say where: --board B"),
        (("m.onnx",), "say where: --board B"),
        (("--fit", "--published", "--board", "rk3588"), "no published table calibrates rk3588"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, predict, model, words, told):
    (tmp_path / "bad.onnx").write_text("no model")
    found = predict(*words)
    assert found.exit_code == 2
    assert told in found.output
    assert "Traceback" not in found.output


def test_a_broken_file_among_others_leaves_their_answers(tmp_path, predict, model):
    (tmp_path / "bad.onnx").write_text("no model")
    found = predict("--board", "axera-pi", tmp_path / "bad.onnx", model, "--json")
    assert found.exit_code == 2
    assert [one["model"] for one in json.loads(found.stdout)] == [str(model)]


def test_published_fit_is_the_shipped_one_and_the_users_own_comes_first(tmp_path, predict, model):
    made = predict("--fit", "--published", "--board", "axera-pi")
    assert made.exit_code == 0, made.output
    own = tmp_path / "config" / "npubench" / "calibrations" / "axera-pi.toml"
    assert read(own).calibration.board == "axera-pi"
    own.write_text(own.read_text().replace("fixed = ", "fixed = 1"))
    found = predict("--board", "axera-pi", model, "--json")
    (record,) = json.loads(found.stdout)
    assert record["calibration"] == str(own)


def test_answer_made_with_older_data_says_so(tmp_path, predict, model):
    predict("--fit", "--published", "--board", "axera-pi")
    own = tmp_path / "config" / "npubench" / "calibrations" / "axera-pi.toml"
    own.write_text(own.read_text().replace('data_sha256 = "', 'data_sha256 = "0', 1))
    found = predict("--board", "axera-pi", model, "--json")
    (record,) = json.loads(found.stdout)
    assert "made with older data" in record["older_data"]


def test_calibration_of_another_board_is_refused(tmp_path, predict, model):
    predict("--fit", "--published", "--board", "axera-pi")
    own = tmp_path / "config" / "npubench" / "calibrations" / "axera-pi.toml"
    found = predict("--board", "local", "--calibration", own, model)
    assert found.exit_code == 2
    assert "is of board axera-pi, not local" in found.output


def test_chip_of_the_atlas_answers_for_a_graph_by_mode(predict, model):
    found = predict("--chip", "rk3588", model, "--json")
    assert found.exit_code == 0, found.output
    records = json.loads(found.stdout)
    assert {(one["chip"], one["kind"]) for one in records} == {("RK3588", "predicted")}
    answered = [one for one in records if "value" in one]
    assert answered
    assert all(one["low"] < one["value"] < one["high"] for one in answered)
    # A file's name is no network: the graph alone is asked.
    assert {one["basis"] for one in answered} == {"seen operators"}


@pytest.mark.parametrize("side", [56, 2])
def test_a_refusal_names_the_operators_at_fault_whatever_else_is_wrong(tmp_path, predict, side):
    _model(tmp_path / "m.onnx", "Atan", side)
    found = predict("--chip", "rk3588", "m.onnx", "--json")
    assert found.exit_code == 3
    for one in json.loads(found.stdout):
        assert one["refusal"] == "operators never measured"
        assert "Atan (50 %)" in one["reason"]
        assert one["lacking"] == {"Atan": 0.5}


def test_a_graph_of_another_size_is_refused_for_that(tmp_path, predict):
    _model(tmp_path / "m.onnx", side=2)
    found = predict("--chip", "rk3588", "m.onnx", "--json")
    (kind,) = {one["refusal"] for one in json.loads(found.stdout)}
    assert kind == "graph far from any measured"


@pytest.mark.parametrize("whose", [("--chip", "rk3588"), ("--board", "axera-pi")])
def test_a_file_that_cannot_be_read_is_named_once(tmp_path, predict, whose):
    predict("--fit", "--published", "--board", "axera-pi")
    (tmp_path / "junk.onnx").write_text("junk")
    found = predict(*whose, "junk.onnx")
    assert found.exit_code == 2
    assert found.stderr.count("junk.onnx") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--chip", "rk35", "m.onnx"), "no chip is called 'rk35'"),
        (("--chip", "rk3588", "absent.onnx"), "no such file"),
        (("--chip", "AX620A", "m.onnx"), "npubench predict --board axera-pi"),
        (("--chip", "rk3588"), "name the .onnx files"),
        (("--chip", "rk3588", "--board", "axera-pi", "m.onnx"), "exclude each other"),
    ],
)
def test_mistakes_about_chips_are_told_in_a_line(predict, model, words, told):
    found = predict(*words)
    assert found.exit_code == 2
    assert told in found.output
    assert "Traceback" not in found.output


def test_an_operator_whose_work_cannot_be_told_is_a_refusal(tmp_path, predict):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Foo", ["x"], ["y"], domain="mine")],
        "g",
        [value("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [value("y", TensorProto.FLOAT, [1, 3, 8, 8])],
    )
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    save(helper.make_model(graph, opset_imports=sets, ir_version=8), tmp_path / "foo.onnx")
    found = predict("--board", "axera-pi", "foo.onnx")
    assert found.exit_code == 3
    assert "no prediction: how many products mine.Foo does cannot be told" in found.stdout


def test_a_dynamic_input_is_fixed_by_shape(tmp_path, predict):
    weights = numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 62, 62])],
        [weights],
    )
    sets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=sets, ir_version=8), tmp_path / "d.onnx")
    open_one = predict("--board", "axera-pi", "d.onnx")
    assert (open_one.exit_code, "--shape x=" in open_one.stderr) == (2, True)
    assert predict("--board", "axera-pi", "--shape", "x=1x3x64x64", "d.onnx").exit_code == 0
