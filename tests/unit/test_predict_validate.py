import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.errors import UsageError
from npubench.predict.answer import Basis, Prediction, Refusal, RefusalKind
from npubench.predict.asked import REQUIRED, AskedRow, number, read_rows
from npubench.predict.presentation import to_csv, to_json, to_text
from npubench.predict.samples import family_of, sample_of, value_of
from npubench.predict.validate import judged
from tests.commands import npubench

HEAD = ",".join((*REQUIRED, "value"))


def asked(**changes):
    texts = dict.fromkeys(("mode", "model", "input", "precision", "source"), "")
    return AskedRow(**{"line": 2, "chip": "C", "metric": "latency", "unit": "ms", **texts, **changes})


def predicted(value, low, high, basis=Basis.KNOWN_NETWORK):
    return Prediction(value, low, high, "ms", "latency", basis)


def table(tmp_path, text):
    file = tmp_path / "rows.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_columns_come_in_any_order_and_others_are_ignored(tmp_path):
    names = [*reversed(REQUIRED), "colour", "value"]
    file = table(tmp_path, ",".join(names) + "\n" + ",".join([*reversed(REQUIRED), "red", "2.5"]) + "\n\n")
    (row,) = read_rows(file)
    assert (row.line, row.chip, row.source, row.value, row.tool) == (2, "chip", "source", 2.5, "")


def test_a_byte_order_mark_and_line_breaks_of_windows_are_read(tmp_path):
    file = table(tmp_path, "\ufeff" + HEAD + "\r\n" + "x," * 8 + "\r\n")
    assert read_rows(file)[0].value is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column 'chip'"),
        (HEAD + "\n", "holds no row"),
        (HEAD.replace("metric", "metrik") + "\n", "no column 'metric' (did you mean 'metrik'?)"),
        (HEAD + ",chip\n", "column 'chip' stands there twice"),
        (HEAD + "\na,b\n", ":2: 2 cells below a head of 9"),
        (HEAD + '\n"a,b\n', "no CSV"),
        (b"\xff\xfe\x00", "no UTF-8"),
    ],
)
def test_a_broken_table_says_what_is_wrong(tmp_path, text, said):
    with pytest.raises(UsageError) as error:
        read_rows(table(tmp_path, text))
    assert said in str(error.value)


@given(st.text())
def test_any_cell_is_a_number_or_none(text):
    value = number(text)
    assert value is None or (value > 0 and math.isfinite(value))


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=9), min_size=9, max_size=9))
def test_any_cells_come_back_or_the_row_is_empty(tmp_path_factory, cells):
    stream = io.StringIO()
    csv.writer(stream).writerows([[*REQUIRED, "value"], cells])
    file = table(tmp_path_factory.mktemp("any"), stream.getvalue())
    if any(map(str.strip, cells)):
        (row,) = read_rows(file)
        assert [getattr(row, name) for name in REQUIRED] == [cell.strip() for cell in cells[:8]]
    else:
        with pytest.raises(UsageError, match="holds no row"):
            read_rows(file)


def test_what_is_no_vision_figure_is_refused_with_its_word():
    refused = sample_of(asked(metric="decode", unit="tokens/s"))
    assert isinstance(refused, Refusal)
    assert (refused.kind, "'decode'" in refused.reason) == (RefusalKind.NOT_VISION, True)
    wrong = sample_of(asked(unit="fps"))
    assert isinstance(wrong, Refusal)
    assert (wrong.kind, "latency in 'fps'" in wrong.reason) == (RefusalKind.INPUT, True)
    unknown = sample_of(asked(chip="RK9999"))
    assert isinstance(unknown, Refusal)
    assert unknown.kind == RefusalKind.CHIP
    assert not isinstance(sample_of(asked(chip="RK3588")), Refusal)


def test_values_become_milliseconds():
    def ms(**words):
        sample = sample_of(asked(chip="RK3588", model="yolov8s", **words))
        assert value_of(sample.row, sample.column, sample.log_ms) == pytest.approx(words["value"])
        return math.exp(sample.log_ms)

    assert ms(unit="us", value=2500.0) == pytest.approx(2.5)
    assert ms(metric="throughput", unit="fps", value=250.0) == pytest.approx(4)
    # A latency is a whole call's, a throughput and a calculate time are an image's.
    assert ms(mode="batch 4", value=8.0) == pytest.approx(2)
    assert ms(mode="batch 4", metric="calculate time", value=8.0) == pytest.approx(8)


def test_totals_are_those_worked_out_by_hand():
    rows = [asked(value=value) for value in (10.0, 10.0, 10.0, None, 10.0)]
    answers = [
        predicted(11, 9, 12),  # 10 %, inside
        predicted(8, 7, 9),  # 20 %, above the band
        predicted(13, 10, 20, Basis.SEEN_OPERATORS),  # 30 %, at the band's end
        predicted(5, 4, 8),  # without a value
        Refusal(RefusalKind.NETWORK, "unknown"),
    ]
    found = judged(rows, answers, "d" * 64, "c" * 64)
    known, seen, every = found.totals
    assert (known.basis, known.answered, known.scored) == ("known network", 3, 2)
    assert known.median_error == pytest.approx(0.15)
    assert known.in_band == 0.5
    assert known.median_log_band == pytest.approx(math.log(12 / 9))  # of ln(12/9), ln(9/7), ln(8/4)
    assert (seen.basis, seen.in_band) == ("seen operators", 1.0)
    assert (every.basis, every.answered, every.mean_error) == ("all", 4, pytest.approx(0.2))
    assert found.refused == (("network unknown", 1),)
    assert [one["predicted"] for one in to_json(found)["rows"]] == [11, 8, 13, 5, None]
    lines = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert [line["predicted"] for line in lines] == ["11", "8", "13", "5", ""]
    assert "20.0 %" in to_text(found)


def test_a_name_steers_neither_terminal_nor_spreadsheet():
    found = judged([asked(model="=cmd()\x1b[2J")], [predicted(1, 1, 2)], "", "")
    assert "'=cmd()" in to_csv(found)
    assert "\x1b" not in to_text(found)


def test_a_table_without_any_answer_ends_in_three(tmp_path):
    file = table(tmp_path, HEAD + "\nno such chip,,m,,int8,latency,ms,s,1\n")
    done = npubench("predict", "--validate", file, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["rows"][0]["predicted"]) == (3, None)
    assert "no such chip" in told["rows"][0]["reason"]


def test_usage_is_one_line(tmp_path):
    done = npubench("predict", "--validate", tmp_path / "none.csv")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert npubench("predict").returncode == 2
    assert npubench("predict", "--validate", "x.csv", "--json", "--csv").returncode == 2


@pytest.mark.parametrize(
    ("network", "family"),
    [
        ("yolov8s-pose", "yolov8"),
        ("yolo11n", "yolo11"),
        ("resnet50-v2", "resnet"),
        ("mobilenetv2-1.0", "mobilenetv2"),
    ],
)
def test_members_of_different_size_are_one_family(network, family):
    assert family_of(network) == family
