"""A backend in a package of its own, as docs/backends.md shows it, and two versions of its tool."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.integration.test_environments import make_wheel

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "tests/data/toy-plugin"
PYTHON = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The plugin as installed, a package index with two versions of its tool, and a user's own files."""
    desk = tmp_path_factory.mktemp("desk")
    site = desk / "site"
    shutil.copytree(PLUGIN / "npubench_toy", site / "npubench_toy")
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    info = site / "npubench_toy-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: npubench-toy\nVersion: 0.1\n")
    lines: list[str] = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (desk / "index").mkdir()
    for version in ("1.0", "2.0"):
        make_wheel(desk / "index", version, "toy_compiler")
    toy = site / "npubench_toy/environments/toy.toml"
    toy.write_text(toy.read_text().replace('"3.11"', f'"{PYTHON}"'))
    own = desk / "config/npubench"
    (own / "environments").mkdir(parents=True)
    (own / "boards").mkdir()
    (own / "environments/toy-2.toml").write_text(toy.read_text().replace("==1.0", "==2.0"))
    shutil.copy(PLUGIN / "toy-board.toml", own / "boards")
    newer = 'base = "toy-board"\nname = "toy-board-2"\n[backend_options]\nenvironment = "toy-2"\n'
    (own / "boards/toy-board-2.toml").write_text(newer)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, desk / "relu.onnx")
    return desk


def npubench(desk: Path, *words: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "PYTHONPATH": f"{desk / 'site'}{os.pathsep}{ROOT}",
        "NPUBENCH_ENVS": str(desk / "envs"),
        "XDG_CONFIG_HOME": str(desk / "config"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(desk / "index"),
    }
    return subprocess.run(
        [sys.executable, "-m", "npubench", *words],
        capture_output=True, text=True, cwd=desk, env={**os.environ, **variables}, check=False,
    )  # fmt: skip


def rows(desk: Path, out: str = "out") -> list[dict]:
    return json.loads(npubench(desk, "results", "--json", "--out", out).stdout)


def test_the_backend_says_what_it_lacks_then_runs_and_two_versions_stand_apart(desk):
    asked = ("run", "relu.onnx", "--board", "toy-board", "--board", "toy-board-2", "--out", "out")
    before = npubench(desk, *asked)
    assert before.returncode == 5, before.stderr
    assert "npubench env install toy-2" in before.stderr
    for name in ("toy", "toy-2"):
        made = npubench(desk, "env", "install", name)
        assert made.returncode == 0, made.stderr
        assert "GB)" in made.stdout
    ran = npubench(desk, *asked)
    assert ran.returncode == 0, ran.stderr
    size = (desk / "relu.onnx").stat().st_size
    found = {row["board"]: row for row in rows(desk)}
    for board, version in (("toy-board", "1.0"), ("toy-board-2", "2.0")):
        row = found[board]
        assert row["status"] == "ok"
        assert row["kind"] == "simulated"
        assert row["latency_us"]["mean"] == size
        assert row["tool_version"]["toy-compiler"] == version
    again = npubench(desk, *asked)
    assert "(2 done before)" in again.stdout


CATALOG = ("--catalog", str(PLUGIN / "catalog"))


def test_operator_model_and_suite_are_a_table_each(desk):
    """Each is one table in one file; nothing else names it."""
    listed = npubench(desk, "list", "suites", *CATALOG).stdout
    assert "What the toy is good at" in listed
    planned = npubench(
        desk, "run", "--suite", "toy-suite", "--precision", "fp32", "--dry-run", "--json", *CATALOG
    )
    assert [row["case"] for row in json.loads(planned.stdout)] == ["toy_relu_3", "toy_relu_5", "toy_resnet"]
    ran = npubench(
        desk, "run", "toy_relu_5", "--precision", "fp32", *CATALOG,
        "--repeat", "2", "--rounds", "1", "--min-duration", "0", "--warmup", "0", "--out", "ops",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    (row,) = rows(desk, "ops")
    assert (row["case"], row["op"], row["status"]) == ("toy_relu_5", "Relu", "ok")


def test_a_board_benchmark_is_a_class_and_an_entry_point(desk):
    """Its name is a stage, its rows stand in results, page and frame under a title of their own."""
    ran = npubench(desk, "run", "--stages", "toy-echo", "--out", "echo")
    assert ran.returncode == 0, ran.stderr
    (row,) = rows(desk, "echo")
    assert (row["case"], row["case_kind"], row["backend"], row["status"]) == (
        "echo",
        "benchmark",
        "uname",
        "ok",
    )
    assert row["latency_us"]["n"] == 3
    assert row["tool_version"]["uname"] == "Linux"
    assert "Board benchmarks" in (desk / "echo/report.html").read_text()
    again = npubench(desk, "run", "--stages", "toy-echo", "--out", "echo")
    assert "(1 done before)" in again.stdout


def test_the_document_shows_the_files_that_are_tested():
    document = (ROOT / "docs/backends.md").read_text()
    for file in ("npubench_toy/backend.py", "npubench_toy/worker.py", "npubench_toy/environments/toy.toml"):
        assert (PLUGIN / file).read_text() in document, file
    assert (PLUGIN / "pyproject.toml").read_text() in document
    assert (PLUGIN / "toy-board.toml").read_text() in document
