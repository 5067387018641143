import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npubench.boards.ssh.command import COOKIE, LIMIT_BYTES, command_line, script
from npubench.domain.errors import UsageError

WORDS = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40), max_size=6
)
SHOW = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


def through(shell, line):
    return subprocess.run([*shell, line], capture_output=True, check=True).stdout


@given(WORDS)
@settings(max_examples=20, deadline=None)
@example(["$(id)", "`id`", ";", "'", '"', "\\", "\n", "~", "*", "-n", "", "!", "a b", "ä", "\u2028", "\r"])
def test_any_words_survive_the_shell(words):
    line = command_line([sys.executable, "-c", SHOW, *words], "cookie")
    got = through(["sh", "-c"], line)
    assert got == b"\0".join(word.encode() for word in words)


@given(WORDS)
@settings(max_examples=12, deadline=None)
def test_any_words_survive_a_script(words):
    inner = script('for word in "$@"; do printf "%s\\0" "$word"; done', *words)
    got = through(["sh", "-c"], command_line(inner))
    assert got == b"".join(word.encode() + b"\0" for word in words)


def test_bytes_that_are_no_utf8_survive():
    line = command_line([sys.executable, "-c", SHOW, "\udcff\udc80"])
    assert through(["sh", "-c"], line) == b"\xff\x80"


def test_the_cookie_is_in_the_environment_and_outputs_are_one():
    line = command_line(["sh", "-c", f"echo ${COOKIE}; echo err >&2"], "it's")
    assert through(["sh", "-c"], line) == b"it's\nerr\n"
    assert through(["sh", "-c"], command_line(["sh", "-c", "echo err >&2"], merge=False)) == b""


@pytest.mark.parametrize("argv", [[], [""], ["-x"], ["a", "\0"], ["a", "x" * LIMIT_BYTES]])
def test_what_cannot_be_a_command(argv):
    with pytest.raises(UsageError):
        command_line(argv)
