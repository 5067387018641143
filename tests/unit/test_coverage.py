"""The coverage page says what the records say."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from npubench.cli import npubench
from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass, Figures, Kind, Stage, Status
from npubench.reporting.data.coverage import blocking, document, status, support
from npubench.storage import ledger
from npubench.storage.ledger import Export, note, outcome, read_exports
from npubench.storage.store import Store
from tests.sample_results import result

GOOD = Export(
    "a", "mmpretrain", 2.0, sha256="0" * 64, opset=13, shape="1x3x8x8", macs=2 * 10**9, parameters=10**6
)
BAD = Export("b|<i>", "mmdetection", 4.0, "unsupported_operator", "no\nluck")


def test_a_page_counts_what_ran_and_what_did_not():
    text = document({"a": GOOD, BAD.case: BAD}, {"a": "mmpretrain", "c": "mmpretrain"}, [])
    assert "| mmpretrain | 2 | 1 | 0 | 1 | 100.0% | 2.0 |" in text
    assert "| mmdetection | 1 | 0 | 1 | 0 | 0.0% | 4.0 |" in text
    assert "1 of mmpretrain" in text
    assert "| b\\|&lt;i> | mmdetection | unsupported_operator | no luck |" in text
    assert [status(GOOD), status(BAD), status(None)] == ["exported", "unsupported_operator", "not run"]


def test_the_last_attempt_counts_and_half_a_line_does_not(tmp_path):
    failure = Failure(Stage.EXPORT, FailureClass.HANG, "slow")
    note(tmp_path, outcome("a", "mmpretrain", 1.0, failure))
    note(tmp_path, GOOD)
    with (tmp_path / ledger.EXPORTS).open("a") as stream:
        stream.write('{"case": "z"')
    assert read_exports(tmp_path) == {"a": GOOD}
    assert read_exports(tmp_path / "nothing") == {}


def test_operators_by_backend_and_what_they_block():
    ran = replace(
        result(),
        backend="x",
        operators={"Conv": 2, "Add": 1},
        figures=Figures(Kind.MEASURED, placement={"Conv": "NPU"}),
    )
    refused = replace(
        result(),
        backend="x",
        case="other",
        status=Status.FAILED,
        figures=None,
        failure=Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, "m", ("TopK", "Conv")),
    )
    assert support([ran, refused]) == {
        "Add": {"x": "runs"},
        "Conv": {"x": "unsupported (1 of 2)"},
        "TopK": {"x": "unsupported"},
    }
    assert blocking([ran, refused]) == [("x", "TopK", 1), ("x", "Conv", 1)]


def test_the_command_refuses_a_folder_without_exports(tmp_path):
    done = CliRunner().invoke(npubench, ["coverage", "--exports", str(tmp_path)], standalone_mode=False)
    assert "has no exports" in str(done.exception)


def test_less_than_required_ends_with_1(tmp_path):
    (tmp_path / ".npubench").mkdir()
    name = "resnet18_8xb32_in1k"
    note(tmp_path / ".npubench", replace(GOOD, case=name))
    words = ["coverage", "--exports", str(tmp_path), "--suite", "mmpretrain-classifiers"]
    assert CliRunner().invoke(npubench, words, standalone_mode=False).return_value == 0
    done = CliRunner().invoke(npubench, [*words, "--require", "97"], standalone_mode=False)
    assert done.return_value == 1
    assert "mmpretrain: 0.2% exported, 97% required" in done.stderr


def test_records_of_several_machines_make_one_page_and_say_what_is_missing(tmp_path):
    one, other = "resnet18_8xb32_in1k", "resnet34_8xb32_in1k"
    kept = tmp_path / "kept.jsonl"
    words = ["coverage", "--exports", str(kept), "--suite", "mmpretrain-classifiers"]
    every = CliRunner().invoke(npubench, [*words, "--missing"], standalone_mode=False).stdout.split()
    assert {one, other} < set(every)
    note(tmp_path, replace(BAD, case=one))
    note(tmp_path, replace(GOOD, case=other))
    both = [*words, "--exports", str(tmp_path)]
    page = ["--keep", str(kept), "-o", str(tmp_path / "page.md")]
    assert CliRunner().invoke(npubench, [*both, *page], standalone_mode=False).return_value == 0
    assert kept.read_text().splitlines() == (tmp_path / ledger.EXPORTS).read_text().splitlines()
    left = CliRunner().invoke(npubench, [*words, "--missing"], standalone_mode=False).stdout.split()
    assert set(every) - set(left) == {other}
    # What another machine ran later counts.
    note(_made(tmp_path / "later" / ".npubench"), replace(GOOD, case=one))
    later = ["--exports", str(tmp_path / "later"), "--keep", str(kept)]
    assert CliRunner().invoke(npubench, [*words, *later], standalone_mode=False).return_value == 0
    assert [status(export) for export in read_exports(kept).values()] == ["exported", "exported"]


@pytest.mark.parametrize("line", ["garbage}", '{"case": 1}', "[{}"])
def test_a_file_that_holds_no_records_is_one_line(tmp_path, line):
    file = tmp_path / "kept.jsonl"
    file.write_text(f"{line}\n")
    done = CliRunner().invoke(npubench, ["coverage", "--exports", str(file)], standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    assert str(file) in str(done.exception)
    assert "\n" not in str(done.exception)


def test_the_report_finds_the_attempts_noted_in_its_folder_and_in_others(tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    Store.create(_made(out) / "results.db").close()
    note(out, GOOD)
    note(_made(other / ".npubench"), BAD)
    words = ["report", "--out", str(out), "--exports", str(other)]
    done = CliRunner().invoke(npubench, words, standalone_mode=False)
    assert done.exception is None
    text = (out / "report.html").read_text()
    assert "<bdi>mmpretrain</bdi>" in text
    assert "<bdi>b|&lt;i&gt;</bdi>" in text
    words[-1] = str(tmp_path / "nothing")
    done = CliRunner().invoke(npubench, words, standalone_mode=False)
    assert "has no exports" in str(done.exception)


def _made(folder):
    folder.mkdir(parents=True)
    return folder


def test_the_list_of_models_says_what_was_exported_and_converted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["list", "models", "--status"]
    done = CliRunner().invoke(npubench, words, standalone_mode=False)
    assert "npubench-out has no exports" in str(done.exception)
    store = Store.create(_made(tmp_path / "npubench-out") / "results.db")
    failed = Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, "m")
    row = replace(result(), case="resnet18_8xb32_in1k", backend="x", artifact_sha256="1" * 64)
    store.append(row)
    store.append(replace(row, key="2", backend="y", status=Status.FAILED, figures=None, failure=failed))
    store.close()
    note(tmp_path / "npubench-out", replace(GOOD, case=row.case))
    done = CliRunner().invoke(npubench, [*words, "--json"], standalone_mode=False)
    found = {one["model"]: one for one in json.loads(done.output)}
    wanted = (found[row.case][name] for name in ("export", f"x {row.precision}", f"y {row.precision}"))
    assert tuple(wanted) == ("exported", "converted", "unsupported_operator")
    assert found["resnet34_8xb32_in1k"]["export"] == "not run"
