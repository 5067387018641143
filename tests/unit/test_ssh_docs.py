"""docs/boards.md lists what there is, and nothing else."""

import re
from pathlib import Path

import click
from msgspec import NODEFAULT
from msgspec.structs import fields

from npubench.boards.ssh.config import SshSettings
from npubench.boards.ssh.facts import TOOLS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "boards.md").read_text(encoding="utf-8")


def table(title):
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line
    ]
    return {row[0].strip("`"): row[1:] for row in rows[2:]}


def shown(default):
    if isinstance(default, (int, float)):
        return f"{default:.15g}"
    return f"`{default}`"


def test_every_option_is_listed_with_its_default():
    listed = table("Options")
    assert list(listed) == [field.name for field in fields(SshSettings)]
    for field in fields(SshSettings):
        told = listed[field.name][0]
        if field.default is NODEFAULT:
            assert told == "required"
        elif field.default is None:
            assert told == "none" or told.startswith("of `~/.ssh/config`")
        else:
            assert told == shown(field.default)


def test_every_tool_is_listed():
    assert {tool: cells[0] for tool, cells in table("What the board needs").items()} == TOOLS


def test_the_page_names_only_commands_that_exist():
    from npubench.cli.board import board

    assert set(re.findall(r"npubench board (\w+)", PAGE)) == set(board.list_commands(click.Context(board)))
