"""`npubench layers` on real result folders: what is meant, what is said of rows without layers, exit codes."""

import csv
import io
import json
from dataclasses import replace

import pytest

from npubench.cli import main
from npubench.domain.layers import Layer
from npubench.domain.records import Failure, FailureClass, Stage, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.storage.hashing import sha256_of_file
from npubench.storage.store import Store
from tests.sample_layers import NET, row

HOSTILE = "\x1b[31mnet\u202e"


@pytest.fixture
def out(tmp_path):
    store = Store.create(tmp_path / "results.db")
    bare = replace(row(NET).figures, layers=None)
    store.append(row(NET, key="1", case="resnet18"))
    store.append(row(NET, key="2", case="resnet18", board="other"))
    store.append(row(NET, key="3", case="resnet50"))
    store.append(row([replace(NET[0], name=HOSTILE)], key="4", case="hostile"))
    store.append(row(NET, key="5", case="old", figures=bare))
    store.append(row(NET, key="6", case="qnn", figures=bare, backend="qnn"))
    failure = Failure(Stage.COMPILE, FailureClass.CRASH, "it went down")
    store.append(row(NET, key="7", case="broken", figures=None, status=Status.FAILED, failure=failure))
    store.append(
        row(NET, key="8", case="cores", figures=bare, case_kind=CaseKind.CPU, precision=Precision.NONE)
    )
    store.append(row(NET, key="0", case="left", status=Status.SKIPPED, skip_reason="no simulator there"))
    store.close()
    return tmp_path


def layers(out, *words):
    return main(["layers", *words, "--out", str(out)])


def test_a_name_shows_every_board_and_a_board_its_own(out, capsys):
    assert layers(out, "resnet18") == 0
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if line.startswith("resnet18")] == [
        "resnet18 [int8] on desk (X1)",
        "resnet18 [int8] on other (X1)",
    ]
    assert layers(out, "resnet18", "--board", "other") == 0
    assert "on desk" not in capsys.readouterr().out


def test_a_glob_and_the_path_of_a_file_are_taken(out, capsys, tmp_path):
    assert layers(out, "resnet*") == 0
    assert "resnet50 [int8]" in capsys.readouterr().out
    model = tmp_path / "mine" / "resnet50.onnx"
    model.parent.mkdir()
    model.write_bytes(b"a model")
    assert layers(out, str(model)) == 0
    assert "resnet50 [int8]" in capsys.readouterr().out


def test_a_file_is_known_by_its_content_whatever_its_row_is_called(out, capsys, tmp_path):
    model = tmp_path / "renamed.onnx"
    model.write_bytes(b"another model")
    store = Store.create(out / "results.db")
    store.append(row(NET, key="9", case="before", onnx_sha256=sha256_of_file(model)))
    store.close()
    assert layers(out, str(model)) == 0
    assert capsys.readouterr().out.startswith("before [int8]")


def test_a_typo_says_what_is_near_and_a_wrong_board_which_there_are(out, capsys):
    assert layers(out, "resnet81") == 2
    assert "did you mean 'resnet18'" in capsys.readouterr().err
    assert layers(out, "resnet18", "--board", "dask") == 2
    assert "did you mean 'desk'" in capsys.readouterr().err
    assert layers(out, "resnet50", "--precision", "fp32") == 2
    assert "there are those of --board desk --precision int8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (
            "old",
            "its row was made before npubench kept layers, or rknn told none: npubench run old --board desk --precision int8 --simulate --fresh --out",
        ),
        ("qnn", "qnn tells no figures of layers: npubench run qnn --board rk3588 --simulate --out"),
        ("broken", "it failed (compile: crash): npubench show broken --board desk --precision int8 --out"),
        (
            "left",
            "it was skipped (no simulator there): npubench run left --board rk3588 --simulate --out",
        ),
        ("cores", "a case of cpu is no network and has no layers"),
    ],
)
def test_a_row_without_layers_says_why_and_the_command_that_gives_them(out, capsys, case, why):
    assert layers(out, case) == 3
    told = capsys.readouterr()
    assert f"on desk has no layers: {why}" in told.err
    assert told.out == ""


def test_names_of_layers_steer_no_terminal(out, capsys):
    assert layers(out, "hostile") == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[31mnet" in text


def test_json_and_csv_have_every_layer_and_top_says_how_many(out, capsys):
    assert layers(out, "resnet18", "--json", "--board", "desk") == 0
    [told] = json.loads(capsys.readouterr().out)
    assert [one["number"] for one in told["layers"]] == [2, 1, 3, 4]
    assert layers(out, "resnet18", "--csv", "--sort", "order", "--top", "1") == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(one["board"], one["name"]) for one in lines] == [
        ("desk", "Conv:/net/stem/Conv"),
        ("other", "Conv:/net/stem/Conv"),
    ]
    assert layers(out, "resnet18", "--csv", "--json") == 2


def test_a_terminal_shows_the_heaviest_and_says_how_to_see_the_others(out, capsys):
    store = Store.create(out / "results.db")
    store.append(row([Layer(f"l{at}", time_us=1.0 + at) for at in range(30)], key="9", case="deep"))
    store.close()
    assert layers(out, "deep") == 0
    assert "10 more layers: --top 0" in capsys.readouterr().out
    assert layers(out, "deep", "--top", "0") == 0
    assert "more layers" not in capsys.readouterr().out
