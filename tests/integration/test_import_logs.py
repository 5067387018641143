"""`npubench import logs`: a folder of original logs to the rows that a live run would have given."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from npubench.storage.hashing import sha256_of_file
from tests.emulated_pair import Pair, onnx_file

LOGS = Path(__file__).parents[1] / "data" / "axera" / "logs"


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(LOGS, tmp_path / "logs"))


def imported(pair, folder, *words):
    return pair.npubench("import", "logs", folder, "--board", "axera-pi", "--out", pair.out, *words)


def count(pair):
    with sqlite3.connect(pair.out / "results.db") as connection:
        ((rows,),) = connection.execute("SELECT COUNT(*) FROM results").fetchall()
    return rows


def test_rows_are_those_of_a_live_run(pair, folder):
    done = imported(pair, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "5 cases: 5 added, 0 imported before"
    found = pair.by_case()
    row = found["resnet18"]
    assert (row["board"], row["backend"], row["chip"], row["emulated"]) == (
        "axera-pi",
        "pulsar",
        "AX620A",
        False,
    )
    assert (row["kind"], row["estimate"]["kind"], row["prediction"]["kind"]) == (
        *("measured", "simulated", "predicted"),
    )
    assert row["latency_us"]["mean"] == 5415
    assert row["estimate"]["throughput_fps"] == pytest.approx(800e6 / 19502008)
    assert row["throughput_fps"] == pytest.approx(1e6 / 5415)
    assert row["sampling"]["samples_per_call"] == 1
    assert row["case_kind"] == "model"
    assert found["conv3s2p1d2ic3oc64g1"]["case_kind"] == "operator"
    assert (
        sha256_of_file(pair.out / row["log_path"])
        == row["log_sha256"]
        == sha256_of_file(folder / "resnet18.txt")
    )
    assert "<html" in (pair.out / "report.html").read_text()


def test_a_live_row_has_the_same_columns(pair, folder, tmp_path):
    pair.board("live")
    (pair.root / "config" / "npubench" / "boards" / "live.toml").write_text(
        f'base = "axera-pi"\ntransport = "local"\n[backend_options]\nrun_joint = "{pair.opt / "run_joint"}"\n'
    )
    assert pair.run("--board", "live", onnx_file(tmp_path / "net.onnx")).returncode == 0
    assert imported(pair, folder).returncode == 0
    rows = {(row["board"], row["case"]): row for row in pair.rows()}
    live, old = rows["live", "net"], rows["axera-pi", "resnet18"]
    assert live.keys() == old.keys()
    assert old["details"].keys() == live["details"].keys()
    assert old["estimate"]["details"].keys() <= live["estimate"]["details"].keys()


def test_importing_twice_adds_nothing_and_a_changed_log_is_new(pair, folder):
    imported(pair, folder)
    again = imported(pair, folder)
    assert again.stdout.splitlines()[0] == "5 cases: 0 added, 5 imported before"
    assert count(pair) == 5
    text = (folder / "resnet18.txt").read_text()
    (folder / "resnet18.txt").write_text(text.replace("took 5415 us", "took 5416 us"))
    assert imported(pair, folder).stdout.startswith("5 cases: 1 added, 4 imported before")
    assert pair.by_case()["resnet18"]["latency_us"]["mean"] == 5416


def test_equal_figures_of_different_cases_are_flagged(pair, folder):
    shutil.copy(folder / "resnet18.txt", folder / "mobilenet_v2.txt")
    done = imported(pair, folder)
    assert "equal measured figures of different cases: mobilenet_v2, resnet18" in done.stderr
    assert "conv3s2p1d2ic3oc64g1" not in done.stderr
    warnings = pair.by_case()["mobilenet_v2"]["warnings"]
    assert any("equal those of resnet18" in warning for warning in warnings)


def test_the_old_name_does_the_same(pair, folder):
    done = pair.npubench("import", "pulsar-logs", folder, "--out", pair.out)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "5 cases: 5 added, 0 imported before")
    assert imported(pair, folder).stdout.startswith("5 cases: 0 added, 5 imported before")


def test_a_board_has_to_be_named_and_to_have_logs(pair, folder):
    for words, told in ((["--out", pair.out], "--board"), (["--board", "local"], "reads no logs")):
        done = pair.npubench("import", "logs", folder, *words)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
        assert told in done.stderr


def test_rows_of_live_runs_stand(pair, folder):
    pair.board("axera-pi", emulated=False)
    case = "conv3s2p1d2ic3oc64g1"
    assert pair.run("--board", "axera-pi", case).returncode == 0
    measured = pair.by_case()[case]["latency_us"]["mean"]
    done = imported(pair, folder)
    assert "5 cases: 4 added, 0 imported before, 1 left out" in done.stdout
    assert pair.by_case()[case]["latency_us"]["mean"] == measured
    assert imported(pair, folder, "--name", "published").stdout.startswith("5 cases: 5 added")
    assert {row["board"] for row in pair.rows() if row["case"] == case} == {"axera-pi", "published"}


def test_what_is_no_log_is_a_line_and_costs_only_itself(pair, folder):
    (folder / "picture.txt").write_bytes(os.urandom(100) + b"\0" * 9)
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    (folder / "folder.txt").mkdir()
    os.mkfifo(folder / "pipe.log")
    (folder / "notes.md").write_text("not a log")
    shutil.copy(folder / "resnet18.txt", folder / "resnet18.log")
    done = imported(pair, folder)
    assert done.returncode == 2
    assert "5 cases: 5 added" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 6
    assert all(line.startswith(f"npubench: {folder}/") for line in lines)


@pytest.mark.parametrize("content", [None, {}, {"a.txt": b"\0\1"}, {"a.md": b"text"}])
def test_a_folder_without_logs_is_one_line(pair, tmp_path, content):
    folder = tmp_path / "some"
    if content is not None:
        folder.mkdir()
        for name, data in content.items():
            (folder / name).write_bytes(data)
    done = imported(pair, folder)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(folder) in done.stderr
    assert not pair.out.exists()


def test_a_folder_of_other_files_alone_costs_a_line_for_each(pair, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    for name in ("a.md", "b.txt", "c"):
        (folder / name).write_text("text")
    done = imported(pair, folder)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (2, 3)
    assert all(any(f"/{name} is no log" in line for line in lines) for name in ("a.md", "b.txt", "c"))


@pytest.mark.parametrize(
    "words", [["--board", "axera-py"], ["--name", "a/b"], ["--board", "local", "--name", ""]]
)
def test_wrong_words_are_one_line(pair, folder, words):
    done = imported(pair, folder, *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
