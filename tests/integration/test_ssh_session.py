"""The SSH session against the system's real OpenSSH server."""

import os
import sys
from pathlib import Path

import pytest

from npubench.storage.hashing import sha256_of_file


def test_output_and_exit_code(ssh_session):
    done = ssh_session.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 300)
    assert (done.returncode, done.output, done.timed_out, done.truncated) == (3, "out\nerr\n", False, False)
    assert done.argv == ("sh", "-c", "echo out; echo err >&2; exit 3")


def test_output_is_appended_to_the_log(ssh_session, tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    ssh_session.run(["echo", "now"], 20, log)
    assert log.read_text() == "before\nnow\n"


@pytest.mark.parametrize(
    "word",
    ["$(id) `id` ; rm -rf 'x' \"y\" * \n z", "-n", "", "a  b", "\\", "$HOME", "ä\u2028", "\udcff", "~"],
)
def test_words_are_not_read_by_a_shell(ssh_session, word):
    done = ssh_session.run([sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", word], 300)
    assert done.output.strip() == ascii([word])


def test_a_program_that_is_not_there_is_127(ssh_session):
    done = ssh_session.run(["no-such-program"], 300)
    assert done.returncode == 127
    assert "not found" in done.output


def test_standard_input_is_closed(ssh_session):
    assert ssh_session.run(["cat"], 300).returncode == 0


def test_a_signal_is_told(ssh_session):
    for number in (9, 11, 15):
        assert ssh_session.run(["sh", "-c", f"kill -{number} $$"], 300).returncode == -number


def test_put_once_and_get(ssh_session, loopback_sshd, tmp_path):
    source = tmp_path / "a model's $(name) .bin"
    source.write_bytes(os.urandom(3_000_000))
    path = ssh_session.put(source, sha256_of_file(source))
    assert path.is_absolute()
    assert Path(path).read_bytes() == source.read_bytes()
    assert Path(path).parent.parent == loopback_sshd.home / "npu bench"
    ssh_session.get(path, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert not list(tmp_path.glob(".part*"))
