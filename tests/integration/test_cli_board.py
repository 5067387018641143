"""`npubench board` against the system's real OpenSSH server."""

import json
import os
import pty
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.boards.ssh import hostkeys
from npubench.boards.ssh.transport import SshTransport
from npubench.cli import main
from npubench.domain.errors import BoardError
from npubench.domain.leases import own_claim
from npubench.storage.hashing import sha256_of_file
from tests.integration.ssh_server import make_key, running


def describe(folder, server, name="pi", **changes):
    """A board description of the user's own."""
    (folder / "boards").mkdir(parents=True, exist_ok=True)
    options = "".join(f"{key} = {json.dumps(value)}\n" for key, value in server.options(**changes).items())
    runner = server.home / "ax_run_model"
    runner.write_text("#!/bin/sh\necho 'ax_run_model version 1.2.3'\n")
    runner.chmod(0o755)
    text = f'name = "{name}"\nbase = "ax630c"\n[transport_options]\n{options}'
    text += f'[backend_options]\nax_run_model = "{runner}"\n'
    (folder / "boards" / f"{name}.toml").write_text(text)


@pytest.fixture
def server(tmp_path, own_config):
    with running(tmp_path / "sshd") as server:
        describe(own_config, server)
        yield server


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Every fact on one line, also where the user's TMPDIR has a long name."""
    monkeypatch.setenv("COLUMNS", "4000")


def board(capsys, *words):
    code = main(["board", *words])
    return code, capsys.readouterr()


def test_check_needs_trust_first(server, capsys):
    code, said = board(capsys, "check", "pi")
    assert code == 4
    assert said.err.count("\n") == 1
    assert server.public_key.fingerprint in said.err
    assert "npubench board trust pi" in said.err


def test_trust_with_the_right_fingerprint_then_check(server, capsys):
    code, said = board(capsys, "trust", "pi", "--fingerprint", server.public_key.fingerprint)
    assert (code, server.public_key.fingerprint in said.out) == (0, True)
    code, said = board(capsys, "check", "pi")
    assert code == 0
    assert os.uname().release in said.out
    assert "pi has all that npubench needs" in said.out
    runner = server.home / "ax_run_model"
    told = f"{runner}: ax_run_model version 1.2.3, SHA-256 {sha256_of_file(runner)}"
    (line,) = [line for line in said.out.splitlines() if line.startswith("ax_run_model")]
    shown = line.split(maxsplit=1)[1]
    assert shown == told
    assert "lease" in said.out
    assert "free" in said.out


def test_check_says_that_the_runner_is_missing(server, capsys):
    server.trust()
    (server.home / "ax_run_model").unlink()
    code, said = board(capsys, "check", "pi")
    assert code == 4
    assert "ax_run_model is missing" in said.err
    assert "backend_options.ax_run_model" in said.err


def test_who_holds_the_board_is_shown_and_can_lose_it(server, capsys):
    server.trust()
    options = {"backend": "pulsar2", "transport": "ssh"}
    session = SshTransport().connect(replace(server.board("pi"), **options))
    session.take(own_claim("their run"))
    assert "(run their run) since" in board(capsys, "check", "pi")[1].out
    assert "--lease takes it away" in board(capsys, "clean", "pi")[1].err
    assert board(capsys, "clean", "pi", "--lease")[0] == 0
    with pytest.raises(BoardError):
        session.run(["true"], 300)
    session.close()


def test_trust_with_another_fingerprint_keeps_nothing(server, capsys, tmp_path):
    other = make_key(tmp_path / "other")
    kind, blob = other.with_suffix(".pub").read_text().split()[:2]
    (line,) = hostkeys.parse(f"x {kind} {blob}", other)
    code, said = board(capsys, "trust", "pi", "--fingerprint", line.key.fingerprint)
    assert code == 4
    assert "nothing was kept" in said.err
    assert not hostkeys.own_file().exists()


def test_trust_asks_only_on_a_terminal(server, capsys, monkeypatch):
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        code, said = board(capsys, "trust", "pi")
    assert code == 2
    assert "--fingerprint" in said.err
    assert not hostkeys.own_file().exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 4), ("\n", 4)])
