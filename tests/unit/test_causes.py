"""Why own and published times differ, and own rows beside the atlas by the network that both names mean."""

from dataclasses import replace

import pytest

from npubench import published
from npubench.domain.figures import Figures, Kind, Latency, NpuPart
from npubench.domain.specs import Precision, TensorSpec
from npubench.published.networks import Head
from npubench.reporting.data.atlas_comparison import compare_with_atlas, network_of
from npubench.reporting.data.causes import CauseKind, Side, Usual, causes, head_of_outputs
from tests import sample_results
from tests.unit.test_atlas_doubts import figure

DECODED = (TensorSpec("output0", (1, 84, 8400)),)
RAW = tuple(TensorSpec(f"map{size}", (1, 144, size, size)) for size in (80, 40, 20))


def kinds(own, theirs, ratio, usual=()):
    return [one.kind.value for one in causes(own, theirs, ratio, usual)]


def test_nothing_is_to_be_explained_within_a_tenth():
    assert kinds(Side(batch=1), Side(batch=8), 1.09) == []
    assert kinds(Side(batch=1), Side(batch=8), 1.11) == ["batch"]


def test_causes_come_in_order_those_that_both_tell_of_first():
    own = Side(Head.DECODED, 1, 1, 3, 800.0, "", {"rknn-toolkit2": "2.1.0"}, "rknn-toolkit2 2.1.0")
    theirs = Side(Head.RAW, 8, 3, 3, 1000.0, "maximum NPU frequency", {"rknn": "2.3.2"}, "RKNN 2.3.2", "zoo")
    usual = [Usual(1.3, 20, "others' times are"), Usual(1.3, 2, "too few are")]
    found = causes(own, theirs, 5.0, usual)
    assert [one.kind for one in found] == [*CauseKind]
    assert [one.up_to for one in found] == [None, 8.0, 3.0, 1.25, None, 1.3]
    assert [one.told for one in found] == [
        "the network ends with boxes decoded here, at raw maps, decoding elsewhere there",
        "1 at once here, 8 there: up to 8 times by itself",
        "1 core here, 3 there: up to 3 times by itself",
        "800 MHz here, 1000 MHz there (maximum NPU frequency)",
        "rknn-toolkit2 2.1.0 here, rknn 2.3.2 there",
        "others' times are usually 1.3 of its times (20 networks), which leaves 3.85",
    ]
    untold = causes(replace(own, head=Head.UNTOLD, clock_mhz=None), theirs, 5.0)
    assert [one.kind.value for one in untold] == ["batch", "cores", "version", "head", "clock"]


def test_what_works_the_other_way_is_no_cause():
    own = Side(Head.DECODED, 1, 1, 3, 800.0, "", {"rknn": "2.3.2"})
    theirs = Side(Head.RAW, 8, 3, 3, 1000.0, "", {"rknn": "2.3.2"})
    assert kinds(own, theirs, 0.5, [Usual(1.3, 20, "others' are")]) == []
    assert kinds(theirs, own, 0.5) == ["head", "batch", "cores", "clock"]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ({"rknnrt": "2.3.2 (429f97ae6b@2025)"}, {"rknn": "2.3.2"}, []),
        ({"rknnrt": "2.1.0", "rknn-toolkit2": "2.3.2"}, {"rknn": "2.3.2"}, []),
        ({"toolchain": "Pulsar2 4.2", "pulsar2": "4.2"}, {"pulsar2": "3.2-patch2"}, ["version"]),
        ({"pulsar2": "3.2"}, {"pulsar2": "3.2-patch2"}, ["version"]),
        ({"onnx": "1.18"}, {}, ["version"]),
    ],
)
def test_versions_of_one_tool_are_compared(one, other, apart):
    assert kinds(Side(versions=one, tool="told"), Side(versions=other), 2.0) == apart


@pytest.mark.parametrize(
    ("cores", "their_cores", "ratio", "found"),
    [
        (1, None, 1.5, ["cores"]),
        (1, None, 0.5, []),
        (3, None, 0.5, ["cores"]),
        (3, None, 1.5, []),
        (2, None, 1.5, ["cores"]),
        (None, 1, 0.5, ["cores"]),
        (None, 1, 1.5, []),
        (None, None, 1.5, []),
    ],
)
def test_cores_that_one_side_does_not_tell(cores, their_cores, ratio, found):
    assert kinds(Side(cores=cores), Side(cores=their_cores, of_cores=3), ratio) == found


@pytest.mark.parametrize(
    ("outputs", "head"),
    [
        (DECODED, Head.DECODED),
        (RAW, Head.RAW),
        ((TensorSpec("dets", (1, 300, 6)),), Head.NMS),
        ((TensorSpec("num_dets", (1, 1)), TensorSpec("boxes", (1, 100, 4))), Head.NMS),
        ((TensorSpec("logits", (1, 1000)),), Head.UNTOLD),
        ((), Head.UNTOLD),
    ],
)
def test_where_a_detector_ends_is_seen_by_its_outputs(outputs, head):
    assert head_of_outputs(outputs) is head


