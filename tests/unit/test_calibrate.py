"""A sweep's rows as times, the graph of ONNX Runtime as kernels, and a calibration out of a small run."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from npubench.cli import main
from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.specs import BoardSpec, Precision
from npubench.engine.calibrate import _time_of, file_kernels, sweep_options
from npubench.engine.plan import CaseOptions, RunOptions
from npubench.predict.calibration import read

LOCAL = BoardSpec("local", "", "cpu", "local", "onnxruntime", (Precision.FP32, Precision.INT8))


@pytest.mark.parametrize(
    ("figures", "time_us"),
    [
        (Figures(Kind.MEASURED, latency_us=Latency(9, 12.0, p50=11.0, rounds_p50=(11.0, 10.0, 14.0))), 10.0),
        (Figures(Kind.MEASURED, latency_us=Latency(9, 12.0, p50=11.0)), 11.0),
        (Figures(Kind.MEASURED, latency_us=Latency(1, 12.0)), 12.0),
        (Figures(Kind.SIMULATED, throughput_fps=200.0), 5000.0),
        (Figures(Kind.SIMULATED), None),
    ],
)
def test_time_of_a_row_is_its_best_rounds_or_follows_from_its_rate(figures, time_us):
    assert _time_of(figures) == time_us


def test_sweep_takes_the_usual_networks_unless_others_are_named():
    usual = sweep_options(RunOptions())
    named = sweep_options(replace(RunOptions(), selection=CaseOptions(cases=("mine.onnx",))))
    assert usual.selection.suites == ("calibration", "calibration-networks")
    assert (named.selection.suites, named.selection.cases) == (("calibration",), ("mine.onnx",))


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """Two convolutions, a residual's sum and a Relu, 16 channels, 8 x 8."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((16, 16, 3, 3)).astype(np.float32), name)
        for name in ("v", "w")
    ]
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c", "x"], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16, 8, 8]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", values[:1], values[1:], weights),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 8
    path = tmp_path_factory.mktemp("block") / "block.onnx"
    save(model, path)
    return path


def test_kernels_are_those_of_the_runtimes_own_graph_in_each_precision(block):
    found = file_kernels(block, LOCAL, (Precision.FP32, Precision.INT8))
    floats = found[Precision.FP32].kernels
    assert [one.operator for one in floats] == ["Conv kxk", "Conv kxk"]
    assert floats[1].fused == ("Add", "Relu")
    # 1,024 outputs of 144 products each.
    assert {one.macs for one in floats} == {147456}
    whole = [one.operator for one in found[Precision.INT8].kernels]
    assert whole.count("QLinearConv kxk") == 2
    assert {"QuantizeLinear", "QLinearAdd", "DequantizeLinear"} <= set(whole)
    macs = [one.macs for one in found[Precision.INT8].kernels if one.operator == "QLinearConv kxk"]
    assert macs == [147456, 147456]


@pytest.mark.slow
def test_a_small_sweep_calibrates_this_machine_and_its_network_is_known(tmp_path, monkeypatch, capsys, block):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    suites = tmp_path / "catalog" / "suites"
    suites.mkdir(parents=True)
    cases = '"net_Relu_*", "net_Add_*", "net_Sigmoid_*", "net_conv3x3_32to32_28x28_s1"'
    (suites / "small.toml").write_text(
        f'[[suite]]\nname = "calibration"\ntitle = "small"\ncases = [{cases}]\n'
    )
    words = ["predict", "--board", "local", "--precision", "fp32", "--out", str(tmp_path / "out")]
    assert main([*words, "--fit", "--catalog", str(tmp_path / "catalog"), str(block)]) == 0
    found = read(tmp_path / "config" / "npubench" / "calibrations" / "local.toml").calibration
    (model,) = found.models
    assert (model.operators, model.networks) == (11, (block.name,))
    capsys.readouterr()
    assert main([*words, str(block)]) == 0
    assert "rests on: known network" in capsys.readouterr().out
