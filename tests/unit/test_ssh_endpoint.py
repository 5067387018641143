import contextlib
import getpass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.ssh.config import SshSettings, of_board, of_jump
from npubench.domain.errors import UsageError


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()

    def write(text):
        file = tmp_path / ".ssh" / "config"
        file.write_text(text)
        return file

    return write


def test_without_a_file_openssh_s_defaults_hold(config, tmp_path):
    found = of_board(SshSettings("Pi.lab", ssh_config=tmp_path / "none"))
    assert (found.host, found.port, found.user, found.name) == ("Pi.lab", 22, getpass.getuser(), "pi.lab")
    assert found.keys[0] == tmp_path / ".ssh" / "id_ed25519"
    assert tmp_path / ".ssh" / "known_hosts" in found.known_hosts
    assert (found.jumps, found.proxy_command, found.only_these) == ((), (), False)


def test_the_home_of_nobody_is_told_with_the_file(config):
    file = config("Host pi\nUserKnownHostsFile ~nosuchuser/id\n")
    with pytest.raises(UsageError, match=r"config: '~nosuchuser/id': nobody of that name has a home"):
        of_board(SshSettings("pi", ssh_config=file))


def test_the_board_s_settings_lie_over_the_file(config):
    file = config("Host pi\nHostName 10.0.0.2\nPort 2200\nUser sipeed\nIdentityFile ~/.ssh/pi\n")
    found = of_board(SshSettings("pi", ssh_config=file))
    assert (found.host, found.port, found.user, found.title) == (
        "10.0.0.2",
        2200,
        "sipeed",
        "sipeed@10.0.0.2:2200",
    )
    assert found.keys == (file.parent / "pi",)
    over = of_board(SshSettings("pi", port=22, user="root", key=Path("/k"), ssh_config=file))
    assert (over.port, over.user, over.keys, over.only_these) == (22, "root", (Path("/k"),), True)


def test_jumps_aliases_and_files(config):
    file = config(
        "Include extra\nHost pi\nProxyJump me@gw:2022, second\nHostKeyAlias the-pi\n"
        'UserKnownHostsFile "~/known hosts" none\nIdentitiesOnly yes\n'
    )
    (file.parent / "extra").write_text("Host *\nUser included\n")
    found = of_board(SshSettings("pi", ssh_config=file))
    assert (found.jumps, found.name, found.user, found.only_these) == (
        ("me@gw:2022", "second"),
        "the-pi",
        "included",
        True,
    )
    assert Path.home() / "known hosts" in found.known_hosts
    hop = of_jump("me@gw:2022", (), file)
    assert (hop.user, hop.host, hop.port) == ("me", "gw", 2022)
    assert of_jump("second", ("gw",), file).jumps == ("gw",)


def test_a_proxy_command_knows_where_to(config):
    file = config("Host pi\nHostName 10.0.0.2\nProxyCommand nc -x 'a b' %h %p\n")
    found = of_board(SshSettings("pi", port=2200, ssh_config=file))
    assert found.proxy_command == ("nc", "-x", "a b", "10.0.0.2", "2200")


@pytest.mark.parametrize(
    "text",
    ["Host pi\nPort x\n", "Host pi\nProxyCommand 'open\n", "Include config\n", "Host pi\nPort 70000\n"],
)
def test_a_file_that_cannot_be_used_is_one_line(config, text):
    with pytest.raises(UsageError) as stopped:
        of_board(SshSettings("pi", ssh_config=config(text)))
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize("text", ["", "user@", "gw:x", "gw:0", "gw:70000"])
def test_jumps_that_are_none(config, text):
    with pytest.raises(UsageError, match="is not \\[user@\\]host"):
        of_jump(text, (), config(""))


@pytest.mark.parametrize(
    ("text", "host", "port"), [("[::1]:2022", "::1", 2022), ("[::1]", "::1", 22), ("fe80::1", "fe80::1", 22)]
)
def test_jumps_over_ipv6(config, text, host, port):
    hop = of_jump(text, (), config(""))
    assert (hop.host, hop.port) == (host, port)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_file_gives_an_endpoint_or_a_usage_error(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any_ssh_config"
    file.write_text(text)
    with contextlib.suppress(UsageError):
        assert of_board(SshSettings("pi", ssh_config=file)).host
