"""Doubts about result sets: the published one, whose faults are known, and rows as of a run."""

from dataclasses import replace

import pytest

from npubench import published
from npubench.domain.records import Figures, Kind, Latency, Status, Verdict
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.sanity import DoubtClass, Strength, doubts
from npubench.storage.hashing import digest
from tests import sample_results
from tests.sample_results import result, state

PUBLISHED = doubts(published.results())

STALE = [
    {"fcn_r50-d8_4xb4-20k_voc12aug-512x512", "resnet18_8xb16_cifar10"},
    {"fcn_r50-d8_4xb2-40k_cityscapes-512x1024", "cspresnext50_8xb32_in1k"},
    {"unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024", "wide-resnet50_8xb32_in1k"},
    {"upernet_r50_4xb2-80k_cityscapes-512x1024", "wide-resnet101_8xb32_in1k"},
    {"fast_scnn_8xb4-160k_cityscapes-512x1024", "panet_resnet18_fpem-ffm_600e_ctw1500"},
    {"fcn_r50-d8_4xb4-80k_ade20k-512x512", "panet_resnet18_fpem-ffm_600e_icdar2015"},
    {"pspnet_r50-d8_4xb4-40k_voc12aug-512x512", "pspnet_r50-d8_4xb2-80k_cityscapes-512x1024"},
]


def of_class(found, doubt_class):
    return [doubt for doubt in found if doubt.doubt_class is doubt_class]


def simulated(fps, macs, utilisation=0.2):
    return Figures(Kind.SIMULATED, Latency(1, 1e6 / fps), fps, tool_macs=macs, mac_utilisation=utilisation)


def model(case, macs, tool_macs, **changes):
    timed = {"figures": None, "verdict": None, "estimate": simulated(1e12 / tool_macs, tool_macs)}
    return result(case, Precision.INT8, backend="pulsar", macs=macs, **{**timed, **changes})


def test_the_published_table_holds_stale_groups_and_no_operator_is_among_them():
    groups = [set(doubt.cases) for doubt in of_class(PUBLISHED, DoubtClass.IDENTICAL_FIGURES)]
    assert sorted(map(sorted, groups)) == sorted(map(sorted, STALE))


def test_the_evidence_tells_which_of_a_group_may_be_right():
    (doubt,) = [d for d in PUBLISHED if "wide-resnet50_8xb32_in1k" in d.cases and len(d.cases) == 2]
    assert doubt.evidence == (
        "shared: inferences/s 13.72, MACs by the tool 11151640576, MAC utilisation 0.166",
        "unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024: 405 GMAC in its graph, 0.0275 times that by the tool",
        "wide-resnet50_8xb32_in1k: 11.4 GMAC in its graph, 0.978 times that by the tool",
    )


def test_published_models_with_the_macs_of_another_network():
    wrong = of_class(PUBLISHED, DoubtClass.WRONG_MACS)
    strong = {case for doubt in wrong if doubt.strength is Strength.STRONG for case in doubt.cases}
    assert {
        "wide-resnet101_8xb32_in1k",
        "mobileone-s0_8xb32_in1k",
        "unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024",
        "panet_resnet18_fpem-ffm_600e_icdar2015",
    } <= strong
    fine = {
        "resnet18_8xb32_in1k",
        "wide-resnet50_8xb32_in1k",
        "resnext101-32x4d_8xb32_in1k",
        "repvgg-D2se_8xb32_in1k",
    }
    assert not fine & {case for doubt in wrong for case in doubt.cases}
    weak = {case for doubt in wrong if doubt.strength is Strength.WEAK for case in doubt.cases}
    assert {"densenet121_4xb256_in1k", "densenet169_4xb256_in1k"} <= weak
    (pspnet,) = [d for d in wrong if d.cases == ("pspnet_r50-d8_4xb2-80k_cityscapes-512x1024",)]
    assert "that count is the one of pspnet_r50-d8_4xb4-40k_voc12aug-512x512" in pspnet.evidence


def test_published_rows_without_a_time_of_the_board():
    models, operators = of_class(PUBLISHED, DoubtClass.NO_BOARD_TIME)
    assert "36 of 52 rows that worked have no board time (model)" in models.evidence
    assert operators.cases == ("conv3s1p0d2ic3oc512g1",)


def test_results_as_of_a_run_raise_no_false_alarm():
    found = doubts(sample_results.models()[:4])
    assert found == []


def test_measured_figures_of_two_models_equal_to_the_last_digit():
    one, other = result("one", macs=1), result("other", macs=2)
    (doubt,) = doubts([one, replace(other, figures=one.figures)])
    assert (doubt.doubt_class, doubt.cases) == (DoubtClass.IDENTICAL_FIGURES, ("one", "other"))
    assert any(one.onnx_sha256 in line for line in doubt.evidence)


def test_one_artifact_of_two_models():
    one, other = result("one"), result("other", figures=sample_results.figures(17_000.0))
    (doubt,) = doubts([one, replace(other, artifact_sha256=one.artifact_sha256)])
    assert doubt.doubt_class is DoubtClass.IDENTICAL_ARTIFACT
    assert f"artifact SHA-256 {one.artifact_sha256}" in doubt.evidence


