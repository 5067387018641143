"""Why a row has no cosine: a word for each reason in table, page, CSV and JSON; and low accuracy told."""

import csv
import io
import json
from dataclasses import replace

import pytest

from npubench.domain.records import Accuracy, Figures, Kind, Latency, NoAccuracy, Status, WorstSlice
from npubench.domain.specs import Precision
from npubench.reporting.data.accuracy import low_rows
from npubench.reporting.data.rows import row_of
from npubench.reporting.data.summary import summarise
from npubench.reporting.data.table import to_csv, to_json
from npubench.reporting.data.tables import case_tables
from npubench.reporting.sanity import DoubtClass, Strength, doubts
from npubench.reporting.terminal.results import to_text
from tests import sample_results

REASONS = {
    NoAccuracy.IS_REFERENCE: "FP32",
    NoAccuracy.NOT_COMPARED: "not compared",
    NoAccuracy.ALL_ZEROS: "all zeros",
    NoAccuracy.CONSTANT: "constant",
    NoAccuracy.NO_OUTPUTS: "no outputs",
}


def row(case="m", cosine=None, worst=None, reason=None, precision=Precision.INT8, kind=Kind.MEASURED, **more):
    slices = WorstSlice("y", 1, 4, worst) if worst is not None else None
    accuracy = None if cosine is None else Accuracy(cosine, 40.0, 0.1, worst_slice=slices, dead_slices=0)
    figures = Figures(
        kind, Latency(3, 10.0), accuracy=accuracy, no_accuracy=reason, no_accuracy_why="so it is"
    )
    fields = {"case": case, "key": case, "precision": precision, "figures": figures, "estimate": None, **more}
    return replace(sample_results.result(), **fields)


@pytest.mark.parametrize(("reason", "word"), REASONS.items())
def test_every_reason_has_a_word_of_its_own_everywhere(reason, word):
    precision = Precision.FP32 if reason is NoAccuracy.IS_REFERENCE else Precision.INT8
    rows = [row("other", 0.999), row("this", reason=reason, precision=precision)]
    flat = [row_of(one) for one in rows]
    (line,) = (one for one in to_text(flat, 200).splitlines() if one.startswith("this"))
    assert f"  {word}  " in line
    (_, told) = csv.DictReader(io.StringIO(to_csv(flat)))
    assert (told["no_accuracy"], told["no_accuracy_why"]) == (reason.value, "so it is")
    assert json.loads(to_json(flat))[1]["no_accuracy"] == reason.value
    (table,) = case_tables(rows)
    (cosine,) = (column for column in table.columns if column.title == "cosine")
    assert cosine.text(1) == word
    assert cosine.blanks == {1: (word, f"{word}: so it is")}


def test_rows_of_earlier_versions_are_told_by_their_figures():
    def word(**about):
        accuracy = about.pop("accuracy", None)
        old = row(**about)
        return row_of(replace(old, figures=replace(old.figures, accuracy=accuracy)))["no_accuracy"]

    assert word(precision=Precision.FP32) == "is_reference"
    assert word() == "not_compared"
    assert word(accuracy=Accuracy(None, 9.0, 3.0)) == "all_zeros"
    assert word(accuracy=Accuracy(None, None, None, equal=0.9)) is None


def test_a_row_that_was_not_measured_tells_what_its_simulation_does():
    def of(reason):
        simulated = Figures(
            Kind.SIMULATED, no_accuracy=reason, no_accuracy_why="a cell is cut" if reason else ""
        )
        return row_of(row("log", figures=None, estimate=simulated, status=Status.SKIPPED))

    told = of(NoAccuracy.NOT_COMPARED)
    assert told["estimate"]["no_accuracy"] == "not_compared"
    assert told["estimate"]["no_accuracy_why"] == "a cell is cut"
    assert "  not compared  " in to_text([told, row_of(row("other", 0.999, kind=Kind.SIMULATED))], 200)
    assert of(None)["estimate"]["no_accuracy"] is None


def test_whole_numbers_are_shown_as_a_share():
    one = row()
    one = replace(one, figures=replace(one.figures, accuracy=Accuracy(None, None, None, equal=0.98765)))
    assert "0.988 equal" in to_text([row_of(one)], 200)


@pytest.mark.parametrize(
    ("low", "text"),
    [
        (row("bad", 0.97), "0.97000"),
        (row("bad", 0.9999, worst=0.5), "worst slice 0.50000"),
        (row("bad", reason=NoAccuracy.ALL_ZEROS), "all zeros"),
        (row("bad", reason=NoAccuracy.CONSTANT), "constant"),
    ],
)
def test_low_accuracy_is_a_doubt_the_lowest_figure_and_in_the_last_line(low, text):
    rows = [row("good", 0.985, worst=0.95), low]
    (doubt,) = (one for one in doubts(rows) if one.doubt_class is DoubtClass.LOW_ACCURACY)
    assert (doubt.cases, doubt.strength) == (("bad",), Strength.STRONG)
    summary = summarise(rows)
    assert (summary.lowest.case, summary.lowest.accuracy.text, summary.lowest.accuracy.low) == (
        "bad",
        text,
        True,
    )
    assert low_rows(rows).startswith("low accuracy: bad [int8] on ")
    assert text in low_rows(rows)
    assert low_rows(rows[:1]) == ""


def test_many_low_rows_are_counted_beyond_the_first():
    told = low_rows([row(f"m{n}", 0.5 + n / 100) for n in range(5)])
    assert told.endswith("and 2 more")
    assert told.index("m0") < told.index("m1")


def test_a_simulation_counts_for_the_lowest_figure_too():
    summary = summarise([row("board", 0.999), row("simulated", 0.5, kind=Kind.SIMULATED)])
    assert (summary.lowest.case, summary.lowest.kind) == ("simulated", Kind.SIMULATED)
