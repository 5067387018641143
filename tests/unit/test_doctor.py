"""`npubench doctor`: problems first, each with a command that can be copied, in lines that fit."""

import json
import shlex

import pytest

from npubench.cli import main
from npubench.cli.checks import Check, lines_of
from npubench.domain.text import columns_of

INSTALL = ("npubench", "env", "install", "rknn")
CHECKS = (
    Check("python", True, "3.11.7"),
    Check("backend rknn", False, "environment rknn is not installed", " ".join(INSTALL), INSTALL, "board x"),
    Check("backend \x1b[31m漢字", False, "no\u202eway", "put it on PATH"),
    Check("environment rknn", False, "-", " ".join(INSTALL), INSTALL),
    Check("disk", False, "1 GiB free", "free 4 GiB, this tells what takes the room", ("du", "-xhd1", "a b")),
)


def test_problems_come_first_and_one_command_is_said_once():
    assert lines_of(CHECKS, 80) == [
        "not usable: 4 things, each with what makes it so",
        "",
        "  backend rknn: environment rknn is not installed",
        "      for board x",
        "  environment rknn",
        "        npubench env install rknn",
        "",
        "  backend \\x1b[31m漢字: no\\u202eway",
        "    put it on PATH",
        "",
        "  disk: 1 GiB free",
        "    free 4 GiB, this tells what takes the room:",
        "        du -xhd1 'a b'",
        "",
        "usable: 1 thing",
        "",
        "  python  3.11.7",
    ]


@pytest.mark.parametrize("width", [20, 31, 40, 79, 80, 200])
def test_lines_fit(width):
    assert all(columns_of(line) <= width for line in lines_of(CHECKS, width))


@pytest.mark.parametrize("columns", ["40", "80", "130"])
def test_this_machine(columns, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", columns)
    # Nothing is installed there.
    monkeypatch.setenv("NPUBENCH_ENVS", str(tmp_path))
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert all(columns_of(line) <= int(columns) for line in text.splitlines())
    assert (
        text.index("backend rknn") < text.index("usable:", text.index("backend rknn")) < text.index("python")
    )
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all({"what", "usable", "found", "fix", "command", "serves"} == set(check) for check in found)
    missing = [check for check in found if not check["usable"]]
    assert {"backend rknn", "environment openmmlab"} < {check["what"] for check in missing}
    copied = " ".join(text.replace("\\\n", " ").split())
    assert all(check["command"] and check["command"] in copied for check in missing)
    serves = {check["what"]: check["serves"] for check in found}
    assert "rk3588" in serves["backend rknn"]
    assert "local" in serves["backend onnxruntime"]


def test_a_mistake_in_the_catalogue_is_exit_code_2_with_the_line_to_correct(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("EDITOR", "ed -s")
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "b.toml").write_text('title = "x"\nchip = 3\n')
    assert main(["doctor", "--catalog", str(tmp_path)]) == 2
    text = capsys.readouterr().out
    assert text.index("catalogue") < text.index("usable:", 20)
    commands = " ".join(text.replace("\\\n", " ").split())
    assert shlex.join(["ed", "-s", "+2", str(tmp_path / "boards" / "b.toml")]) in commands