def test_a_simulation_is_the_same_for_one_graph_under_two_names():
    alike = {"estimate": simulated(50.0, 2_000_000_000)}
    one = model("faster-rcnn_r50_fpn_giou_1x_coco", 1_900_000_000, 2_000_000_000, **alike)
    other = model("faster-rcnn_r50_fpn_iou_1x_coco", 1_900_000_000, 2_000_000_000, **alike)
    assert of_class(doubts([one, other]), DoubtClass.IDENTICAL_FIGURES) == []
    stranger = replace(other, macs=1_800_000_000)
    assert len(of_class(doubts([one, stranger]), DoubtClass.IDENTICAL_FIGURES)) == 1


def test_operators_that_a_compiler_fuses_may_simulate_alike():
    common = {
        "case_kind": CaseKind.OPERATOR,
        "estimate": simulated(900.0, 5_000_000),
        "figures": None,
        "verdict": None,
    }
    plain = result("conv_64", operators={"Conv": 1}, macs=4_900_000, **common)
    fused = result("conv_relu_64", operators={"Conv": 1, "Relu": 1}, macs=4_900_000, **common)
    assert of_class(doubts([plain, fused]), DoubtClass.IDENTICAL_FIGURES) == []
    assert len(of_class(doubts([plain, replace(fused, macs=9)]), DoubtClass.IDENTICAL_FIGURES)) == 1


@pytest.mark.parametrize(
    ("tool_macs", "strength"),
    [(10**9, None), (3 * 10**9, Strength.WEAK), (3 * 10**8, Strength.STRONG), (9 * 10**9, Strength.STRONG)],
)
def test_macs_of_few_models_are_compared_with_the_graphs_own(tool_macs, strength):
    found = of_class(doubts([model("net", 10**9, tool_macs)]), DoubtClass.WRONG_MACS)
    assert [doubt.strength for doubt in found] == ([] if strength is None else [strength])


def test_macs_of_many_models_are_compared_with_what_is_usual_there():
    """A tool that counts operations, two a MAC, is a tool with a habit and not wrong about every model."""
    rows = [model(f"net{i}", 10**9 + i, 2 * 10**9 + i) for i in range(9)]
    assert of_class(doubts(rows), DoubtClass.WRONG_MACS) == []
    (doubt,) = of_class(doubts([*rows, model("odd", 10**9, 10**9 // 2)]), DoubtClass.WRONG_MACS)
    assert doubt.cases == ("odd",)


@pytest.mark.parametrize(
    ("change", "evidence"),
    [
        ({"governor": "performance"}, "governor: powersave, then performance"),
        ({"clocks_mhz": (1100.0,)}, "mean clock: 3302 MHz, then 1100 MHz (-67%)"),
        ({"temperature_c": 71.5}, "temperature: 46.0 C, then 71.5 C"),
        ({"uptime_s": 12.0}, "it restarted: up 86400 s, then 12 s"),
        ({"kernel": "6.1.0-19-amd64"}, "kernel: 6.1.0-18-amd64, then 6.1.0-19-amd64"),
        ({"extra": {"npu_mode": "disable"}}, "npu_mode: 1_1, then disable"),
    ],
)
def test_a_board_that_changed_under_the_row(change, evidence):
    before = state(0, extra={"npu_mode": "1_1", "board_time": "10:00:00"})
    after = replace(before, **{"extra": {"npu_mode": "1_1", "board_time": "10:00:09"}, **change})
    (doubt,) = doubts([result(board_before=before, board_after=after)])
    assert doubt.doubt_class is DoubtClass.BOARD_MOVED
    assert doubt.evidence == (evidence,)


def test_a_board_that_stayed_as_it_was():
    before = state(0, extra={"board_time": "10:00:00", "running": "0"})
    assert (
        doubts(
            [
                result(
                    board_before=before,
                    board_after=state(1, extra={"board_time": "10:01:00", "running": "3"}),
                )
            ]
        )
        == []
    )


def test_wide_spreads_tell_their_rounds():
    wide = replace(sample_results.latency(900.0), rounds_p50=(900.0, 1000.0, 1040.0), spread=0.14)
    (doubt,) = doubts([result(figures=Figures(Kind.MEASURED, wide), verdict=Verdict.NOISY)])
    assert (doubt.doubt_class, doubt.strength) == (DoubtClass.WIDE_SPREAD, Strength.STRONG)
    assert doubt.evidence == (
        "round medians differ by 14.0%, stable is 2%: 900, 1000, 1040 us",
        "verdict noisy",
    )
    less = replace(wide, spread=0.05)
    (doubt,) = doubts([result(figures=Figures(Kind.MEASURED, less))])
    assert doubt.strength is Strength.WEAK


def test_missing_board_times_of_a_board_that_has_some():
    timed = [result(f"timed{i}", figures=sample_results.figures(9000.0 + i)) for i in range(2)]
    only = replace(result("built"), figures=None, verdict=None, estimate=simulated(50.0, 1_900_000_000))
    (doubt,) = doubts([*timed, only])
    assert (doubt.doubt_class, doubt.strength, doubt.cases) == (
        DoubtClass.NO_BOARD_TIME,
        Strength.STRONG,
        ("built",),
    )
    (doubt,) = doubts([only])
    assert doubt.strength is Strength.WEAK


def test_rows_that_failed_have_no_doubt():
    rows = [*sample_results.failures(), sample_results.skipped()]
    assert all(row.status is not Status.OK for row in rows)
    assert doubts(rows) == []


def test_hostile_names_are_only_names():
    rows = [replace(row, artifact_sha256=digest("same")) for row in sample_results.hostile()]
    assert any(doubt.doubt_class is DoubtClass.IDENTICAL_ARTIFACT for doubt in doubts(rows))
    assert doubts([]) == []
