"""The command line as a user meets it: real ONNX Runtime, small cases, real processes where they matter."""

import dataclasses
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import uuid
from pathlib import Path

import pytest

from npubench.cli import main
from tests import commands
from tests.commands import npubench
from tests.integration.ssh_server import wait_until
from tests.integration.test_onnx_files import conv, external, write
from tests.integration.test_onnxruntime_backend import endless

QUICK = ["--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "1"]
CASES = ["add_1x3x112x112", "softmax_1x3x112x112"]


def run(out: Path, *words, **more):
    return npubench("run", "--board", "local", *QUICK, "--out", out, *words, **more)


def rows(out: Path) -> list[dict]:
    done = npubench("results", "--json", "--out", out)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def failure_of(out: Path, case: str) -> dict:
    (row,) = [row for row in rows(out) if row["case"] == case and row["status"] == "failed"][:1]
    return row["failure"]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_a_run_ends_with_the_path_of_its_report(out):
    done = commands.process("run", "--board", "local", *QUICK, "--out", out, CASES[0])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {out / 'report.html'}"
    assert "<html" in (out / "report.html").read_text()
    found = rows(out)
    assert {(row["case"], row["precision"]) for row in found} == {(CASES[0], p) for p in ("fp32", "int8")}
    for row in found:
        assert row["kind"] == "measured"
        assert row["onnx_sha256"]
        assert row["command"][:2] == ["npubench", "run"]
        assert (out / row["log_path"]).is_file()


def test_an_unchanged_run_does_nothing_and_fresh_does_all(out):
    def kept() -> dict[Path, int]:
        # The store notes that there was a run.
        files = (
            path for path in out.rglob("*") if path.is_file() and path.name not in {"lock", "results.db"}
        )
        return {path: path.stat().st_mtime_ns for path in files}

    words = (CASES[0], "--precision", "int8")
    run(out, *words)
    before, rows_before = kept(), rows(out)
    again = run(out, *words)
    assert again.returncode == 0
    assert "1 done before" in again.stdout
    assert kept() == before
    assert rows(out) == rows_before
    fresh = run(out, *words, "--fresh")
    assert "done before" not in fresh.stdout
    with sqlite3.connect(out / "results.db") as store:
        assert store.execute("SELECT COUNT(*) FROM results").fetchone() == (2,)
    assert len(rows(out)) == 1


def test_a_dry_run_prints_the_plan_and_touches_nothing(out):
    done = run(out, *CASES, "--dry-run")
    assert done.returncode == 0
    assert "4 cases planned, 0 done, 4 to run" in done.stdout
    assert not out.exists()
    plan = json.loads(run(out, *CASES, "--dry-run", "--json").stdout)
    assert [step["case"] for step in plan] == [c for c in CASES for _ in range(2)]


def test_machines_get_events_as_json_lines(out):
    done = run(out, CASES[0], "--json", "--precision", "fp32")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    stages = [event["stage"] for event in events if event["event"] == "stage_started"]
    assert stages == ["export", "compile", "transfer", "measure"]
    assert [event["event"] for event in events] == [
        "run_started",
        *["stage_started"] * len(stages),
        "job_finished",
        "run_finished",
    ]
    assert [event["stage"] for event in events[1:5]] == ["export", "compile", "transfer", "measure"]
    assert events[-2]["row"]["case"] == CASES[0]


def test_quiet_prints_the_path_alone(out):
    done = run(out, CASES[0], "--quiet", "--precision", "fp32")
    assert done.stderr == ""
    assert done.stdout == f"report: {out / 'report.html'}\n"


def test_a_terminal_gets_a_bar_with_the_stage(out):
    parent, child = pty.openpty()
    words = ["run", *QUICK, "--precision", "fp32", "--out", str(out), *CASES]
    process = subprocess.Popen(
        commands.argv(*words),
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(child)
    text = b""
    while select.select([parent], [], [], 600)[0]:
        try:
            chunk = os.read(parent, 65536)
        except OSError:
            break
        if not chunk:
            break
        text += chunk
    assert process.wait(600) == 0
    assert b"measure" in text
    assert b"2/2" in text
    assert b"\x1b[" in text


BAD_FILES = {
    "truncated": (lambda path: path.write_bytes(conv().SerializeToString()[:-40]), "invalid_model"),
    "text": (lambda path: path.write_text("just some text\n"), "invalid_model"),
    "dynamic": (lambda path: write(path, conv(("n", 3, "h", "w"))), "dynamic_shape"),
    "absent": (lambda path: external(path, "weights.bin"), "external_data"),
    "outside": (lambda path: external(path, "../../etc/passwd"), "external_data"),
    "opset": (lambda path: write(path, conv(opset=999)), "unsupported_opset"),
    "operator": (lambda path: write(path, conv(op="Konv")), "unsupported_operator"),
    "custom": (lambda path: write(path, conv(op="Magic", domain="my.own")), "unsupported_operator"),
}


def test_bad_files_are_rows_and_the_others_go_on(out, tmp_path):
    for name, (make, _) in BAD_FILES.items():
        make(tmp_path / f"{name}.onnx")
    files = [tmp_path / f"{name}.onnx" for name in BAD_FILES]
    done = run(out, *files, CASES[0], "no_such_case", "--precision", "fp32")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    found = {row["case"]: row for row in rows(out)}
    assert found[CASES[0]]["status"] == "ok"
    for name, (_, failure_class) in BAD_FILES.items():
        assert found[name]["failure"]["class"] == failure_class, name
        assert sum(f"] {name} [" in line for line in done.stderr.splitlines()) == 1
    assert found["operator"]["failure"]["operators"] == ["Konv"]
    assert "Magic" in found["custom"]["failure"]["operators"][0]
    assert "no_such_case" not in found
    assert done.stderr.count("'no_such_case'") == 1
    again = run(out, *files, CASES[0], "--precision", "fp32")
    assert again.returncode == 2
    assert "--shape x=1x3x224x224" in again.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["resnet81"], "did you mean 'resnet18'"),
        (["--suite", "defualt"], "did you mean 'default'?"),
        (["nett.onnx"], "did you mean 'net.onnx'?"),
        (["convv3*"], "no operator or model matches 'convv3*'"),
    ],
)
@pytest.mark.parametrize("command", ["run", "convert", "export", "accuracy"])
def test_what_names_nothing_is_a_line_and_no_row(out, tmp_path, monkeypatch, capsys, command, words, says):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "net.onnx")
    more = ["--dataset", "."] if command == "accuracy" else []
    assert main([command, *words, *more, "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not out.exists()


def test_one_shape_for_many_files_applies_where_the_input_is(out, tmp_path, capsys):
    dynamic = write(tmp_path / "dynamic.onnx", conv(("n", 3, "h", "w")))
    other = conv((1, 3, 6, 6))
    other.graph.input[0].name = other.graph.node[0].input[0] = "image"
    fixed = write(tmp_path / "fixed.onnx", other)
    words = [str(dynamic), str(fixed), "--precision", "fp32", *QUICK, "--out", str(out)]
    assert main(["run", *words, "--shape", "x=1x3x12x12"]) == 0
    shapes = {row["case"]: row["input_shapes"] for row in rows(out)}
    assert shapes == {"dynamic": {"x": [1, 3, 12, 12]}, "fixed": {"image": [1, 3, 6, 6]}}
    capsys.readouterr()
    assert main(["run", *words, "--shape", "imagge=1x3x6x6"]) == 2
    assert "no file has an input of that name: did you mean 'image'?" in capsys.readouterr().err


def test_an_unchanged_run_is_no_new_measurement(out, capsys):
    words = ["run", CASES[0], "--precision", "fp32", *QUICK, "--out", str(out)]
    compare = ["compare", "previous", "latest", "--out", str(out)]
    for _ in range(2):
        assert main(words) == 0
    capsys.readouterr()
    assert main([*compare, "--fail-on", "5%"]) == 3
    assert "nothing new was measured by the last run" in capsys.readouterr().out
    assert main([*words, "--fresh"]) == 0
    capsys.readouterr()
    assert main(compare) == 0
    assert "nothing new" not in capsys.readouterr().out
    assert main(words) == 0
    capsys.readouterr()
    assert main(compare) == 0
    assert "nothing new was measured by the last run" in capsys.readouterr().out.splitlines()[2]
    assert main([*compare, "--fail-on", "5%", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)["nothing_new"]
    assert "every planned case (1) was done before" in told
    assert "npubench run --fresh" in told


def test_a_shape_makes_a_dynamic_file_run(out, tmp_path):
    path = write(tmp_path / "net.onnx", conv(("n", 3, "h", "w")))
    assert run(out, path, "--shape", "x=1x3x12x12").returncode == 0
    assert rows(out)[0]["input_shapes"] == {"x": [1, 3, 12, 12]}
    assert run(out, path, "--shape", "x=axb").returncode == 2


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'say "hi"', "a;id", "<script>alert(1)<", "$(id)", "نص\u202e", "x" * 180]
)
def test_odd_names_are_only_names(out, tmp_path, name):
    path = write(tmp_path / f"{name}.onnx")
    done = run(out, path, "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    (row,) = rows(out)
    assert row["case"] == name
    assert (out / row["log_path"]).is_file()
    assert "<script>alert(1)<" not in (out / "report.html").read_text()
    shown = npubench("show", name, "--out", out)
    assert shown.returncode == 0
    assert "\u202e" not in shown.stdout


def test_a_path_with_dots_stays_inside_the_workspace(out, tmp_path):
    (tmp_path / "sub").mkdir()
    write(tmp_path / "net.onnx")
    assert run(out, "../net.onnx", cwd=tmp_path / "sub").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"sub", "net.onnx", "out"}


def test_unknown_names_get_the_nearest(out):
    board = npubench("run", "--board", "locl", "--out", out)
    assert board.returncode == 2
    assert "did you mean 'local'" in board.stderr
    case = run(out, "resnet-18", CASES[0], "--precision", "fp32")
    assert case.returncode == 2
    assert "resnet18" in case.stderr
    mixed = npubench("run", "--board", "locl", "--board", "local", *QUICK, "--out", out, CASES[0])
    assert mixed.returncode == 2
    assert "report:" in mixed.stdout


def test_a_broken_catalogue_file_is_told_by_file_line_and_key(out, tmp_path):
    (tmp_path / "mine/boards").mkdir(parents=True)
    (tmp_path / "mine/boards/a.toml").write_text('name = "mine"\nchip = 3\n')
    (tmp_path / "mine/boards/b.toml").write_text('name = "b"\nchip = \n')
    done = run(out, CASES[0], "--catalog", tmp_path / "mine", "--precision", "fp32")
    assert done.returncode == 2
    assert "a.toml:2" in done.stderr
    assert "chip" in done.stderr
    assert "b.toml:2" in done.stderr
    assert rows(out)[0]["status"] == "ok"


def test_a_hanging_model_ends_at_its_deadline_and_the_others_go_on(out, tmp_path):
    (tmp_path / "m").mkdir()
    endless(tmp_path / "m")
    done = run(out, tmp_path / "m/model.onnx", CASES[0], "--precision", "fp32", "--deadline", "1")
    # A busy machine may not come to the end of the other within that time, either.
    assert done.returncode in {0, 3}
    assert failure_of(out, "model")["class"] == "hang"
    assert {row["case"] for row in rows(out)} == {"model", CASES[0]}


def test_nothing_measured_is_exit_code_3(out, tmp_path):
    (tmp_path / "m").mkdir()
    endless(tmp_path / "m")
    assert run(out, tmp_path / "m/model.onnx", "--precision", "fp32", "--deadline", "1").returncode == 3


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nothing")):
        done = run(out, CASES[0])
        assert done.returncode == 2, out
        assert len(done.stderr.strip().splitlines()) == 1
        assert str(out) in done.stderr or "file" in done.stderr


def mounted(folder: Path, options: str) -> bool:
    folder.mkdir()
    return (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False).returncode
        == 0
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small or a read-only file system")
@pytest.mark.parametrize("options", ["size=64k", "ro"])
def test_a_full_or_read_only_disk_is_one_line(tmp_path, options):
    folder = tmp_path / "small"
    if not mounted(folder, options):
        pytest.skip("this machine does not let root mount")
    try:
        # A process of its own holds no file open when it has ended, so that the folder can be unmounted.
        done = commands.process("run", "--board", "local", *QUICK, "--out", folder / "out", *CASES)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "choose another --out" in done.stderr.splitlines()[-1]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def started(*words) -> subprocess.Popen[str]:
    return subprocess.Popen(
        commands.argv("run", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_rows(out: Path, count: int) -> None:
    def come() -> bool:
        try:
            with sqlite3.connect(f"file:{out / 'results.db'}?mode=ro", uri=True) as store:
                return store.execute("SELECT COUNT(*) FROM results").fetchone()[0] >= count
        except sqlite3.OperationalError:
            return False

    wait_until(come, "the rows")


@pytest.fixture
def waiting(tmp_path):
    """Words of a run that measures two cases, then one that never ends, then two more."""
    (tmp_path / "m").mkdir()
    endless(tmp_path / "m")
    (tmp_path / "m/model.onnx").rename(tmp_path / "m/endless.onnx")
    return [*QUICK, "--precision", "fp32", *CASES, tmp_path / "m/endless.onnx", *LATER]


LATER = ["flatten_1x3x112x112", "transpose_1x3x112x112"]


def test_a_second_run_on_the_same_workspace_says_who_holds_it(out, waiting):
    first = started("--out", out, *waiting)
    try:
        wait_for_rows(out, 1)
        second = run(out, CASES[0])
        assert second.returncode == 2
        assert f"process {first.pid}" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=600)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_stopped_run_loses_nothing_and_the_same_command_continues(out, number, waiting):
    first = started("--out", out, *waiting)
    wait_for_rows(out, 2)
    first.send_signal(number)
    _, errors = first.communicate(timeout=600)
    if number is not signal.SIGKILL:
        assert first.returncode == 130
        assert "the same command continues" in errors
        assert "Traceback" not in errors
        assert "<html" in (out / "report.html").read_text()
    kept = {row["case"] for row in rows(out)}
    assert kept == set(CASES)
    second = npubench("run", "--out", out, *(word for word in waiting if "endless" not in str(word)))
    assert second.returncode == 0, second.stderr
    assert "2 done before" in second.stdout
    with sqlite3.connect(out / "results.db") as store:
        counts = store.execute("SELECT case_name, COUNT(*) FROM results GROUP BY case_name").fetchall()
    assert dict(counts) == dict.fromkeys((*CASES, *LATER), 1)


def test_export_writes_case_files(tmp_path):
    done = npubench("export", "--suite", "ax620a-operators", "--out", tmp_path / "x")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "x").glob("*.onnx"))) == 167
    assert (tmp_path / "x/conv3s1p0d1ic3oc1g1.argmin.onnx").is_file()
    before = (tmp_path / "x/add_1x3x112x112.onnx").stat().st_mtime_ns
    npubench("export", "add_1x3x112x112", "--out", tmp_path / "x")
    assert (tmp_path / "x/add_1x3x112x112.onnx").stat().st_mtime_ns == before


