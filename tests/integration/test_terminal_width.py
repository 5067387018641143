"""Every table and list fits 80 columns on a pipe, whatever names hold, and gives nothing that steers a terminal."""

from dataclasses import replace

import pytest

from npubench.domain.layout import record_table
from npubench.domain.text import columns_of
from npubench.storage.store import Store
from tests import sample_processors, sample_results
from tests.commands import npubench

LONG = (
    "a_very_long_name_of_a_network_with_a_head_" + "x" * 40,
    "模型" * 30,
    "esc\x1b[31mred\x07\u202e",
    "tab\tand\nbreak",
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Two boards and two precisions, of names that are long, wide or steer a terminal."""
    folder = tmp_path_factory.mktemp("width") / "out"
    folder.mkdir()
    rows = [*sample_results.everything()[:60], *sample_results.hostile(), *sample_processors.rows()]
    # A store is UTF-8: what is none has another form there.
    rows = [row for row in rows if "\udcff" not in f"{row.case}{row.board}"]
    first = [replace(row, board="a-board-with-quite-a-long-name", run_id="first") for row in rows]
    first += [sample_results.result(name, board="模型板", run_id="first") for name in LONG]
    again = [replace(row, key=f"again{row.key[5:]}", run_id="second") for row in first]
    with Store.create(folder / "results.db") as store:
        for row in (*first, *again):
            store.append(row)
    return folder


COMMANDS = {
    "results": ["results"],
    "failed": ["results", "*", "--board", "模型板"],
    "doubts": ["results", "--doubts"],
    "missing operators": ["results", "--missing-operators"],
    "published operators": ["results", "--missing-operators", "--published"],
    "processors": ["results", "--cpu"],
    "against published": ["results", "--against", "published"],
    "published": ["results", "--published", "--chip", "rk3588", "--chip", "ax620a"],
    "published doubts": ["results", "--published", "--doubts", "--chip", "rk3588"],
    "networks": ["results", "--published", "--networks", "--chip", "rk3588"],
    "compare": ["compare", "first", "second"],
    "show": ["show", LONG[1], "--no-log"],
    "environments": ["env", "list"],
    "probes": ["probe", "list"],
    "board": ["board", "check", "local"],
    "doctor": ["doctor"],
    "boards": ["list", "boards"],
    "suites": ["list", "suites"],
    "operators": ["list", "operators", "conv3*"],
    "backends": ["list", "backends"],
}


@pytest.mark.parametrize("columns", ["80", "100"])
@pytest.mark.parametrize("name", COMMANDS, ids=lambda name: name.replace(" ", "-"))
def test_it_fits(name, columns, out, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NPUBENCH_OUT", str(out))
    done = npubench(*COMMANDS[name])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines
    # A word of a command to be copied is never cut.
    wide = [line for line in lines if columns_of(line) > int(columns) and not line.startswith("        ")]
    assert wide == []
    assert not any(ord(character) < 32 or character == "\u202e" for line in lines for character in line)


def test_records_keep_names_and_figures_whole():
    rows = [("a" * 40, "12.5", "several words that say why it is so"), ("b", "7", "short")]
    lines = record_table(("name", "us", "why"), rows, 50, right=("us",))
    assert all(columns_of(line) <= 50 for line in lines)
    assert "a" * 40 in lines
    assert sum("12.5" in line for line in lines) == 1
    assert record_table(("name", "us"), [], 50) == ["name  us"]


def test_records_lose_what_is_dispensable_first():
    rows = [("name", "x" * 30, "y" * 30)]
    assert record_table(("a", "b", "c"), rows, 50, dispensable=("b",))[0].split() == ["a", "c"]
    assert record_table(("a", "b", "c"), rows, 80, dispensable=("b",))[0].split() == ["a", "b", "c"]


def test_a_part_of_a_long_name_is_a_hint(out, monkeypatch):
    monkeypatch.setenv("NPUBENCH_OUT", str(out))
    done = npubench("show", "very_long")
    assert done.returncode == 2
    assert f"did you mean {LONG[0]!r}?" in done.stderr
    assert "did you mean" not in npubench("show", "qqqq").stderr


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["list", "boars"], "boards"),
        (["run", "--precision", "int88"], "int8"),
        (["completion", "fsh"], "fish"),
    ],
)
def test_an_almost_right_word_gets_the_right_one(words, near):
    done = npubench(*words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"(did you mean {near!r}?)" in done.stderr


def test_a_word_that_is_near_none_gets_no_hint():
    assert "did you mean" not in npubench("list", "qqqqqq").stderr
