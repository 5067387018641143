"""The graphs behind published names: what is shipped agrees with itself and with what others state."""

import pytest

from npubench.graph.features import MACS_BY_KIND, GraphFeatures
from npubench.published.graphs import graph_for, graphs, graphs_of_networks, line_of
from npubench.published.networks import Network

KNOWN_GMACS = {
    # torchvision's documentation of its weights (GFLOPS of its tables are MACs), two digits
    "resnet18@224x224": 1.81,
    "resnet50@224x224": 4.09,
    "mobilenetv2-1.0@224x224": 0.30,
    "mobilenetv3-large@224x224": 0.22,
    "densenet121@224x224": 2.83,
    "resnext50-32x4d@224x224": 4.23,
    "vgg16@224x224": 15.47,
    "regnety-800mf@224x224": 0.83,
    "convnext-tiny@224x224": 4.46,
    "swin-tiny@224x224": 4.49,
    "vit-base-p16@224x224": 17.56,
    "r3d-18@112x112": 40.7,
    # Half of the GFLOPs of ultralytics' tables
    "yolov8s@640x640": 14.3,
}


@pytest.mark.parametrize("name", KNOWN_GMACS)
def test_macs_are_those_that_others_count(name):
    assert graphs()[name].macs / 1e9 == pytest.approx(KNOWN_GMACS[name], rel=0.02, abs=0.005)


def test_each_graph_adds_up():
    for name, one in graphs().items():
        assert one.macs == sum(getattr(one, kind) for kind in MACS_BY_KIND), name
        assert 0 < one.macs_under_16 + one.macs <= 2 * one.macs, name
        assert one.products <= one.kernels, name
        assert one.largest_elements <= one.activation_elements < one.moved_elements, name
        assert one.operators, name
        assert not one.uncounted, name


def test_each_line_of_a_network_names_a_graph_within_a_tenth_of_what_is_stated():
    for line in graphs_of_networks():
        if not line.graph:
            assert line.how.startswith("not taken"), line
            continue
        network = Network(line.network, line.variant, "", line.height or None, line.width or None)
        found = graph_for(network)
        assert found is not None, line
        assert found.name == line.graph, line
        assert ("scaled" in line.how) == bool(found.scaled_from), line
        if line.stated_gmacs and "reviewed" not in line.how:
            assert found.macs / 1e9 == pytest.approx(line.stated_gmacs, rel=0.1005), line
            assert found.macs / 1e9 / line.stated_gmacs - 1 == pytest.approx(line.deviation, abs=6e-4), line


def test_a_network_of_convolutions_is_scaled_and_a_transformer_is_not():
    whole, quarter = (graph_for(Network("yolov8s", "", "", size, size)) for size in (640, 320))
    assert quarter.macs * 4 == whole.macs
    assert quarter.scaled_from == (1, 3, 640, 640)
    assert graph_for(Network("vit-base-p16", "", "", 320, 320)) is None


def test_a_network_of_another_name_has_its_graph_at_other_inputs_too():
    found = graph_for(Network("scrfd-10g", "", "", 320, 320))
    assert found.name == "scrfd-10g-kps@640x640"
    assert found.scaled_from == (1, 3, 640, 640)


def test_a_graph_that_differs_too_much_is_taken_at_no_input():
    refused = next(line for line in graphs_of_networks() if not line.graph)
    assert refused.network in {name.partition("@")[0] for name in graphs()}
    for size in (refused.height, 64):
        assert graph_for(Network(refused.network, refused.variant, "", size, size)) is None


def test_an_input_that_is_not_told_is_the_one_that_was_counted():
    assert graph_for(Network("resnet18")).shape == (1, 3, 224, 224)
    assert graph_for(Network("no-such-network")) is None


def test_a_line_of_the_table_holds_all_that_a_graph_has():
    line = line_of(
        GraphFeatures("a@2x2", "b", (1, 3, 2, 2), True, macs=5, macs_dense=5, operators={"Conv": 1})
    )
    assert line["shape"] == "1x3x2x2"
    assert line["resizable"] == "yes"
    assert (line["macs"], line["depth"], line["operators"]) == ("5", "", "Conv:1")
