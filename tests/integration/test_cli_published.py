"""`results --published|--doubts|--against` and `import published`, as a user types them."""

import csv
import io
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from npubench.cli import main, npubench
from npubench.domain.records import Figures, Kind, Latency
from npubench.domain.specs import Precision
from npubench.published import figures
from npubench.reporting.data.networks import totals
from npubench.storage.store import Store
from tests import sample_results


def invoke(*words):
    done = CliRunner().invoke(npubench, [str(word) for word in words], standalone_mode=False)
    assert done.exception is None, done.output
    return done.output


@pytest.fixture
def store(tmp_path):
    made = Store.create(tmp_path / "results.db")
    yield made
    made.close()


def own(us=5929.0, **changes):
    figures = Figures(Kind.MEASURED, Latency(99, us * 1.01), npu_time_us=us)
    where = {"board": "axera-pi", "chip": "AX620A", "backend": "pulsar", "figures": figures, "verdict": None}
    return sample_results.result("resnet18_8xb32_in1k", Precision.INT8, **{**where, **changes})


def test_published_rows_are_there_without_any_own_result():
    rows = json.loads(invoke("results", "--published", "--json", "resnet18_8xb32_in1k"))
    assert [(row["kind"], row["origin"], row["estimate"]["origin"]) for row in rows] == [
        ("published", "measured", "simulated")
    ]
    table = list(csv.DictReader(io.StringIO(invoke("results", "--published", "--csv"))))
    assert len(table) == 387 + 4363
    assert {row["kind"] for row in table if row["latency_us.mean"]} == {"published"}
    text = invoke("results", "--published", "resnet18_8xb16_cifar10")
    assert "publ. sim. fps" in text
    assert " published " in text


def test_networks_of_published_figures_have_their_names_and_reasons():
    (found,) = json.loads(
        invoke("results", "--published", "--networks", "--json", "--model", "yolov8s@640x640")
    )
    assert (found["network"], found["height"], found["zoo"]) == (
        *("yolov8s", 640),
        "yolov8_s_syncbn_fast_8xb16-500e_coco",
    )
    publishers = {name["publisher"] for name in found["names"]}
    assert {"hailo-ai/hailo_model_zoo", "sophgo/sophon-demo", "AXERA-TECH/ax-samples"} <= publishers
    assert all(name["reason"] for name in found["names"])
    (other,) = json.loads(
        invoke("results", "--published", "--networks", "--json", "--model", "yolov7-tiny@416x416")
    )
    assert (other["zoo_height"], other["zoo_width"]) == (640, 640)
    assert sum(name["figures"] for name in found["names"]) == found["figures"]
    lines = invoke("results", "--published", "--networks", "--model", "*resnet50*").splitlines()
    assert lines[0].split()[:2] == ["network", "figures"]
    assert any(line.startswith("resnet50-v1-tfslim@224x224") for line in lines)
    none = invoke("results", "--published", "--networks", "--model", "DeepLab V3").splitlines()
    assert none[1].startswith("DeepLab V3 ")
    assert any(line.startswith("2 figures of vision: 0 (0.0%)") for line in none)


def test_nearly_every_figure_of_vision_is_of_a_network_that_is_known():
    total = totals(figures())
    assert total.vision > 3600
    assert total.joined / total.vision >= 0.95


def test_published_doubts_and_missing_operators():
    found = json.loads(invoke("results", "--published", "--doubts", "--json"))
    assert sum(doubt["doubt_class"] == "identical_figures" for doubt in found) == 7
    assert "387 rows: " in invoke("results", "--published", "--doubts")
    assert invoke("results", "--published", "--missing-operators").splitlines()[1].split()[:3] == [
        "TopK",
        "pulsar",
        "61",
    ]


