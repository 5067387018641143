"""npubench in a notebook: what docs/api.md shows runs as it stands, on rows of a real run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import npubench
from npubench.domain.errors import UsageError
from npubench.domain.records import Kind, Status
from npubench.domain.specs import TimingProtocol
from npubench.engine.plan import CaseOptions, RunOptions
from npubench.engine.run import run_plan
from npubench.engine.session import InputRefused
from npubench.storage.store import Store
from tests import commands, sample_results

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with results of every kind, as the working directory."""
    (tmp_path / "npubench-out").mkdir()
    store = Store.create(tmp_path / "npubench-out" / "results.db")
    for result in sample_results.everything():
        store.append(result)
    store.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_of_the_document_run_as_they_stand(desk):
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    shutil.copy(DOCUMENT.parent / "selection.toml", desk)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    assert len(names["frame"]) == len(sample_results.everything())
    assert len(names["models"])
    assert [row.case for row in names["outcome"].rows] == ["relu_64x112x112"]
    assert len(npubench.load_results()) == len(sample_results.everything()) + 1
    assert "published-ax620a" in {one.board for one in names["decision"].verdicts}


def test_select_from_python_decides_as_the_command_does(desk, capsys):
    toml = DOCUMENT.parent / "selection.toml"
    decision = npubench.select(toml, published=True, boards=("published-ax620a", "rk3588"))
    told = json.loads(
        commands.npubench(
            "select",
            "--requirements",
            str(toml),
            "--published",
            "--json",
            "--board",
            "published-ax620a",
            "--board",
            "rk3588",
        ).stdout
    )
    assert capsys.readouterr().out == ""
    assert [one.board for one in decision.verdicts] == [one["board"] for one in told["verdicts"]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "fp32"}, "no option is called 'precision'"),
        ({"precisions": ["fp99"]}, "no precision is called 'fp99'"),
    ],
)
def test_what_there_is_not_is_refused_in_a_line_and_not_left_out(options, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        npubench.run("relu_64x112x112", out=tmp_path, **options)


def test_a_folder_without_results_is_refused_in_a_line(tmp_path):
    with pytest.raises(UsageError, match="no results at"):
        npubench.load_results(tmp_path)


def test_importing_npubench_imports_nothing_heavy():
    heavy = ("pandas", "numpy", "onnx", "onnxruntime", "msgspec", "click", "paramiko", "typing")
    code = f"import sys; before = set(sys.modules); import npubench; print(set({heavy}) & (set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_public_names_are_listed():
    assert set(npubench.__all__) == {"__version__", "load_results", "run", "select"}


def test_a_run_from_python_gives_the_rows_of_the_command_and_prints_nothing(tmp_path, capfd):
    heard = []
    options = RunOptions(
        CaseOptions(cases=("relu_64x112x112", "no_such_case")),
        tmp_path,
        precisions=("fp32",),
        timing=TimingProtocol(warmup=0, repeat=1, min_duration_s=0.0, rounds=1),
    )
    outcome = run_plan(options, heard.append)
    (row,) = outcome.results
    assert (row.case, row.status, row.figures.kind) == ("relu_64x112x112", Status.OK, Kind.MEASURED)
    assert row.command == ("npubench.run",)
    assert (outcome.failures, outcome.interrupted, outcome.plan.refused) == ((), False, 1)
    assert "no_such_case" in next(event.text for event in heard if isinstance(event, InputRefused))
    with Store.read(tmp_path / "results.db") as store:
        assert store.latest() == [row]
    again = run_plan(options)
    assert again.results == ()
    assert [one.key for one in again.rows] == [row.key]
    assert capfd.readouterr() == ("", "")
