from dataclasses import replace

import pytest

from npubench import published
from npubench.domain.records import Figures, Kind, Latency
from npubench.domain.specs import Precision
from npubench.reporting.data.published_comparison import compare_with_published, left_out
from tests.sample_results import result

ROWS = published.results()
NAMES = ("resnet18_8xb32_in1k", "resnet50_8xb32_in1k", "resnet101_8xb32_in1k", "seresnet50_8xb32_in1k")
NEU_US = (5390, 17793, 29384, 47904)


def own(case, us, **changes):
    figures = Figures(Kind.MEASURED, Latency(99, us * 1.01), npu_time_us=us)
    base = {"board": "axera-pi", "chip": "AX620A", "backend": "pulsar", "figures": figures}
    return result(case, Precision.INT8, **{**base, **changes})


def one_of(found, board):
    (comparison,) = [one for one in found if one.published_board == board]
    return comparison


def test_times_of_the_npu_stand_beside_times_of_the_npu():
    found = compare_with_published(
        [own(case, 1.1 * us) for case, us in zip(NAMES, NEU_US, strict=True)], ROWS
    )
    same = one_of(found, "published-ax620a")
    assert same.basis == "NPU time of both"
    assert [line.ratio for line in same.lines] == pytest.approx([1.1] * 4)
    assert same.ratio.value == pytest.approx(1.1)
    assert (same.ratio.low, same.ratio.high) == pytest.approx((1.1, 1.1))
    assert same.rank_correlation == pytest.approx(1.0)
    assert same.notes == ()


def test_an_order_that_does_not_agree():
    turned = dict(zip(NAMES, reversed(NEU_US), strict=True))
    same = one_of(
        compare_with_published([own(case, us) for case, us in turned.items()], ROWS), "published-ax620a"
    )
    assert same.rank_correlation == pytest.approx(-1.0)


def test_a_simulation_is_lined_up_with_the_published_simulation_only():
    told = Figures(Kind.SIMULATED, throughput_fps=46.45)
    (found,) = compare_with_published([own(NAMES[0], 1.0, figures=None, estimate=told)], ROWS)
    (line,) = found.lines
    assert (found.kind, found.basis) == (Kind.SIMULATED, "simulated by both")
    assert line.ratio == pytest.approx(2.0)


def test_a_simulating_backends_figures_are_a_simulation_too():
    told = Figures(Kind.SIMULATED, Latency(1, 1e6 / 92.9))
    (found,) = compare_with_published([own(NAMES[0], 1.0, figures=told)], ROWS)
    assert found.lines[0].ratio == pytest.approx(1.0)


def test_vendors_names_lead_to_the_same_network():
    found = one_of(compare_with_published([own(NAMES[0], 5400)], ROWS), "published-ax650n-vendor-3-cores")
    (line,) = found.lines
    assert (line.published_case, line.published_us) == ("ResNet18", 540)
    assert found.basis == "latency here, time there"
    assert any("AX620A against AX650N" in note for note in found.notes)


def test_other_precisions_are_told():
    row = result(NAMES[0], figures=Figures(Kind.MEASURED, Latency(99, 9000.0, p50=8900.0)))
    found = one_of(compare_with_published([row], ROWS), "published-ax620a")
    assert found.lines[0].own_us == 8900
    assert "fp32 here, int8 there" in found.notes


def test_doubtful_published_figures_are_in_no_mean():
    told = Figures(Kind.SIMULATED, throughput_fps=10.0)
    rows = [own(case, 1.0, figures=None, estimate=told) for case in (*NAMES, "wide-resnet101_8xb32_in1k")]
    (found,) = compare_with_published(rows, ROWS)
    assert [line.case for line in found.lines if line.doubtful] == ["wide-resnet101_8xb32_in1k"]
    fine = [line.ratio for line in found.lines if not line.doubtful]
    assert min(fine) <= found.ratio.value <= max(fine)
    assert "doubtful published figures, left out of both means: 1" in found.notes


def test_emulated_rows_are_left_out():
    row = replace(own(NAMES[0], 5000.0), emulated=True)
    assert compare_with_published([row], ROWS) == []
    assert left_out([row, own(NAMES[1], 1.0)]) == 1


def test_failed_rows_and_unknown_cases_have_no_line():
    failed = own("conv5s1p0d2ic3oc512g1", 10.0)
    assert compare_with_published([failed, own("my_model", 10.0)], ROWS) == []
