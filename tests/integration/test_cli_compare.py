"""`npubench compare` on real result folders: words, exit codes, files for CI."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from npubench.cli import main
from npubench.domain.records import FailureClass, Figures, Kind, Latency
from npubench.domain.specs import Precision
from npubench.storage.store import Store
from tests import sample_layers, sample_results
from tests.sample_results import failed, result

HOSTILE = '`|<img src=x onerror=alert(1)>\x1b[31m"&'


def timed(case, us, **changes):
    medians = (us, us * 1.004, us * 1.002)
    figures = Figures(Kind.MEASURED, Latency(300, us, p50=us, rounds_p50=medians, spread=0.004))
    return result(case, **{"figures": figures, **changes})


def write(folder, *rows):
    folder.mkdir(exist_ok=True)
    store = Store.create(folder / "results.db")
    for row in rows:
        store.append(row)
    store.close()
    return folder


@pytest.fixture
def folders(tmp_path):
    a = write(tmp_path / "a", *(timed(case, 1000.0) for case in ("one", "two", "three", HOSTILE)))
    b = write(
        tmp_path / "b",
        timed("one", 1000.0),
        timed("two", 1250.0),
        timed("three", 700.0),
        timed(HOSTILE, 1200.0),
    )
    return a, b


def compare(*words):
    return main(["compare", *map(str, words)])


def test_two_folders(folders, capsys):
    assert compare(*folders) == 0
    text = capsys.readouterr().out
    assert [
        line.split()[-1] for line in text.splitlines() if line.startswith(("one ", "two ", "three "))
    ] == [
        "slower",
        "same",
        "faster",
    ]
    assert "geometric mean of B / A, measured, model, 4 cases: 1.012" in text
    assert "bootstrap over rounds (3 and 3; all resamples), 95 %" in " ".join(text.split())
    assert "\x1b" not in text


def test_the_gate(folders, tmp_path, capsys):
    a, b = folders
    assert compare(a, b, "--fail-on", "5%") == 1
    assert compare(a, b, "--fail-on", "30%") == 0
    assert compare(a, a, "--fail-on", "5%") == 0
    assert compare(b, a, "--fail-on", "50%") == 0
    assert compare(a, b, "--fail-on", "5%", "--require-repeat") == 6
    lost = write(tmp_path / "lost", failed("one", FailureClass.BOARD_LOST), timed("two", 1000.0))
    assert compare(a, lost, "--fail-on", "5%") == 4
    gone = write(tmp_path / "gone", failed("one", FailureClass.TOOL_MISSING), timed("two", 1000.0))
    assert compare(a, gone, "--fail-on", "5%") == 5
    assert compare(a, write(tmp_path / "few", timed("one", 1000.0)), "--fail-on", "5%", "--require-all") == 3
    assert compare(a, write(tmp_path / "other", timed("elsewhere", 1000.0))) == 3
    capsys.readouterr()


def test_files_for_ci(folders, tmp_path, capsys):
    junit, markdown = tmp_path / "ci" / "junit.xml", tmp_path / "ci" / "changes.md"
    assert compare(*folders, "--fail-on", "5%", "--junit", junit, "--markdown", markdown) == 1
    capsys.readouterr()
    (suite,) = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "2", "0")
    failures = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    assert "two" in failures
    assert any("onerror" in name for name in failures)
    text = markdown.read_text()
    assert "| `two` | local | fp32 | measured | 1002 | 1252.5 | 1.250 |" in text
    (hostile,) = [line for line in text.splitlines() if "onerror" in line]
    assert hostile.count("|") == text.splitlines()[text.splitlines().index(hostile) - 1].count("|")
    assert hostile.count("`") == 2


def test_json(folders, capsys):
    assert compare(*folders, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["changes"][0]["outcome"] == "slower"
    assert found["changes"][0]["timed"]["ratio"] == pytest.approx(1.25)


@pytest.fixture
def store(tmp_path):
    """Two runs, two boards, two versions of one tool in one folder."""
    tools = [{"onnxruntime": "1.22.0"}, {"onnxruntime": "1.23.0"}]
    rows = [timed("one", 1000.0 + 200 * i, run_id=f"run-{i}", tools=tools[i]) for i in range(2)]
    other = timed("one", 2000.0, board="other", run_id="run-1", tools=tools[1])
    int8 = timed("one", 400.0, precision=Precision.INT8, run_id="run-1", tools=tools[1])
    return write(tmp_path / "store", *rows, other, int8)


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ("run-0", "run-1,board:local", 1.2),
        ("previous", "latest,board:local", 1.2),
        ("run:run-0", "run:run-1,board:local", 1.2),
        ("local", "other", 2000 / 1200),
        ("board:local", "board:other", 2000 / 1200),
        ("onnxruntime=1.22.0", "tool:onnxruntime=1.23.0,board:local", 1.2),
        ("latest,board:local,precision:fp32", "latest,board:local,precision:int8", 400 / 1200),
    ],
)
def test_words_for_a_side(store, capsys, a, b, ratio):
    assert compare(a, b, "--json", "--out", store) == 0
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change["timed"]["ratio"] == pytest.approx(ratio)


def test_a_folder_may_be_narrowed(store, capsys):
    assert compare(f"{store},run:run-0", f"folder:{store},run:run-1,board:local", "--json") == 0
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change["timed"]["ratio"] == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run-0", "run-2"], "did you mean 'run-1'?"),
        (["run-0", "zzz"], "boards there: local, other; runs: latest, previous, run-0, run-1"),
        (["previuos", "latest"], "did you mean 'previous'?"),
        (["run-0", "precison:fp32"], "begins with no word of a side (did you mean 'precision:'?)"),
        (["run-0", "run:run-9"], "no row there is of run 'run-9' (did you mean 'run-1'?)"),
        (["run-0", "board:lcoal"], "no row there is of board 'lcoal' (did you mean 'local'?)"),
        (["run-0", "backend:onxruntime"], "(did you mean 'onnxruntime'?)"),
        (["run-0", "onnxruntim=1"], "(did you mean 'onnxruntime'?)"),
        (["run-0", "onnxruntime=9"], "versions of onnxruntime there are 1.22.0, 1.23.0"),
        (["run-0", "precision:fp16"], "no row there is of precision 'fp16': there is fp32, int8"),
        (["run-0", "board:a,board:b"], "once"),
        (["run-0", "run-1", "--fail-on", "fast"], "write it as 5%"),
        (["run-0", "run-1", "--fail-on", "-5%"], "5%"),
        (["run-0"], "Missing argument"),
    ],
)
def test_mistakes_are_one_line(store, capsys, words, told):
    assert compare(*words, "--out", store) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_a_folder_whose_name_looks_like_filters(tmp_path, capsys):
    odd = write(tmp_path / "run:1,board:x", timed("one", 1000.0))
    assert compare(odd, odd / "results.db") == 0
    assert "1 same" in capsys.readouterr().out


def test_a_name_of_two_things_has_to_be_told(tmp_path, capsys):
    store = write(tmp_path / "twice", timed("one", 1.0, run_id="local"))
    assert compare("local", "local", "--out", store) == 2
    assert "write run:local or board:local" in capsys.readouterr().err


def test_no_results_there(tmp_path, capsys):
    assert compare("a", "b", "--out", tmp_path) == 2
    assert "no results at" in capsys.readouterr().err


def test_an_emulated_board_is_left_out(tmp_path, capsys):
    a = write(tmp_path / "real", timed("one", 1000.0))
    b = write(tmp_path / "virtual", replace(timed("one", 9000.0), emulated=True))
    assert compare(a, b) == 3
    assert "emulated rows left out: 0 of A, 1 of B" in capsys.readouterr().out


def test_many_rows(tmp_path, capsys):
    rows = sample_results.everything()
    a = write(tmp_path / "all", *rows)
    assert compare(a, a, "--fail-on", "5%") == 0
    assert "slower" not in capsys.readouterr().out.replace("every round was slower", "")


def test_layers_that_changed_are_named_in_every_form(tmp_path, capsys):
    slow = [replace(sample_layers.NET[0], time_us=900.0), *sample_layers.NET[1:]]
    a = write(tmp_path / "a", sample_layers.row(sample_layers.NET))
    b = write(tmp_path / "b", sample_layers.row(slow), timed("other", 5.0))
    pull_request = tmp_path / "pr.md"
    assert compare(a, b, "--layers", "--markdown", pull_request) == 0
    shown = capsys.readouterr().out
    assert "slower  Conv:/net/stem/Conv" in shown
    assert "change of the total +500 us = layers above +500 us" in shown
    assert "`Conv:/net/stem/Conv`" in pull_request.read_text()
    assert compare(a, b, "--layers", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    [change] = told["layers"][0]["named"]
    assert (change["fate"], change["share"], change["difference"]) == ("slower", 1.0, 500.0)
    assert compare(a, b) == 0
    assert "Conv:/net" not in capsys.readouterr().out
