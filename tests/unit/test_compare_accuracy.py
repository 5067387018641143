"""`compare` gates accuracy, too: cosines that fall, worst slices, outputs that are lost, and top-1 for sure."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from npubench.cli import main
from npubench.domain.errors import ExitCode
from npubench.domain.records import Accuracy, Figures, Kind, Latency, NoAccuracy, WorstSlice
from npubench.domain.specs import Precision
from npubench.reporting.compare import formats
from npubench.reporting.compare.accuracy import evaluation_of
from npubench.reporting.compare.change import Outcome, RegressionPolicy
from npubench.reporting.compare.comparison import compare, exit_code
from npubench.reporting.compare.pairing import Side
from npubench.storage.store import Store
from tests import sample_results


def row(cosine=None, worst=None, reason=None, times=True, **more):
    slices = WorstSlice("y", 1, 4, worst) if worst is not None else None
    accuracy = None if cosine is None else Accuracy(cosine, 40.0, 0.1, worst_slice=slices)
    latency = Latency(3, 10.0, rounds_p50=(10.0, 10.0, 10.0), p50=10.0) if times else None
    figures = Figures(Kind.MEASURED, latency, accuracy=accuracy, no_accuracy=reason)
    return replace(sample_results.result(), precision=Precision.INT8, figures=figures, estimate=None, **more)


def against(before, after, limit=0.01, scores=((), ())):
    a, b = (
        Side(label, (one,), scores=told)
        for label, one, told in zip("AB", (before, after), scores, strict=True)
    )
    return compare(a, b, RegressionPolicy(0.05, accuracy=limit))


def outcomes(found):
    return [change.outcome for change in found.changes]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (row(0.999), row(0.98), Outcome.LESS_ACCURATE),
        (row(0.98), row(0.999), Outcome.MORE_ACCURATE),
        (row(0.999), row(reason=NoAccuracy.ALL_ZEROS), Outcome.LESS_ACCURATE),
        (row(0.999, 0.95), row(0.999, 0.0), Outcome.LESS_ACCURATE),
    ],
)
def test_a_cosine_that_changes_by_more_than_the_limit_counts(before, after, expected):
    found = against(before, after)
    assert sorted(outcomes(found)) == sorted([Outcome.SAME, expected])
    regression = expected is Outcome.LESS_ACCURATE
    assert exit_code(found, gated=True) is (ExitCode.REGRESSION if regression else ExitCode.OK)
    assert exit_code(found, gated=False) is ExitCode.OK
    assert outcomes(against(before, after, limit=None)) == [Outcome.SAME]


def test_a_small_fall_and_slices_near_1_need_no_line_beside_a_time():
    assert outcomes(against(row(0.999, 0.99), row(0.995, 0.92))) == [Outcome.SAME]
    # Without a time it is what there is to say.
    (change,) = against(row(0.999, times=False), row(0.995, times=False)).changes
    assert (change.outcome, change.rated.measure) == (Outcome.SAME, "cosine")


def test_a_row_that_lost_its_cosine_says_so():
    found = against(row(0.999), row())
    assert "B has no cosine to compare" in found.changes[0].notes
    for told in (formats.text(found), formats.markdown(found)):
        assert "no cosine in B alone, accuracy not compared: resnet18" in told
    both = replace(row(), precision=Precision.FP32)
    assert against(both, row(0.999)).warnings == ()


def test_what_is_wrong_with_the_outputs_is_the_reason_of_the_fall():
    zeros = row(reason=NoAccuracy.ALL_ZEROS)
    zeros = replace(zeros, figures=replace(zeros.figures, no_accuracy_why="y is all zeros"))
    assert "B: y is all zeros" in formats.text(against(row(0.999), zeros))


def test_a_fall_of_the_very_limit_is_not_beyond_it():
    assert outcomes(against(row(0.99), row(0.98))) == [Outcome.SAME]


def score(value, half=0.02, lost=-0.01, **more):
    told = {
        "case": "resnet18", "board": "local", "backend": "onnxruntime", "precision": "int8", "kind": "measured",
        "emulated": False, "samples": 1000,
        "top1": {"value": value, "low": value - half, "high": value + half},
        "drop_top1": {"value": 0.0, "low": lost, "high": 0.05},
    }  # fmt: skip
    return {**told, **more}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (score(0.90), score(0.85), Outcome.LESS_ACCURATE),
        (score(0.90), score(0.88), Outcome.SAME),
        (score(0.85), score(0.90), Outcome.MORE_ACCURATE),
        # Sure on the same samples, if not from both shares alone.
        (score(0.90), score(0.88, lost=0.001), Outcome.LESS_ACCURATE),
        (score(0.90, lost=0.001), score(0.88, lost=0.001), Outcome.SAME),
    ],
)
def test_a_drop_of_top1_counts_where_its_interval_excludes_0(before, after, expected):
    found = against(row(0.999), row(0.999), scores=((evaluation_of(before),), (evaluation_of(after),)))
    assert [change.outcome for change in found.changes if change.rated] == [expected]
    wrong = expected is Outcome.LESS_ACCURATE
    assert exit_code(found, gated=True) is (ExitCode.REGRESSION if wrong else ExitCode.OK)


def test_every_format_says_what_fell():
    found = against(row(0.999), row(0.95))
    text = formats.text(found)
    assert "measured cosine" in text
    assert "the cosine fell by 0.049, beyond 0.01" in text
    assert "less accurate" in formats.markdown(found)
    (failure,) = ElementTree.fromstring(formats.junit(found)).iter("failure")
    assert failure.get("type") == "less accurate"


@pytest.fixture
def folders(tmp_path):
    for name, cosine, top1 in (("a", 0.999, 0.9), ("b", 0.95, 0.8)):
        (tmp_path / name).mkdir()
        store = Store.create(tmp_path / name / "results.db")
        store.append(row(cosine))
        store.close()
        (tmp_path / name / "accuracy.json").write_text(json.dumps([score(top1)]))
    return str(tmp_path / "a"), str(tmp_path / "b")


def run(*words):
    return main(["compare", *words])


def test_the_command_gates_both_and_off_gates_neither(folders, capsys):
    assert run(*folders, "--fail-on", "5%", "--json") == 1
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert sorted(one["rated"]["measure"] for one in changes if one["rated"]) == ["cosine", "top-1"]
    assert run(*folders, "--fail-on", "5%", "--fail-on-accuracy", "off") == 0
    assert run(*folders) == 0
    capsys.readouterr()
    assert run(*folders, "--fail-on", "5%", "--fail-on-accuracy", "0.2") == 1
    told = capsys.readouterr().out
    assert "top-1 dropped by 10.00 points" in told
    assert "cosine fell" not in told
    assert run(*folders, "--fail-on-accuracy", "much") == 2
    assert run(*folders, "--fail-on-accuracy", ".") == 2


def test_evaluations_are_of_no_run_and_damaged_ones_are_told(folders, tmp_path, capsys):
    assert run("latest", "latest", "--out", folders[0]) == 0
    assert "measured top-1" not in capsys.readouterr().out
    (tmp_path / "b" / "accuracy.json").write_text("[{}, 1]")
    assert run(*folders, "--fail-on", "5%") == 2
    assert "accuracy.json is not what npubench accuracy writes" in capsys.readouterr().err
