"""`npubench list WHAT PATTERN`: what a pattern names, and that the list fits the terminal."""

import json

import pytest

from npubench.cli import main
from npubench.domain.text import columns_of


def listed(capsys, *words):
    assert main(["list", *words]) == 0
    return capsys.readouterr().out


def names(capsys, *words):
    return [next(iter(row.values())) for row in json.loads(listed(capsys, *words, "--json"))]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("boards", "RK3588"), ["rk3588"]),
        (("boards", "rk356?"), ["rk3562", "rk3566", "rk3568"]),
        (("boards", "rk3588", "ETHOS-u8*"), ["ethos-u85-512", "rk3588"]),
        (("boards", "llm630"), ["ax630c"]),
        (("suites", "default"), ["default"]),
        (("backends", "*MLIR"), ["tpu-mlir"]),
    ],
)
def test_a_pattern_is_a_part_or_a_glob_whatever_its_case(words, found, capsys):
    assert names(capsys, *words) == found


def test_an_alias_and_a_name_of_the_zoo_are_found(capsys):
    found = names(capsys, "models", "ResNet18")
    assert "resnet18_8xb32_in1k" in found
    assert "yolox_nano_8xb8-300e_coco" in names(capsys, "models", "yolox_nano_8xb8*")
    assert "yolox_nano_8xb8-300e_coco" not in names(capsys, "models")
    assert set(names(capsys, "operators", "convtranspose")) < set(names(capsys, "operators"))


@pytest.mark.parametrize("what", ["boards", "models", "operators", "suites", "backends"])
def test_what_no_pattern_names_is_one_line(what, capsys):
    assert main(["list", what, "qqqqqq"]) == 2
    assert capsys.readouterr().err == (
        f"npubench: no {what[:-1]} matches 'qqqqqq': see `npubench list {what}`\n"
    )


def test_the_nearest_name_is_told(capsys):
    assert main(["list", "boards", "rk3588", "rk3558"]) == 2
    done = capsys.readouterr()
    assert done.out == ""
    assert "did you mean 'rk3588'" in done.err


@pytest.mark.parametrize("columns", ["20", "40", "80", "100", "300"])
@pytest.mark.parametrize("what", ["boards", "models", "operators", "suites", "backends"])
def test_a_list_fits_the_terminal_and_cuts_no_name(what, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    text = listed(capsys, what)
    assert all(columns_of(line) <= int(columns) for line in text.splitlines())
    if columns != "20":
        assert "…" not in text
    if columns == "80":
        whole = text.split()
        assert all(name in whole for name in names(capsys, what) if len(name) <= 80)
