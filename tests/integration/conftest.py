"""Fixtures for boards behind SSH; see `ssh_server`."""

import pytest

from npubench.boards.ssh.transport import SshTransport
from npubench.tools import process
from tests import chromium
from tests.integration.ssh_server import LoopbackSshd, running


@pytest.fixture
def own_config(tmp_path, monkeypatch):
    """npubench's home and configuration folder are the test's own, and there is no agent."""
    folder = tmp_path / "config"
    folder.mkdir()
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder / "npubench"


@pytest.fixture
def loopback_sshd(tmp_path, own_config):
    """A running server whose host key is known."""
    with running(tmp_path / "sshd") as server:
        server.trust()
        yield server
    process.reset()


@pytest.fixture
def ssh_session(loopback_sshd: LoopbackSshd):
    """A session on `loopback_sshd`."""
    session = SshTransport().connect(loopback_sshd.board())
    yield session
    session.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """The address of a real browser that listens."""
    with chromium.browser(tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.fixture
def tab(browser):
    """A new tab of it, as wide as a laptop's."""
    with chromium.tab(browser) as tab:
        tab.resize(1280)
        yield tab
