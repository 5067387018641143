"""`--stages`: board benchmarks beside and without models, on this machine."""

from pathlib import Path

import pytest

from npubench.benchmarks.cpu import benchmark as cpu_benchmark
from tests.integration.test_cli_run import QUICK, npubench, rows

EMULATED_MEGPEAK = Path(__file__).parents[1] / "emulators" / "megpeak"


@pytest.fixture
def catalog(tmp_path):
    folder = tmp_path / "catalog" / "boards"
    folder.mkdir(parents=True)
    (folder / "local.toml").write_text(f'[benchmark_options.cpu]\nmegpeak = "{EMULATED_MEGPEAK}"\n')
    return folder.parent


def run(out, catalog, *words):
    return npubench("run", *QUICK, "--out", out, "--catalog", catalog, "--cpu-tool", "megpeak", *words)


def test_a_stage_of_the_board_alone_runs_no_model_and_is_not_done_again(tmp_path, catalog):
    out = tmp_path / "out"
    first = run(out, catalog, "--stages", "cpu")
    assert first.returncode == 0, first.stderr
    (row,) = rows(out)
    assert (row["case"], row["case_kind"], row["backend"]) == ("cpu-megpeak", "cpu", "megpeak")
    assert (row["kind"], row["precision"], row["latency_us"]) == ("measured", None, None)
    assert row["details"]["rows"][6]["row"] == "mla_f32"
    assert row["board_before"]["kernel"]
    again = run(out, catalog, "--stages", "cpu")
    assert "1 done before" in again.stderr
    shown = npubench("show", "cpu-megpeak", "--out", out)
    assert "mla_f32" in shown.stdout
    report = (out / "report.html").read_text()
    assert "cpu-megpeak" in report


def test_stages_of_both_kinds_go_together(tmp_path, catalog):
    out = tmp_path / "out"
    done = run(out, catalog, "--stages", "ops,cpu", "add_1x3x112x112", "resnet18", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    assert [row["case"] for row in rows(out)] == ["add_1x3x112x112", "cpu-megpeak"]


def test_a_megpeak_that_is_not_there_is_a_row_and_exit_code_5(tmp_path):
    out = tmp_path / "out"
    done = npubench(
        "run", "--out", out, "--stages", "cpu", "--cpu-tool", "megpeak", env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 5
    (row,) = rows(out)
    assert (row["failure"]["stage"], row["failure"]["class"]) == ("measure", "tool_missing")


@pytest.mark.parametrize("words", [["--stages", "gpu"], ["--stages", ""], ["--stages", "cpu", "resnet18"]])
def test_what_fits_no_stage_is_a_usage_error_of_one_line(tmp_path, words):
    done = npubench("run", "--out", tmp_path / "out", *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "--stages" in done.stderr


def test_an_option_that_nothing_reads_is_a_usage_error(tmp_path, catalog):
    (catalog / "boards" / "local.toml").write_text('[benchmark_options.cpu]\nmegpaek = "x"\n')
    done = run(tmp_path / "out", catalog, "--stages", "cpu")
    assert done.returncode == 2
    assert "megpaek" in done.stderr


def test_the_own_probe_measures_this_machine(tmp_path, monkeypatch):
    out = tmp_path / "out"
    quick = {name: (mode, 0.1) for name, (mode, _) in cpu_benchmark.MODES.items()}
    monkeypatch.setattr(cpu_benchmark, "MODES", quick)
    done = npubench("run", "--out", out, "--stages", "cpu")
    assert done.returncode == 0, done.stderr
    assert "[1/5] cpu-one-core on local: ok" in done.stderr
    found = {row["case"]: row for row in rows(out)}
    assert len(found) == 5
    for row in found.values():
        assert (row["backend"], row["kind"], row["case_kind"]) == ("cpupeak", "measured", "cpu")
        assert row["artifact_sha256"]
        assert row["tool_version"]["cpupeak"].startswith("sources ")
    one, each = found["cpu-one-core"]["details"], found["cpu-each-core"]["details"]
    assert {row["core"] for row in each["rows"]} == set(one["cores"])
    assert len(found["cpu-all-cores"]["details"]["rows"]) == len(one["rows"])
    listed = npubench("results", "--cpu", "--csv", "--out", out)
    assert listed.stdout.count("\n") > 100
    again = npubench("run", "--out", out, "--stages", "cpu")
    assert "5 done before" in again.stderr


def test_a_board_that_has_no_compiler_says_what_to_install(tmp_path, monkeypatch):
    out = tmp_path / "out"
    boards = tmp_path / "catalog" / "boards"
    boards.mkdir(parents=True)
    (boards / "local.toml").write_text('[benchmark_options.cpu]\ntarget = "armv7"\n')
    (tmp_path / "empty").mkdir()
    places = {"PATH": str(tmp_path / "empty"), "NPUBENCH_CACHE": str(tmp_path / "cache")}
    blocked = tmp_path / "blocked" / "ziglang"
    blocked.mkdir(parents=True)
    (blocked / "__main__.py").write_text("raise SystemExit('no zig')")
    (blocked / "__init__.py").write_text("")
    places["PYTHONPATH"] = str(blocked.parent)
    done = npubench("run", "--out", out, "--catalog", boards.parent, "--stages", "cpu", env=places)
    assert done.returncode == 5, done.stderr
    failures = [row["failure"] for row in rows(out)]
    assert {(failure["stage"], failure["class"]) for failure in failures} == {("compile", "tool_missing")}
    assert all("npubench[probe]" in failure["message"] for failure in failures)


def test_a_deadline_ends_the_probe_and_a_longer_one_tries_again(tmp_path):
    out = tmp_path / "out"
    words = ["run", "--out", out, "--stages", "cpu", "--cpu-tool", "megpeak"]
    boards = tmp_path / "catalog" / "boards"
    boards.mkdir(parents=True)
    slow = tmp_path / "megpeak"
    slow.write_text("#!/bin/sh\necho 'there are 4 cores, currently use core id :0'\nsleep 600\n")
    slow.chmod(0o755)
    (boards / "local.toml").write_text(f'[benchmark_options.cpu]\nmegpeak = "{slow}"\n')
    done = npubench(*words, "--catalog", boards.parent, "--deadline", "1")
    assert done.returncode == 3, done.stderr
    (row,) = rows(out)
    assert (row["failure"]["stage"], row["failure"]["class"]) == ("measure", "hang")
    slow.write_text(f'#!/bin/sh\nexec "{EMULATED_MEGPEAK}"\n')
    again = npubench(*words, "--catalog", boards.parent, "--deadline", "600")
    assert again.returncode == 0, again.stderr
    assert rows(out)[0]["status"] == "ok"
