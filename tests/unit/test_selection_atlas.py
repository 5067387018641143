"""Published figures in a selection: found by the identity of networks, with the part of the NPU that they are of."""

from dataclasses import replace

import pytest

from npubench import published
from npubench.cli.options import load_catalog
from npubench.domain.errors import UsageError
from npubench.domain.figures import Bound, Kind
from npubench.reporting.select.answer import cameras_of
from npubench.reporting.select.atlas_times import atlas, network_asked, why_not
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.chip_facts import FactSheet
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.decide import decide
from npubench.reporting.select.presentation import to_json
from npubench.reporting.select.select import SelectOptions, choose
from npubench.reporting.select.tabled import stream_table
from npubench.reporting.select.times import times_of
from tests.unit.test_selection import requirements, row

JOB = """
title = "gate"
[limits]
latency_ms = 100
[[stream]]
name = "camera"
count = 4
resolution = "1920x1080"
fps = 15
codec = "none"
[[stream.model]]
role = "detector"
name = "yolov8s"
input = "640x640"
rate = 5
"""


@pytest.fixture(scope="module")
def shipped():
    return atlas()


def judged(folder, shipped, chip, text=JOB):
    asked = requirements(folder, text)
    (found,) = decide(asked, [], [], [], Beyond(atlas=shipped), [chip]).verdicts
    return found, {check.name: check for check in found.checks}


@pytest.mark.parametrize("name", ["yolov8s", "YOLOv8s", "yolov8s.onnx", "YOLOv8s-det"])
def test_a_network_asked_by_any_name_finds_every_publishers_row(tmp_path, shipped, name):
    found, checks = judged(tmp_path, shipped, "bm 1684x", JOB.replace('"yolov8s"', f'"{name}"'))
    # Lines 2381 and 2385 of edge_npu.csv: 3.32 ms, and 2.94 ms of the other quantisation table.
    assert [(one.kind, one.time_us, one.case) for one in found.figures] == [
        (Kind.PUBLISHED, 2_940.0, "YOLOv8_det: yolov8s_opt_int8_1b")
    ]
    # 4 x 5/s x 2.94 ms = 5.88 % of a second
    assert found.load == pytest.approx(0.0588)
    assert checks["npu_time"].outcome is Outcome.PASS
    assert (found.chip, found.kind, checks["npu_time"].kind) == ("BM1684X", Kind.PUBLISHED, Kind.PUBLISHED)
    assert found.figures[0].source.startswith("https://github.com/sophgo/sophon-demo/")


def test_the_input_that_is_asked_decides_and_without_one_the_usual(tmp_path, shipped):
    small = JOB.replace("640x640", "320x320")
    found, checks = judged(tmp_path, shipped, "BM1684X", small)
    assert (found.kind, checks["npu_time"].outcome) == (None, Outcome.UNKNOWN)
    usual, _ = judged(tmp_path, shipped, "BM1684X", JOB.replace('input = "640x640"', ""))
    assert usual.load == pytest.approx(0.0588)


def test_whole_figures_speak_before_those_of_a_core_which_bound_what_all_can_do(tmp_path, shipped):
    found, checks = judged(tmp_path, shipped, "AX650N", JOB.replace("rate = 5", "rate = 70"))
    # Three cores take 1000 / 278.40 ms = 3.592 ms; one takes 1000 / 95.95 = 10.422 ms, a third of that 3.474 ms.
    assert found.figures[0].time_us == pytest.approx(3_591.95, abs=0.01)
    assert found.figures[0].share == 1
    # 280/s x 3.592 ms = 100.6 %, side by side on the cores 97.3 % at best: neither known to fit nor to fail.
    assert found.load == pytest.approx(1.00575, abs=1e-4)
    assert checks["npu_time"].outcome is Outcome.UNKNOWN
    assert "97.3 %" in checks["npu_time"].why
    _, faster = judged(tmp_path, shipped, "AX650N", JOB.replace("rate = 5", "rate = 72"))
    assert faster["npu_time"].outcome is Outcome.FAIL


def test_a_figure_of_one_core_of_two_says_so(tmp_path, shipped):
    found, checks = judged(tmp_path, shipped, "RK3576")
    # 1000 / 40.8 fps = 24.51 ms on one of two cores: 4 x 5/s of it are 49 % of that core.
    assert (found.figures[0].time_us, found.share) == (pytest.approx(24_509.8, abs=0.1), 0.5)
    assert checks["npu_time"].outcome is Outcome.PASS
    assert "half the NPU" in checks["npu_time"].have


def test_a_rate_alone_bounds_the_latency_from_both_sides(tmp_path, shipped):
    # Hailo-8: 491 fps, 2.037 ms: four frames take 8.1 ms at least, with seven more in flight 22.4 ms at most.
    _, checks = judged(tmp_path, shipped, "Hailo-8")
    assert checks["latency"].outcome is Outcome.PASS
    assert checks["latency"].headroom == pytest.approx(1 - 11 * 2.0367 / 100, abs=1e-4)
    _, tight = judged(tmp_path, shipped, "Hailo-8", JOB.replace("latency_ms = 100", "latency_ms = 15"))
    assert tight["latency"].outcome is Outcome.UNKNOWN
    _, short = judged(tmp_path, shipped, "Hailo-8", JOB.replace("latency_ms = 100", "latency_ms = 8"))
    assert short["latency"].outcome is Outcome.FAIL