def test_own_rows_beside_published_ones(store, tmp_path):
    store.append(own())
    store.append(replace(own(), board="virtual", emulated=True))
    text = invoke("results", "--against", "published", "--out", tmp_path)
    assert "axera-pi (AX620A, int8) beside published-ax620a: NPU time of both" in text
    assert "1.100" in text
    assert "1 emulated row left out" in text
    (same, *_) = json.loads(invoke("results", "--against", "published", "--json", "--out", tmp_path))
    assert same["lines"][0]["ratio"] == pytest.approx(1.1)


def test_own_rows_beside_the_atlas_with_the_causes_of_a_difference(store, tmp_path):
    figures = Figures(Kind.MEASURED, Latency(99, 20_000.0))
    where = {"board": "rock5", "chip": "RK3588", "tools": {"rknn-toolkit2": "2.1.0"}, "figures": figures}
    store.append(sample_results.result("resnet50-v2-7", Precision.INT8, **where))
    text = invoke("results", "--against", "published", "--out", tmp_path)
    assert "rock5 (RK3588, int8) beside airockchip/rknn_model_zoo, single core" in text
    assert "version: rknn-toolkit2 2.1.0 here, rknn 2.3.2 there" in text
    (one,) = json.loads(invoke("results", "--against", "published", "--json", "--out", tmp_path))
    assert one["lines"][0]["network"] == "resnet50-v2@224x224"
    assert {"kind", "told", "up_to"} == set(one["lines"][0]["causes"][0])


def test_doubts_of_own_rows(store, tmp_path):
    store.append(
        own(board_before=sample_results.state(0), board_after=sample_results.state(1, governor="performance"))
    )
    text = invoke("results", "--doubts", "--out", tmp_path)
    assert "strong board_moved on axera-pi int8" in text
    assert "governor: powersave, then performance" in text
    assert "next: fix clock and governor" in text