def test_convert_writes_artifacts(tmp_path):
    done = npubench("convert", CASES[0], "--out", tmp_path / "x")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "x").glob("*.onnx")}
    assert names == {f"{CASES[0]}.local.fp32.onnx", f"{CASES[0]}.local.int8.onnx"}
    assert npubench("convert", "nope", "--out", tmp_path / "x").returncode == 2


def processes_with(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def test_a_convert_that_is_ended_leaves_no_worker(tmp_path):
    mark = f"NPUBENCH_TEST_MARK={uuid.uuid4()}"
    name, _, value = mark.partition("=")
    words = commands.argv("convert", "conv*", "--precision", "int8", "--out", tmp_path / "x")
    first = subprocess.Popen(words, env={**os.environ, name: value}, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(processes_with(mark)) >= 2, "a worker")
    first.send_signal(signal.SIGTERM)
    _, errors = first.communicate(timeout=600)
    assert first.returncode == 130, errors
    assert "Traceback" not in errors
    assert processes_with(mark) == []


def test_results_as_table_csv_and_json(out):
    run(out, *CASES, "--precision", "fp32")
    table = npubench("results", "--out", out)
    assert all(case in table.stdout for case in CASES)
    assert "measured" in table.stdout
    csv = npubench("results", "--csv", "--out", out).stdout
    assert len(csv.strip().splitlines()) == 3
    assert [
        row["case"] for row in json.loads(npubench("results", "add*", "--json", "--out", out).stdout)
    ] == [CASES[0]]
    assert npubench("results", "nope", "--out", out).returncode == 2
    shown = npubench("show", CASES[0], "--out", out)
    assert "model SHA-256" in shown.stdout
    assert "--- log" in shown.stdout
    assert npubench("show", "ad_1x3x112x112", "--out", out).returncode == 2


@pytest.mark.parametrize("what", ["boards", "models", "operators", "backends", "suites"])
def test_lists(what):
    assert npubench("list", what).returncode == 0
    assert json.loads(npubench("list", what, "--json").stdout)


def test_doctor_gives_every_missing_thing_its_line():
    found = json.loads(npubench("doctor", "--json").stdout)
    assert any(check["what"] == "backend onnxruntime" and check["usable"] for check in found)
    assert all(check["usable"] or check["fix"] for check in found)


@pytest.mark.parametrize(
    "words", [["rum"], ["run", "--bord", "x"], ["run", "--repeat", "0"], ["list", "things"]]
)
def test_wrong_words_are_one_line_and_exit_code_2(words):
    done = npubench(*words)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_long_line_of_a_log_is_cut_where_it_is_shown(tmp_path, capsys):
    from npubench.cli.results import LOG_LINE, _print_log
    from npubench.storage.hashing import sha256_of_file
    from tests import sample_results

    (tmp_path / "a.log").write_text(f"short\n{'x' * LOG_LINE}\n{'y' * 5000}\n")
    kept = dataclasses.replace(
        sample_results.result(), log_path="a.log", log_sha256=sha256_of_file(tmp_path / "a.log")
    )
    _print_log(kept, tmp_path)
    _, short, whole, cut, _ = capsys.readouterr().out.splitlines()
    assert (short, whole) == ("short", "x" * LOG_LINE)
    assert cut == f"{'y' * LOG_LINE} ... (5000 characters: the file has all)"
