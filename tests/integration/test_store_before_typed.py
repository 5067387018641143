"""A store that the version before figures were typed wrote: read whole, printed as then, and not run again.

Its rows are of every backend, benchmark, importer and way to fail that emulators, recorded logs and this
machine give; `before-typed-keys.json` is what that version printed of it, and what it asked for.
"""

import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.catalog import find_board, load
from npubench.cli import main
from npubench.domain.figures import Figures
from npubench.domain.records import Kind, ToolInfo
from npubench.domain.specs import SIMULATION, FileSpec, Precision, TimingProtocol
from npubench.engine import plan
from npubench.storage.details import typed
from npubench.storage.store import Store
from tests.integration.test_keys_stay import printed

DATA = Path(__file__).parent.parent / "data"
KEYS = json.loads((DATA / "stores" / "before-typed-keys.json").read_text())
BACKENDS = {"onnxruntime", "pulsar", "pulsar2", "rknn", "tpu-mlir", "openvino", "qnn", "ethos-u", "cpupeak"}


@pytest.fixture
def out(tmp_path):
    connection = sqlite3.connect(tmp_path / "results.db")
    connection.executescript((DATA / "stores" / "before-typed.sql").read_text())
    connection.close()
    return tmp_path


def rows_as_written(out):
    with sqlite3.connect(out / "results.db") as connection:
        newest = "SELECT MAX(id) FROM results GROUP BY case_name, board, backend, precision"
        rows = connection.execute(f"SELECT row FROM results WHERE id IN ({newest}) ORDER BY id").fetchall()
    return [json.loads(row) for (row,) in rows]


def rows_as_printed(out, capsys):
    assert main(["results", "--json", "--out", str(out)]) == 0
    return json.loads(capsys.readouterr().out)


def in_words_of_now(warning):
    return re.sub(r"(round medians|repeats) lie ([0-9.]+%) apart", r"\1 differ by \2", warning)


def test_rows_of_every_kind_are_in_it(out):
    rows = rows_as_written(out)
    figures = [one for row in rows for one in (row["figures"], row["estimate"]) if one]
    assert {row["backend"] for row in rows} >= BACKENDS
    assert {row["status"] for row in rows} == {"ok", "failed", "skipped"}
    assert {row["case_kind"] for row in rows} == {"model", "operator", "cpu", "codec"}
    assert {one["kind"] for one in figures} == {"measured", "simulated", "published"}
    reasons = {one["bounds"]["reason"] for one in figures if one["bounds"]}
    assert reasons == {"layers_not_counted", "layers_on_cpu", "part_of_npu"}
    assert any(one["accuracy"] for one in figures)
    assert any(one["sampling"] and one["sampling"]["samples_per_call"] > 1 for one in figures)


def test_what_it_says_is_printed_where_it_was(out, capsys):
    for written, row in zip(rows_as_written(out), rows_as_printed(out, capsys), strict=True):
        assert row["warnings"] == [in_words_of_now(one) for one in written["warnings"]]
        for figures, shown in ((written["figures"], row), (written["estimate"], row["estimate"])):
            if figures is not None:
                assert shown["details"] == figures["details"], row["case"]
                assert (
                    shown["no_accuracy_why"] == figures["no_accuracy_why"] or not figures["no_accuracy_why"]
                )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("results", ["results", "--json"]),
        ("cpu", ["results", "--cpu", "--json"]),
        ("show", ["show", "add_1x3x112x112", "--json"]),
        ("compare", ["compare", "FIRST", "SECOND", "--json"]),
    ],
)
def test_keys_of_json_are_those_of_then(out, capsys, command, words):
    store = Store.read(out / "results.db")
    runs = dict(zip(("FIRST", "SECOND"), KEYS["compared"], strict=True))
    store.close()
    main([*(runs.get(word, word) for word in words), "--out", str(out)])
    data = json.loads(capsys.readouterr().out)
    found = {key for one in (data if isinstance(data, list) else [data]) for key in printed(one)}
    assert set(KEYS[command]) - found == set()


def test_columns_of_csv_are_those_of_then(out, capsys):
    assert main(["results", "--csv", "--out", str(out)]) == 0
    assert set(KEYS["csv"]) - set(capsys.readouterr().out.splitlines()[0].split(",")) == set()


def test_its_page_and_its_cases_are_shown(out, capsys):
    assert main(["report", "--out", str(out)]) == 0
    for case in ("add_1x3x112x112", "cpu-one-core", "decode-h264-1080p", "resnet18"):
        assert main(["show", case, "--out", str(out)]) == 0
        assert case in capsys.readouterr().out


def test_a_run_of_now_asks_for_its_keys(monkeypatch):
    catalog = load(())
    monkeypatch.setattr(plan, "__version__", KEYS["version"])
    for asked in KEYS["asked"]:
        board = replace(
            find_board(catalog, asked["board"]),
            backend_options=asked["backend_options"],
            transport=SIMULATION if asked["simulated"] else "local",
        )
        case = FileSpec(asked["case"], Path()) if asked["file"] else catalog.operators[asked["case"]]
        tool = ToolInfo(board.backend, True, asked["tools"])
        request = plan.Request(
            timing=TimingProtocol(*asked["timing"]), calibration_digest=asked["calibration_digest"]
        )
        (job,) = plan.build(
            [(case, asked["exporter_version"])], [(board, tool)], [Precision(asked["precision"])], request, {}
        ).jobs
        assert job.key == asked["key"], (asked["case"], asked["board"], asked["precision"])


def test_logs_that_it_has_are_not_imported_again(out, tmp_path, capsys):
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in ("rknn_benchmark.txt", "rknn_benchmark_head.txt"):
        (folder / name).write_bytes((DATA / "board-tools" / name).read_bytes())
    words = ["import", "logs", str(folder), "--board", "rk3588", "--name", "logs-rk3588", "--out", str(out)]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("2 cases: 0 added, 2 imported before")


def test_published_counts_that_hold_idle_lanes_say_so():
    """The evidence of a doubt: rows of then did not say it of themselves, and only Pulsar's were published."""
    assert typed(Figures(Kind.PUBLISHED, tool_macs=7, details={"columns": {}})).counts_idle_lanes
    assert not typed(Figures(Kind.MEASURED, tool_macs=7)).counts_idle_lanes
    assert not typed(Figures(Kind.PUBLISHED, details={"columns": {}})).counts_idle_lanes
