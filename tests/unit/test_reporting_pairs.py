from dataclasses import replace

import pytest

from npubench.domain.records import Figures, Kind, Latency
from npubench.domain.specs import Precision
from npubench.reporting.data.figures import (
    figures_of,
    gmac_per_s,
    kinds_of,
    pairs,
    published_simulation,
    speedup,
)
from tests import sample_results


def row(precision=Precision.FP32, figures=None, **changes):
    return sample_results.result(precision=precision, figures=figures, **changes)


def figures(kind=Kind.MEASURED, **latency):
    return Figures(kind, Latency(**{"n": 100, "mean": 12.0, **latency}))


def test_both_precisions_of_a_case_on_a_board_are_a_pair():
    found = pairs([*sample_results.models(), *sample_results.emulated()])
    assert len(found) == 12
    assert all(pair.fp32 and pair.int8 for pair in found[:8])
    assert all(pair.fp32 is None and pair.board == "virtual-a7" for pair in found[8:])


def test_medians_are_compared_with_medians():
    (pair,) = pairs([row(figures=figures(p50=10.0)), row(Precision.INT8, figures(p50=5.0, mean=100.0))])
    assert speedup(pair, Kind.MEASURED).factor == 2.0
    assert speedup(pair, Kind.MEASURED).statistic == "p50"


def test_without_both_medians_means_are_compared():
    (pair,) = pairs([row(figures=figures(p50=10.0)), row(Precision.INT8, figures(mean=6.0))])
    assert speedup(pair, Kind.MEASURED).factor == 2.0
    assert speedup(pair, Kind.MEASURED).statistic == "mean"


def test_kinds_are_never_compared():
    (pair,) = pairs([row(figures=figures(p50=10.0)), row(Precision.INT8, figures(Kind.SIMULATED, p50=5.0))])
    assert speedup(pair, Kind.MEASURED) is None
    assert speedup(pair, Kind.SIMULATED) is None


@pytest.mark.parametrize("emulated", [(True, True), (True, False), (False, True)])
def test_what_an_emulated_board_measured_is_compared_with_nothing(emulated):
    told = figures(Kind.SIMULATED, p50=4.0)
    (pair,) = pairs(
        [
            row(figures=figures(p50=10.0), estimate=figures(Kind.SIMULATED, p50=8.0), emulated=emulated[0]),
            row(Precision.INT8, figures(p50=5.0), estimate=told, emulated=emulated[1]),
        ]
    )
    assert speedup(pair, Kind.MEASURED) is None
    assert speedup(pair, Kind.SIMULATED).factor == 2.0


def test_the_estimate_is_found_by_its_kind():
    result = sample_results.emulated()[0]
    assert figures_of(result, Kind.MEASURED) is result.figures
    assert figures_of(result, Kind.SIMULATED) is result.estimate
    assert figures_of(result, Kind.PUBLISHED) is None
    assert kinds_of([result]) == [Kind.MEASURED, Kind.SIMULATED]


def test_a_failed_row_has_no_figures():
    result = sample_results.failed("a", estimate=figures(Kind.SIMULATED))
    assert figures_of(result, Kind.SIMULATED) is None
    assert kinds_of([result]) == []


def test_throughput_in_macs():
    result = row(figures=figures(p50=2000.0), macs=4_000_000)
    assert gmac_per_s(result, Kind.MEASURED) == pytest.approx(2.0)
    assert gmac_per_s(replace(result, macs=None), Kind.MEASURED) is None


def test_a_simulation_that_was_published_stands_in_no_column_of_published_times():
    told = replace(figures(Kind.PUBLISHED), origin=Kind.SIMULATED)
    simulated = row(figures=None, estimate=told)
    assert figures_of(simulated, Kind.PUBLISHED) is None
    assert published_simulation(simulated) == told
    assert figures_of(row(figures=None, estimate=replace(told, origin=None)), Kind.PUBLISHED) is not None