def own(case, us, size=640, outputs=DECODED, **changes):
    figures = Figures(Kind.MEASURED, Latency(50, us, p50=us), npu=NpuPart("core 0", 1))
    clocked = replace(sample_results.state(0), extra={"npu_clock_mhz": "800"})
    base = {
        **{"board": "rock5", "chip": "rk3588", "backend": "rknn", "figures": figures, "task": "detection"},
        **{"inputs": (TensorSpec("images", (1, 3, size, size)),), "outputs": outputs},
        **{"tools": {"rknn-toolkit2": "2.1.0"}, "board_before": clocked, "board_after": clocked},
    }
    return sample_results.result(case, Precision.INT8, **{**base, **changes})


def zoo(found):
    (one,) = [one for one in found if one.published_board == "airockchip/rknn_model_zoo, single core"]
    return one


def test_own_names_mean_networks():
    assert network_of(own("yolov8n", 1.0)).key == "yolov8n@640x640"
    assert network_of(own("some/where/yolov8n.onnx", 1.0)).key == "yolov8n@640x640"
    assert network_of(own("yolov8_n_syncbn_fast_8xb16-500e_coco", 1.0, 320)).key == "yolov8n@320x320"
    assert network_of(own("my_network", 1.0)) is None


def test_own_rows_stand_beside_the_atlas_by_network_and_chip():
    # The zoo has yolov8n at 73.5 and yolov8m at 16.2 images a second on one core of the RK3588.
    one = zoo(
        compare_with_atlas(
            [own("yolov8n", 20_000.0), own("yolov8m", 61_728.0, outputs=RAW)], published.figures()
        )
    )
    assert (one.board, one.chip, one.published_chip, one.kind) == ("rock5", "rk3588", "RK3588", Kind.MEASURED)
    assert one.basis == "time of an image here, the inverse of images a second there"
    medium, nano = one.lines
    assert nano.network == "yolov8n@640x640"
    assert nano.place == "edge-npu:384"
    assert nano.published_us == pytest.approx(1e6 / 73.5)
    assert nano.ratio == pytest.approx(0.02 * 73.5)
    assert [cause.kind.value for cause in nano.causes] == ["head", "clock", "version", "source"]
    assert nano.causes[-1].told.startswith("Qengineering/YoloV5-NPU's times are on this chip usually 1.3")
    assert medium.ratio == pytest.approx(1.0, abs=1e-4)
    assert medium.causes == ()


def test_what_is_usual_beside_a_publisher_is_said_of_the_others():
    rows = [
        own(case, us)
        for case, us in (
            ("yolov8n", 20_000.0),
            ("yolov8m", 92_500.0),
            ("yolov5s-v6", 31_000.0),
            ("yolov5m-v6", 67_000.0),
        )
    ]
    one = zoo(compare_with_atlas(rows, published.figures()))
    (nano,) = [line for line in one.lines if line.case == "yolov8n"]
    sources = [cause.told for cause in nano.causes if cause.kind is CauseKind.SOURCE]
    assert sources[0].startswith("own times beside this publisher are usually 1.5 of its times (3 networks)")


def test_another_input_chip_precision_or_kind_is_not_compared():
    figures = published.figures()
    assert compare_with_atlas([own("yolov8n", 1.0, 320)], figures) == []
    assert compare_with_atlas([own("yolov8n", 1.0, chip="RK9999")], figures) == []
    simulated = Figures(Kind.SIMULATED, Latency(1, 20_000.0))
    assert compare_with_atlas([own("yolov8n", 1.0, figures=simulated)], figures) == []
    assert compare_with_atlas([own("yolov8n", 1.0, emulated=True)], figures) == []
    floating = replace(own("yolov8n", 20_000.0), precision=Precision.FP32)
    assert compare_with_atlas([floating], figures) == []


def test_a_name_of_two_chips_speaks_for_either():
    found = compare_with_atlas([own("yolov8n", 40_000.0, chip="RK3568")], published.figures())
    assert {one.published_chip for one in found} == {"RK3566/RK3568"}
    assert any("RK3566/RK3568 together" in note for one in found for note in one.notes)


def test_a_figure_that_is_doubted_is_in_no_mean():
    source = "https://github.com/airockchip/rknn_model_zoo/blob/x/README.md"
    slipped = figure(
        "RK3588", "yolov8n", 13_600.0, mode="single core", source=source, input="[1, 3, 640, 640]", line=9
    )
    figures = [*published.figures(), slipped]
    found = [one for one in compare_with_atlas([own("yolov8n", 20_000.0)], figures) if "latency" in one.basis]
    (line,) = [line for one in found for line in one.lines if line.place == "made:9"]
    assert line.doubtful
    assert not line.sure


def test_a_published_time_is_compared_once():
    rows, figures = [own("yolov8n", 20_000.0)], published.figures()
    found = compare_with_atlas(rows, figures)
    assert found
    assert compare_with_atlas(rows, figures, found) == []