def test_earlier_rows_of_a_board_tell_its_usual_clock(store, tmp_path):
    for minute in range(6):
        usual = sample_results.state(minute)
        store.append(own(started_at=f"2026-03-02T09:0{minute}:00", board_before=usual, board_after=usual))
    slow = sample_results.state(7, clocks_mhz=(1200.0,))
    store.append(own(started_at="2026-03-02T09:07:00", board_before=slow, board_after=slow))
    text = " ".join(invoke("results", "--doubts", "--out", tmp_path).split())
    assert "strong unusual_clock on axera-pi int8" in text
    assert "-64% against the median of 7 rows, 3302 MHz" in text
    assert ", 1 of them strong" in text
    assert "1 strong doubt" in invoke("results", "--out", tmp_path)
    invoke("report", "--out", tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "unusual_clock" in page
    assert "Next: fix clock and governor, let the board cool, then measure again" in page


def test_import_says_what_each_column_was_and_adds_nothing_twice(tmp_path):
    text = invoke("import", "published", "--out", tmp_path)
    assert "qps: simulated by its publisher; " in text
    assert "neu_us: measured by its publisher; " in text
    assert "efficiency: not imported; " in text
    assert "387 rows added, 0 imported before" in text
    assert "0 rows added, 387 imported before" in invoke("import", "published", "--out", tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert '<section id="doubts">' in page
    assert "wide-resnet101_8xb32_in1k" in page


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--doubts", "--csv"], "--doubts is a table or --json"),
        (["--doubts", "--missing-operators"], "--missing-operators and --doubts exclude each other"),
        (["--published", "--against", "published"], "leave --published out"),
        (["--published", "resnet19"], "did you mean"),
        (["--published", "--board", "nowhere"], "no results of board 'nowhere'"),
        (["--published", "--board", "published-ax620b"], "(did you mean 'published-ax620a'"),
        (["--against", "rumours"], "rumours"),
        (["--networks"], "--networks goes with --published"),
        (["--published", "--networks", "--csv"], "--networks is a table or --json"),
    ],
)
def test_mistakes_are_one_line(words, told, capsys):
    assert main(["results", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


TABLE = """[[table]]
name = "lab"
file = "lab.csv"
licence = "our own"
source = "https://lab.example/figures"
chip = "X9"

[[table.column]]
name = "ms"
role = "value"
metric = "latency"
unit = "ms"
kind = "measured"
"""


def own_tables(folder, text="model,ms\nresnet18,2.5\n"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lab.toml").write_text(TABLE)
    (folder / "lab.csv").write_text(text)
    return folder


def test_tables_of_ones_own_are_queried_with_the_shipped_ones(tmp_path):
    folder = own_tables(tmp_path / "mine")
    words = ("results", "--published", "--tables", folder, "--chip", "X9", "--json")
    ((row,),) = [json.loads(invoke(*words))]
    assert (row["kind"], row["origin"], row["value"], row["unit"]) == ("published", "measured", 2.5, "ms")
    assert "published, measured" in invoke(*words[:-1])
    assert "1 figure: 0 doubts, 0 of them strong" in invoke(*words[:-1], "--doubts")


def test_own_rows_stand_beside_ones_own_tables(store, tmp_path):
    folder = own_tables(tmp_path / "mine", "model,input,ms\nresnet18,224,2.5\n")
    figures = Figures(Kind.MEASURED, Latency(9, 5000.0))
    where = {"board": "bench", "chip": "X9", "figures": figures}
    store.append(sample_results.result("resnet18_8xb32_in1k", Precision.INT8, **where))
    words = ("results", "--against", "published", "--tables", folder, "--json", "--out", tmp_path)
    (one,) = [one for one in json.loads(invoke(*words)) if one["published_board"] == "lab.example"]
    assert (one["published_chip"], one["lines"][0]["ratio"]) == ("X9", 2.0)


def test_tables_lie_beside_the_catalogue_too(tmp_path, monkeypatch):
    own_tables(tmp_path / "catalogue" / "published")
    monkeypatch.setenv("NPUBENCH_CATALOG", str(tmp_path / "catalogue"))
    assert "resnet18" in invoke("results", "--published", "--chip", "X9")


def test_a_broken_table_beside_the_catalogue_is_told_and_left_out(tmp_path, monkeypatch, capsys):
    own_tables(tmp_path / "published", "model,ms\nresnet18,fast\n")
    monkeypatch.setenv("NPUBENCH_CATALOG", str(tmp_path))
    assert main(["results", "--published", "--chip", "rk3588", "--model", "yolov8n"]) == 0
    said = capsys.readouterr()
    assert "lab.csv:2: column 'ms': 'fast' is no number" in said.err
    assert "yolov8n" in said.out


def test_mistakes_in_a_named_folder_are_all_told_and_end_it(tmp_path, capsys):
    folder = own_tables(tmp_path / "mine", "model,ms\nresnet18,fast\n,3\n")
    assert main(["results", "--published", "--tables", str(folder)]) == 2
    first, second, last = capsys.readouterr().err.splitlines()
    assert "lab.csv:2: column 'ms': 'fast' is no number" in first
    assert "lab.csv:3: column 'model': is empty: fill it in" in second
    assert last == "npubench: 2 mistakes in the folders of --tables: correct them"


def test_a_folder_of_tables_that_is_none_is_told_in_one_line(capsys):
    assert main(["results", "--published", "--tables", "/nowhere"]) == 2
    assert capsys.readouterr().err == "npubench: /nowhere: is no folder: name one with TOML and CSV files\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--chip", "rk3588"], "--chip goes with --published"),
        (["--published", "--chip", "rk3589"], "did you mean 'RK3588'"),
        (["--published", "--chip", "hailo-8", "--precision", "fp32"], "at once"),
        (["--published", "--tables", "nowhere"], "is no folder"),
    ],
)
def test_mistakes_in_a_query_are_told(words, told, capsys):
    assert main(["results", *words]) == 2
    assert told in capsys.readouterr().err
