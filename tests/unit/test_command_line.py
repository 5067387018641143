"""What a command line may give, and how a mistake in it is told."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from npubench.cli import main, npubench
from npubench.cli.run import run


@pytest.mark.parametrize("option", ["--wait", "--deadline", "--min-duration"])
@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
def test_what_no_clock_reaches_is_no_number_of_seconds(option, value):
    done = CliRunner().invoke(run, [option, value, "--dry-run"])
    assert done.exit_code == 2
    assert "not a number that can be reached" in done.output


@pytest.mark.parametrize("group", ["probe", "env", "board"])
def test_a_group_without_a_command_shows_its_help_as_lines(group, capsys):
    assert main([group]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"Usage: npubench {group}")
    assert "Commands:" in told


def test_a_missing_choice_is_told_in_one_line(capsys):
    assert main(["list"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "\\" not in told
    assert "boards, models" in told


README = Path(__file__).resolve().parents[2] / "README.md"


def first_screen() -> list[list[str]]:
    """The words of every npubench command before the README's picture."""
    told = README.read_text().partition("![")[0]
    lines = [line.strip() for line in re.findall(r"(?m)^    (.+)$", told)]
    commands = [part.strip() for line in lines for part in line.split("&&")]
    return [shlex.split(one)[1:] for one in commands if one.startswith("npubench ")]


def test_the_readmes_first_screen_holds_four_paths_of_commands_that_there_are():
    found = first_screen()
    assert {words[0] for words in found} >= {"select", "run", "board", "baseline", "gate"}
    titles = re.findall(r"(?m)^    # (.+)$", README.read_text().partition("![")[0])
    assert [title.split()[:2] for title in titles] == [
        *(["Which", "chip"], ["My", "model"], ["My", "board,"], ["My", "CI:"]),
    ]
    for words in found:
        command: click.Command = npubench
        context, words = click.Context(npubench, info_name="npubench"), list(words)
        while isinstance(command, click.Group):
            command = command.get_command(context, words.pop(0))
        assert command is not None
        command.make_context(command.name, words, parent=context)
