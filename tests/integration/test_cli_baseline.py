"""`npubench baseline` and `npubench prune` on result folders: names that stay, and what may go."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from npubench.cli import main
from npubench.domain.records import Figures, Kind, Latency
from npubench.storage.store import Store
from tests.sample_results import result

SHA = {name: name * 64 for name in "abcdef"}


def timed(case, us, run, artifact, day=0, root=None):
    medians = (us, us * 1.001, us * 1.002)
    figures = Figures(Kind.MEASURED, Latency(300, us, p50=us, rounds_p50=medians, spread=0.002))
    at = (datetime.now(UTC) - timedelta(days=day)).isoformat()
    files = {}
    if root is not None:
        for kind, name in (("logs", "log_path"), ("samples", "samples_path")):
            file = root / kind / run / f"{case}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x" * 100)
            files[name] = str(file.relative_to(root))
        for kind in ("artifacts", "onnx"):
            folder = root / kind / SHA[artifact]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "model.bin").write_text("x" * 1000)
        (root / "index").mkdir(exist_ok=True)
        entry = {"files": {f"artifacts/{SHA[artifact]}/model.bin": ""}}
        (root / "index" / f"artifact-{artifact}").write_text(json.dumps(entry))
    return result(
        case, run_id=run, figures=figures, started_at=at, artifact_sha256=SHA[artifact],
        onnx_sha256=SHA[artifact], **files,
    )  # fmt: skip


@pytest.fixture
def out(tmp_path):
    """Four runs: `one` in all, `two` in the first alone."""
    root = tmp_path / "out"
    root.mkdir()
    with Store.create(root / "results.db") as store:
        store.append(timed("one", 1000.0, "r1", "a", day=40, root=root))
        store.append(timed("two", 500.0, "r1", "b", day=40, root=root))
        for number, (us, artifact) in enumerate(((1010.0, "c"), (1200.0, "d"), (1300.0, "e")), 2):
            store.append(timed("one", us, f"r{number}", artifact, day=10 * (4 - number), root=root))
    return root


def said(capsys, *words):
    code = main([str(word) for word in words])
    return code, capsys.readouterr()


def test_a_baseline_stays_what_it_was(out, capsys):
    assert said(capsys, "baseline", "set", "release-1.2", "r2", "--out", out)[0] == 0
    for side in ("release-1.2", "baseline", "baseline:release-1.2"):
        code, told = said(capsys, "compare", side, "latest", "--json", "--out", out)
        assert code == 0
        (change,) = json.loads(told.out)["changes"]
        assert change["timed"]["ratio"] == pytest.approx(1300 / 1010, rel=1e-3)
    assert main(["compare", "baseline", "latest", "--fail-on", "5%", "--out", str(out)]) == 1


def test_a_baseline_is_of_every_case_and_not_of_one_run(out, capsys):
    said(capsys, "baseline", "set", "now", "--out", out)
    _, told = said(capsys, "compare", "now", "r1", "--json", "--out", out)
    assert {one["case"] for one in json.loads(told.out)["changes"]} == {"one", "two"}


def test_the_last_one_that_was_set_is_the_baseline(out, capsys):
    for name, run in (("first", "r1"), ("second", "r3"), ("first", "r4")):
        assert said(capsys, "baseline", "set", name, run, "--out", out)[0] == 0
    _, told = said(capsys, "baseline", "list", "--json", "--out", out)
    assert [(one["name"], one["run_id"]) for one in json.loads(told.out)] == [
        ("second", "r3"),
        ("first", "r4"),
    ]
    assert said(capsys, "baseline", "remove", "first", "--out", out)[0] == 0
    _, told = said(capsys, "compare", "baseline", "r4", "--json", "--out", out)
    assert json.loads(told.out)["changes"][0]["timed"]["before_us"] == pytest.approx(1200.0, rel=0.01)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["baseline", "set", "latest"], "no name for a baseline"),
        (["baseline", "set", "../x"], "no name for a baseline"),
        (["baseline", "set", "ok", "r9"], "no row there is of run"),
        (["baseline", "remove", "gone"], "has no baseline"),
        (["compare", "baseline", "latest"], "has no baseline"),
        (["compare", "baseline:gone", "latest"], "has no baseline"),
        (["prune"], "say what stays"),
    ],
)
def test_what_cannot_be_meant_is_one_line(out, capsys, words, hint):
    code, told = said(capsys, *words, "--out", out)
    assert code == 2
    assert hint in told.err
    assert told.err.count("\n") == 1


def cases_of(out):
    with Store.read(out / "results.db") as store:
        return [(row.run_id, row.case) for row in store.rows()]


def test_prune_keeps_the_newest_of_each_case_and_what_it_names(out, capsys):
    code, told = said(capsys, "prune", "--keep-runs", 1, "--dry-run", "--out", out)
    assert (code, told.out.split(" ")[:4]) == (0, ["would", "remove", "3", "rows,"])
    assert len(cases_of(out)) == 5
    assert said(capsys, "prune", "--keep-runs", 1, "--out", out)[0] == 0
    assert cases_of(out) == [("r1", "two"), ("r4", "one")]
    left = {name for name in SHA if (out / "artifacts" / SHA[name]).exists()}
    assert left == {name for name in SHA if (out / "onnx" / SHA[name]).exists()} == {"b", "e"}
    assert {path.name for path in (out / "index").iterdir()} >= {"artifact-b", "artifact-e"}
    assert not (out / "index" / "artifact-a").exists()
    assert sorted(path.name for path in (out / "logs" / "r1").iterdir()) == ["two.txt"]


def test_prune_never_removes_what_a_baseline_names(out, capsys):
    said(capsys, "baseline", "set", "release", "r2", "--out", out)
    assert said(capsys, "prune", "--keep-runs", 1, "--out", out)[0] == 0
    assert cases_of(out) == [("r1", "two"), ("r2", "one"), ("r4", "one")]
    assert (out / "artifacts" / SHA["c"] / "model.bin").is_file()
    assert (out / "samples" / "r2" / "one.txt").is_file()
    assert main(["compare", "release", "latest", "--out", str(out)]) == 0


def test_with_both_options_a_row_goes_when_neither_keeps_it(out, capsys):
    assert said(capsys, "prune", "--keep-days", 15, "--keep-runs", 1, "--out", out)[0] == 0
    assert ("r3", "one") in cases_of(out)
    assert ("r2", "one") not in cases_of(out)


def test_prune_touches_nothing_outside_of_the_folder(out, tmp_path, capsys):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    with Store.create(out / "results.db") as store:
        for run in ("r5", "r6"):
            store.append(result("three", run_id=run, log_path="../precious.txt", samples_path=str(precious)))
    assert said(capsys, "prune", "--keep-runs", 1, "--out", out)[0] == 0
    assert precious.read_text() == "mine"
    assert ("r5", "three") not in cases_of(out)


def test_a_row_without_a_date_is_old(out, capsys):
    with Store.create(out / "results.db") as store:
        for at in ("no date", "2026-01-01T00:00:00"):
            store.append(result("four", run_id="r7", started_at=at))
    assert said(capsys, "prune", "--keep-days", 1, "--out", out)[0] == 0
    assert [case for _, case in cases_of(out)].count("four") == 1
