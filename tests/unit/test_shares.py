"""Shares of layers and of MACs from what a compiler says it placed where."""

from dataclasses import replace
from pathlib import Path

import pytest

from npubench.backends.ethos_u import backend as ethos_u
from npubench.backends.ethos_u.vela import parse_layers as vela_layers
from npubench.backends.rknn import placement as rknn
from npubench.backends.rknn.table import parse_layers as rknn_layers
from npubench.domain.records import Computed, Figures, Kind, OnnxModel, Shares
from npubench.engine.job import _with_shares
from npubench.graph.shares import Placed, of_layers, of_types

TOOLCHAINS = Path(__file__).parents[1] / "data/toolchains"
RESNET18 = {"Conv": 20, "Relu": 17, "MaxPool": 1, "Add": 8, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
ALL_ON_NPU = Computed(Shares(npu=1.0), Shares(npu=1.0))


def model(macs=1000, **operators):
    return OnnxModel("net", Path("net.onnx"), "0", 13, (), (), operators, macs, 0, None, 0)


def text(name):
    return (TOOLCHAINS / name).read_text(encoding="utf-8")


def test_all_products_of_resnet18_are_on_the_npu_and_a_reshape_is_not():
    found = rknn.where(rknn_layers(text("rknn/resnet18.rk3588.log")), model(**RESNET18))["computed"]
    assert found == Computed(Shares(npu=30 / 31, cpu=pytest.approx(1 / 31)), Shares(npu=1.0))


def test_an_operator_without_products_on_the_cpu_takes_no_macs_with_it():
    layers = [
        Placed(True, ("Conv",)),
        Placed(False, ("Softmax",)),
        Placed(True, ("Relu",)),
        Placed(True, ("Gemm",)),
    ]
    assert of_layers(layers, model(Conv=1, Softmax=1, Relu=1, Gemm=1)) == Computed(
        Shares(npu=0.75, cpu=0.25), Shares(npu=1.0)
    )


def test_products_on_both_sides_are_told_only_where_the_tool_counts_them():
    net = model(Conv=2)
    assert of_layers([Placed(True, ("Conv",)), Placed(False, ("Conv",))], net).macs is None
    counted = [Placed(True, ("Conv",), 300), Placed(False, ("Conv",), 100)]
    assert of_layers(counted, net).macs == Shares(npu=0.75, cpu=0.25)


def test_a_layer_that_stands_for_nothing_known_may_multiply():
    layers = [Placed(True, ("Conv",)), Placed(False)]
    assert of_layers(layers, model(Conv=1, Einsum=1)).macs is None


def test_what_rknn_leaves_to_the_cpu():
    softmax = rknn.where(rknn_layers(text("rknn/softmax.rk3566.log")), model(macs=0, Softmax=1))["computed"]
    assert (softmax.operators.cpu > 0, softmax.macs) == (True, None)


def test_velas_rows_have_macs():
    layers = vela_layers(text("ethos-u/resnet18-pool2.u55-256.per-layer.csv"))
    assert ethos_u.where(layers, model(**RESNET18))["computed"] == ALL_ON_NPU


def test_by_type_a_type_counts_as_often_as_the_model_has_it():
    net = model(Conv=3, Softmax=1)
    assert of_types({"Conv": "NPU", "Softmax": "CPU"}, net) == Computed(
        Shares(npu=0.75, cpu=0.25), Shares(npu=1.0)
    )
    assert of_types({}, net) is None


@pytest.mark.parametrize("macs", [0])
def test_a_model_without_macs_has_no_share_of_them(macs):
    assert of_types({"Relu": "NPU"}, model(macs, Relu=1)) == Computed(Shares(npu=1.0))


def test_a_row_has_shares_by_its_placement_where_the_backend_tells_none():
    placed = Figures(Kind.SIMULATED, placement={"Conv": "NPU"})
    assert _with_shares(placed, model(Conv=2)).computed == ALL_ON_NPU
    own = replace(placed, computed=Computed(Shares(cpu=1.0)))
    assert _with_shares(own, model(Conv=2)) is own
    assert _with_shares(Figures(Kind.MEASURED), model(Conv=2)).computed is None