def test_a_batch_speaks_only_where_nothing_else_does_and_passes_nothing(shipped):
    times = [time for of in shipped.by_chip["BM1684X"].values() for time in of]
    batched = [one.time for one in times if one.time.mode == "batch 4"]
    assert batched
    assert {one.bounds.bound for one in batched} == {Bound.LOWER}


def test_a_name_that_says_no_release_names_those_that_it_may_mean(tmp_path, shipped):
    assert network_asked("yolov5s", (640, 640), shipped) is None
    assert "yolov5s-v6" in why_not("yolov5s", (640, 640), shipped)
    _, checks = judged(tmp_path, shipped, "RK3588", JOB.replace("yolov8s", "yolov5s"))
    assert "yolov5s-v6" in checks["npu_time"].why
    assert network_asked("nothing_of_the_kind", None, shipped) is None


def test_two_chips_in_one_string_are_both_and_several_at_work_are_none(shipped):
    assert "RK3566" in shipped.by_chip
    assert shipped.by_chip["RK3566"].keys() == shipped.by_chip["RK3568"].keys()
    assert not any("x " in chip for chip in shipped.by_chip)


def test_what_one_measured_speaks_before_what_others_published(tmp_path, shipped):
    asked = requirements(tmp_path, JOB)
    own = replace(row("yolov8s", 9_000.0, board="b", chip="BM1684X"), inputs=())
    shapes = {"yolov8s": [(1, 3, 640, 640)]}
    (found,) = decide(asked, [own], [], [], Beyond(shapes, shipped)).verdicts
    assert (found.figures[0].kind, found.figures[0].time_us) == (Kind.MEASURED, 9_000.0)


def test_a_row_of_the_same_network_under_another_name_speaks(tmp_path, shipped):
    asked = requirements(tmp_path, JOB.replace("yolov8s", "resnet18").replace("640x640", "224x224"))
    shapes = {"resnet18_8xb32_in1k": [(1, 3, 224, 224)]}
    own = replace(row("resnet18_8xb32_in1k", 9_000.0, board="b", chip="BM1684X"), inputs=())
    (found,) = decide(asked, [own], [], [], Beyond(shapes, shipped)).verdicts
    assert [(one.kind, one.case) for one in found.figures] == [(Kind.MEASURED, "resnet18_8xb32_in1k")]
    at_other_size = {"resnet18_8xb32_in1k": [(1, 3, 96, 96)]}
    (other,) = decide(asked, [own], [], [], Beyond(at_other_size, shipped)).verdicts
    assert other.kind is None


def test_one_core_of_a_table_of_rows_is_a_part_of_the_chip(tmp_path):
    rows = [one for one in published.results() if one.chip == "AX650N" and one.case.lower() == "yolov8s"]
    asked = requirements(tmp_path, JOB)
    (found,) = decide(asked, rows, [], [], Beyond()).verdicts
    shares = {time.share for one in rows for time in times_of(one, FactSheet("AX650N"))}
    assert sorted(shares) == pytest.approx([1 / 3, 1.0])
    assert found.share == 1


def test_publishers_that_are_far_apart_are_both_told(tmp_path, shipped):
    found, _ = judged(tmp_path, shipped, "RK3566")
    # 1000 / 15.1 fps and 1000 / 8.9 fps of edge_npu.csv.
    assert any("Qengineering" in one and "airockchip/rknn_model_zoo" in one for one in found.caveats)


def test_a_simulation_of_the_cameras_says_how_many_hold(tmp_path, shipped):
    asked = requirements(tmp_path, JOB)
    decision = decide(asked, [], [], [], Beyond(atlas=shipped), ["BM1684X"])
    (found,) = decision.verdicts
    assert f"keeps up with ≤ {found.streams.most} such cameras" in cameras_of(decision)
    told = to_json(decision)["verdicts"][0]["streams"]
    assert (told["most"], told["at_most"], told["bottleneck"]) == (found.streams.most, True, "NPU")
    assert (found.streams.cameras, found.streams.held) == (4, 4)
    assert dict(stream_table(found)[1])["cameras that hold their rate"] == "≤ 4 / 4"
    # What follows the NPU is not known of a published figure: no pass of its own.
    assert found.streams.outcome is Outcome.UNKNOWN
    assert "streams" not in {check.name for check in found.checks}


def test_a_name_of_several_networks_is_refused_whatever_published_tables_call_their_rows(tmp_path):
    file = tmp_path / "job.toml"
    file.write_text(JOB.replace("yolov8s", "yolov5s"))
    with pytest.raises(UsageError, match="yolov5s-v6"):
        choose(SelectOptions(file, tmp_path, published=True), load_catalog(()))
