"""What a command line may give, and how a mistake in it is told."""

import pytest
from click.testing import CliRunner

from npubench.cli import main
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
