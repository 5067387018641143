"""`npubench gate` on this machine: words, exit codes, files for CI."""

import json
from xml.etree import ElementTree

import pytest

from npubench.cli import main

CASE = "net_conv1x1_64to64_7x7"
QUICK = ("--launches", "3", "--launch-time", "0.02")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("gate") / "out"
    words = ["run", CASE, "--precision", "fp32", "--warmup", "1", "--repeat", "3", "--min-duration", "0"]
    assert main([*words, "--rounds", "2", "--quiet", "--out", str(out)]) == 0
    return out


def test_a_run_against_itself(measured, tmp_path, capsys):
    files = ["--junit", str(tmp_path / "gate.xml"), "--markdown", str(tmp_path / "gate.md")]
    assert main(["gate", "latest", "latest", "--json", "--out", str(measured), *QUICK, *files]) == 0
    report = json.loads(capsys.readouterr().out)
    (verdict,) = report["verdicts"]
    assert (verdict["case"], verdict["launches"]) == (CASE, 3)
    assert verdict["baseline_sha256"] == verdict["candidate_sha256"]
    assert report["boards"][0]["same_cases"] == 1
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().find("testsuite").get("tests") == "1"
    assert CASE in (tmp_path / "gate.md").read_text()
    assert len((measured / "gate-launches.jsonl").read_text().splitlines()) == 6


def test_nothing_to_launch(measured, capsys):
    assert main(["gate", "latest", "latest", "--skip-same", "--out", str(measured)]) == 3
    told = capsys.readouterr().out
    assert f"left out: {CASE} [fp32] on local: one artifact on both sides" in told


@pytest.mark.parametrize("words", [["--change", "5"], ["--launches", "2"], ["--launch-time", "nan"]])
def test_wrong_words(measured, words, capsys):
    assert main(["gate", "latest", "latest", "--out", str(measured), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_side_that_names_nothing(measured, capsys):
    assert main(["gate", "lastest", "latest", "--out", str(measured)]) == 2
    assert "did you mean" in capsys.readouterr().err
