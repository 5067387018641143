import json
from dataclasses import replace
from types import SimpleNamespace

from npubench.domain.figures import npu_part
from npubench.domain.records import Accuracy, Figures, Kind, Latency
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.data.tables import case_tables, ordered
from npubench.reporting.page.page import PageContext, render
from npubench.reporting.sanity.doubt import DoubtClass
from npubench.reporting.sanity.duplicates import identical
from tests import sample_results


def cell(table, case, title, precision=Precision.INT8, board="local", kind=Kind.MEASURED):
    """Text, figure and the reason why there is none."""
    (column,) = [one for one in table.columns if (one.title, one.kind) == (title, kind)]
    (at,) = [
        at
        for at, (_, row) in enumerate(table.rows)
        if (row.case, row.precision, row.board) == (case, precision, board)
    ]
    return SimpleNamespace(
        text=column.text(at), sort=column.values[at], title=column.blanks.get(at, ("", ""))[1]
    )


def tables(results):
    return {table.kind: table for table in case_tables(ordered(results))}


def test_every_row_stands_in_one_table():
    found = tables(sample_results.everything())
    assert list(found) == [CaseKind.MODEL, CaseKind.OPERATOR]
    assert sorted(number for table in found.values() for number, _ in table.rows) == list(range(134))
    assert found[CaseKind.MODEL].without_figures


def test_numbers_in_names_count_as_numbers():
    names = [f"conv{i}" for i in (10, 2, 1)] + ["²", "Conv3"]
    assert [r.case for r in ordered([sample_results.result(name) for name in names])] == [
        *("conv1", "conv2", "Conv3", "conv10", "²")
    ]


def test_kinds_have_columns_of_their_own_in_one_unit():
    model = tables(sample_results.everything())[CaseKind.MODEL]
    assert [kind for kind, _ in model.groups] == [None, Kind.MEASURED, Kind.SIMULATED]
    assert {head.unit for head in model.columns if head.title in ("p50", "mean")} == {"ms"}
    measured = cell(model, "resnet18", "mean", board="virtual-a7")
    simulated = cell(model, "resnet18", "mean", board="virtual-a7", kind=Kind.SIMULATED)
    assert (measured.text, simulated.text) == ("1.07", "0.973")


def half_of_an_npu(**changes):
    timed = Figures(Kind.MEASURED, Latency(297, 5415.0), npu=npu_part("111"), statistic="means")
    told = Figures(
        Kind.SIMULATED,
        Latency(1, 5200.0),
        accuracy=Accuracy(0.9989, None, None, relative_error=0.047),
        npu=npu_part("111"),
    )
    changes = {"figures": timed, "estimate": told, "board": "pi"} | changes
    return sample_results.result("resnet18", Precision.INT8, **changes)


def test_twice_half_an_npu_stands_apart_as_an_estimate():
    model = tables([half_of_an_npu()])[CaseKind.MODEL]
    assert [kind for kind, _ in model.groups] == [None, Kind.MEASURED, Kind.SIMULATED, Kind.PREDICTED]
    whole = cell(model, "resnet18", "×2 upper estimate", board="pi", kind=Kind.PREDICTED)
    assert whole.sort == 2e6 / 5415
    measured = [h.title for h in model.columns if h.kind is Kind.MEASURED]
    assert "×2 upper estimate" not in measured
    page = render([half_of_an_npu()], PageContext("t", "2026-01-01T00:00:00+00:00", "", "1", "w"))
    assert 'class="kind k-predicted">predicted</span> npubench' in page
    assert "x2 upper estimate from a measured figure in mode 111" in page


def test_the_whole_npu_is_not_estimated_from_itself():
    timed = Figures(Kind.MEASURED, Latency(297, 5415.0), npu=npu_part("0"))
    model = tables([half_of_an_npu(figures=timed, estimate=None)])[CaseKind.MODEL]
    assert Kind.PREDICTED not in [kind for kind, _ in model.groups]