def test_trust_takes_an_answer(server, answer, code):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "npubench", "board", "trust", "pi"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    until = time.monotonic() + 300
    while b"[y/N]" not in said and time.monotonic() < until:
        said += os.read(ours, 4096)
    os.write(ours, answer.encode())
    assert process.wait(300) == code
    os.close(ours)
    assert server.public_key.fingerprint.encode() in said
    assert hostkeys.own_file().exists() == (code == 0)


def test_trust_of_what_is_known_changes_nothing(server, capsys):
    server.trust()
    before = hostkeys.own_file().read_text()
    code, said = board(capsys, "trust", "pi")
    assert code == 0
    assert "is known already" in said.out
    assert hostkeys.own_file().read_text() == before


def test_trust_does_not_take_a_changed_key(server, capsys):
    server.trust()
    server.stop()
    server.new_host_key()
    server.start()
    code, said = board(capsys, "trust", "pi", "--yes")
    assert code == 4
    assert "has CHANGED" in said.err


def test_trust_goes_through_hops(server, tmp_path, own_config, capsys):
    with running(tmp_path / "gateway") as gateway:
        file = tmp_path / "ssh_config"
        file.write_text(
            f"Host 127.0.0.1\nProxyJump gw\nHost gw\nHostName 127.0.0.1\nPort {gateway.port}\n"
            f"IdentityFile {gateway.client_key}\n"
        )
        describe(own_config, server, ssh_config=str(file))
        wanted = [gateway.public_key.fingerprint, server.public_key.fingerprint]
        code, said = board(capsys, "trust", "pi", *(w for f in wanted for w in ("--fingerprint", f)))
        assert code == 0
        assert said.out.index(wanted[0]) < said.out.index(wanted[1])
        assert board(capsys, "check", "pi")[0] == 0


def test_check_says_what_is_missing(server, own_config, capsys):
    server.trust()
    describe(own_config, server, remote_dir="/etc/passwd/x")
    code, said = board(capsys, "check", "pi")
    assert code == 4
    assert "remote_dir /etc/passwd/x cannot be written" in said.err


def test_clean_removes_what_is_old(server, capsys):
    server.trust()
    folder = server.home / "npu bench"
    for name, age_s in (("a" * 64, 40 * 86_400), ("b" * 64, 5)):
        (folder / name).mkdir(parents=True)
        (folder / name / ".used").write_text(f"{int(time.time()) - age_s} 1048576\n")
    code, said = board(capsys, "clean", "pi")
    assert (code, said.out) == (0, "removed 1 files (1.0 MiB) from pi\n")
    assert board(capsys, "clean", "pi", "--all")[1].out == "removed 1 files (1.0 MiB) from pi\n"
    assert list(folder.iterdir()) == []


def test_the_board_of_a_catalog_folder(server, tmp_path, capsys):
    server.trust()
    describe(tmp_path / "mine", server, "bench")
    assert board(capsys, "check", "bench")[0] == 2
    assert board(capsys, "check", "bench", "--catalog", str(tmp_path / "mine"))[0] == 0


def test_this_machine_can_be_checked_and_not_trusted(own_config, capsys):
    code, said = board(capsys, "check", "local")
    assert code == 0
    assert os.uname().release in said.out
    assert board(capsys, "trust", "local")[0] == 2
    assert board(capsys, "clean", "local")[0] == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"port": 70_000}, "transport_options.port: must be a port"),
        ({"keepalife_s": 1.0}, "did you mean 'keepalive_s'"),
    ],
)
def test_options_that_cannot_be_used(server, own_config, capsys, changes, words):
    describe(own_config, server, **changes)
    code, said = board(capsys, "check", "pi")
    assert code == 2
    assert words in said.err


def test_a_board_that_is_down(server, own_config, capsys):
    server.trust()
    server.stop()
    describe(own_config, server, "down")
    code, said = board(capsys, "check", "down")
    assert code == 4
    assert said.err.count("\n") == 1
