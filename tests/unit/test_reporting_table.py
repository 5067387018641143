import csv
import io
import json

import pytest

from npubench.domain.specs import BatchAxes, SamplesFrom
from npubench.domain.text import columns_of
from npubench.measure.statistics import sampled
from npubench.reporting.data.rows import row_of
from npubench.reporting.data.table import to_csv, to_json
from npubench.reporting.terminal.results import to_text
from tests import sample_results


def rows(results):
    return [row_of(result) for result in results]


def parsed(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_text_shows_figures_kinds_and_how_rows_ended():
    text = to_text(rows(sample_results.everything()), 220)
    lines = text.splitlines()
    header, first = lines[0].split(), lines[1].split()
    assert header[:4] == ["case", "board", "precision", "kind"]
    assert first[:4] == ["resnet18", "local", "fp32", "measured"]
    assert "failed: compile: unsupported_operator DeformConv" in text
    assert "skipped: pulsar has no simulator" in text
    assert "virtual-a7 (emulated)" in text
    assert lines[-1] == "134 rows: 128 ok, 5 failed, 1 skipped"


def test_a_mean_stands_in_its_own_column():
    text = to_text(rows(sample_results.emulated()), 160).splitlines()
    assert "mean us" in text[0]
    assert "p99" not in text[0]
    assert "sim. us" in text[0]
    assert "mean us" not in to_text(rows(sample_results.models()), 160)


@pytest.mark.parametrize("width", [80, 100, 132])
def test_text_fits_the_terminal(width):
    for line in to_text(rows(sample_results.everything()), width).splitlines():
        assert columns_of(line) <= width


def test_a_narrow_terminal_keeps_kind_and_status():
    lines = to_text(rows(sample_results.models()), 60).splitlines()
    assert lines[0] == "all rows: board local, kind measured"
    assert lines[2].split() == ["case", "precision", "p50", "us", "status"]


def test_a_rate_without_the_column_for_it_still_says_what_it_comes_from():
    several = [
        sampled(result, BatchAxes((("", axis),), SamplesFrom.OPTION))
        for result, axis in zip(sample_results.models()[:2], (0, None), strict=True)
    ]
    narrow = next(
        text
        for text in (to_text(rows(several), width) for width in range(160, 60, -1))
        if "fps counts" not in text and "  fps" in text
    )
    assert "\nfps: from the mean latency; samples a call: 1" in narrow
    assert "samples a call" not in to_text(rows(several), 160)
    assert "samples a call" not in to_text(rows(several), 60)


def test_names_cannot_steer_the_terminal():
    text = to_text(rows(sample_results.hostile()), 120)
    assert not any(ord(c) < 32 for c in text.replace("\n", ""))
    assert "\u202e" not in text
    assert text.splitlines()[-1] == "48 rows: 36 ok, 12 failed, 0 skipped"
    starts = [line for line in text.splitlines()[1:-2] if not line.startswith(" ")]
    assert len(starts) == len(sample_results.hostile())


def long_names(count):
    """Names that are alike at both ends, of which no one could tell once their middle is gone."""
    return [
        f"a_network_of_mine_with_variant_{number:02d}_and_a_head_for_detection" for number in range(count)
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_names_that_would_be_alike_stand_whole(width):
    lines = to_text(rows(map(sample_results.result, long_names(12))), width).splitlines()
    assert all(columns_of(line) <= width for line in lines)
    joined = "".join(lines)
    assert [name for name in long_names(12) if name not in joined] == []


@pytest.mark.parametrize("width", [80, 100])
def test_shortened_names_stay_different(width):
    names = [f"conv3s1p{pad}d{step}ic3oc{out}g1" for pad in "012" for step in "12" for out in (1, 64, 512)]
    text = to_text(rows(sample_results.result(name, board="a-board") for name in names), width)
    firsts = [line.split("  ")[0] for line in text.splitlines() if line.startswith("conv")]
    assert len(set(firsts)) == len(names)


def test_a_wide_terminal_has_whole_names_and_all_columns():
    lines = to_text(rows(map(sample_results.result, long_names(3))), 220).splitlines()
    assert "cosine" in lines[0]
    assert lines[1].startswith(long_names(1)[0])


def test_no_rows_is_said():
    assert to_text([], 80) == "no results"
    assert to_json([]) == "[]"
    assert parsed(to_csv([])) == []
    assert to_csv([]).startswith("key,run_id,")


def test_csv_has_one_column_per_figure():
    found = parsed(to_csv(rows(sample_results.everything())))
    assert len(found) == 134
    first = found[0]
    assert first["case"] == "resnet18"
    assert float(first["latency_us.p50"]) == sample_results.everything()[0].figures.latency_us.p50
    assert first["estimate.kind"] == ""
    assert json.loads(first["input_shapes"]) == {"input": [1, 3, 224, 224]}
    failed = next(row for row in found if row["case"] == "rtmdet_tiny")
    assert failed["latency_us.p50"] == failed["kind"] == ""
    assert failed["failure.class"] == "unsupported_operator"
    simulated = next(row for row in found if row["estimate.kind"])
    assert simulated["kind"] == "measured"
    assert float(simulated["estimate.latency_us.mean"]) != float(simulated["latency_us.mean"])


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(name):
    (row,) = parsed(to_csv(rows([sample_results.result(name)])))
    assert not row["case"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["case"].endswith(name.strip())


def test_negative_numbers_stay_numbers():
    result = sample_results.result(seeds={"calibration": -1}, duration_s=-2.5)
    (row,) = parsed(to_csv(rows([result])))
    assert row["duration_s"] == "-2.5"


def test_json_is_the_rows():
    given = rows([*sample_results.everything(), *sample_results.hostile()])
    text = to_json(given)
    assert text.isascii()
    assert json.loads(text) == given