def test_accuracy_of_a_simulated_execution_stands_under_its_kind():
    model = tables([half_of_an_npu()])[CaseKind.MODEL]
    error = cell(model, "resnet18", "rel. error", board="pi", kind=Kind.SIMULATED)
    assert (error.text, error.sort) == ("4.70", 0.047)
    assert cell(model, "resnet18", "p50", board="pi").title == "means"


def test_exact_figures_stay_at_hand():
    results = sample_results.models()
    model = tables(results)[CaseKind.MODEL]
    exact = results[1].figures.latency_us.p50
    found = cell(model, "resnet18", "p50")
    assert found.text == "6.41"
    assert found.sort == exact
    places = {(one.title, one.kind): at for at, one in enumerate(model.columns)}
    drawn = json.loads(str(model.packed))["columns"][places["p50", Kind.MEASURED]]
    assert float(f"{exact:.9g}") in drawn


def test_a_percentile_of_too_few_runs_is_a_dash_with_its_reason():
    model = tables(sample_results.models())[CaseKind.MODEL]
    found = cell(model, "vit_base_p16_224", "p99")
    assert (found.text, found.sort) == ("–", None)
    assert found.title == "p99 needs 662 runs, there were 192"
    assert model.short_percentiles
    assert not tables(sample_results.models()[:8])[CaseKind.MODEL].short_percentiles


def test_reasons_for_other_dashes():
    model = tables(sample_results.everything())[CaseKind.MODEL]
    assert cell(model, "resnet18", "speed-up", Precision.FP32).title == "stands on the INT8 row"
    assert cell(model, "resnet18", "speed-up", board="virtual-a7").title.startswith("no FP32 latency")
    assert cell(model, "rtmdet_tiny", "p50", Precision.FP32).title == "failed: no figure"
    same = replace(sample_results.figures(5.0), accuracy=Accuracy(1.0, None, 0.0))
    other = replace(sample_results.figures(5.0), accuracy=Accuracy(0.9, 20.0, 0.1))
    rows = [sample_results.result(name, Precision.INT8, figures=f) for name, f in (("a", same), ("b", other))]
    found = cell(tables(rows)[CaseKind.MODEL], "a", "PSNR")
    assert found.title == "identical outputs: no noise"


def test_different_models_with_one_artifact_are_suspicious():
    shared = {"artifact_sha256": "f" * 64}
    rows = [sample_results.result("a", **shared), sample_results.result("b", **shared)]
    rows[1] = replace(rows[1], figures=sample_results.figures(7.0))
    (found,) = identical(rows)
    assert (found.doubt_class, found.cases) == (DoubtClass.IDENTICAL_ARTIFACT, ("a", "b"))
    assert found.evidence[0] == f"artifact SHA-256 {'f' * 64}"


def test_rows_that_share_an_artifact_are_named_by_their_own_models():
    shared = {"artifact_sha256": "f" * 64}
    rows = [sample_results.result(name, onnx_sha256=name * 64, **shared) for name in "ab"]
    rows[1] = replace(rows[1], figures=sample_results.figures(7.0))
    later = replace(
        rows[1], onnx_sha256="c" * 64, artifact_sha256="e" * 64, figures=sample_results.figures(9.0)
    )
    (found,) = identical([*rows, later])
    assert found.evidence[1:] == (f"a: model SHA-256 {'a' * 64}", f"b: model SHA-256 {'b' * 64}")


def test_different_models_with_the_same_times_are_suspicious():
    (found,) = identical([sample_results.result("a"), sample_results.result("b")])
    assert (found.doubt_class, found.cases) == (DoubtClass.IDENTICAL_FIGURES, ("a", "b"))
    assert list(identical(sample_results.everything())) == []


def test_large_counts_are_not_rounded():
    row = replace(sample_results.result("resnet18"), macs=1_814_073_344)
    (table,) = case_tables([row])
    assert table.columns[0].text(0).replace("\u202f", " ") == "1.81"
    assert json.loads(str(table.packed))["columns"][0] == [1_814_073_344]
