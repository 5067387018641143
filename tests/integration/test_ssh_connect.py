"""Who may connect to whom: host keys, logins, hops, ~/.ssh/config; against the system's real OpenSSH server."""

import os
import shutil
import subprocess
import tempfile
from getpass import getuser
from pathlib import Path

import pytest

from npubench.boards.ssh import hostkeys
from npubench.boards.ssh.facts import TOOLS
from npubench.boards.ssh.transport import SshTransport
from npubench.domain.errors import BoardError, UsageError
from npubench.domain.specs import BoardSpec
from npubench.storage.hashing import sha256_of_file
from tests.integration.ssh_server import LoopbackSshd, make_key, running, wait_until

CIPHERS_OF_DROPBEAR = "Ciphers aes128-ctr,aes256-ctr"
RIGHT_PASSWORD = "right horse"
SHADOW = "$6$npubench$yM08jkA.HyixgyJT.dltYniqu0XyIwvWw6mn.inCH41FBv7c.VpMxX1DbsyYQwizs/hU.14KSoyvxsZ0RbgOl/"
"""crypt(3) of RIGHT_PASSWORD."""


def says_hello(board: BoardSpec) -> bool:
    session = SshTransport().connect(board)
    try:
        return session.run(["echo", "hello"], 300).output == "hello\n"
    finally:
        session.close()


def config_file(server: LoopbackSshd, text: str) -> Path:
    file = server.folder / "ssh_config"
    file.write_text(text)
    return file


def by_config(server: LoopbackSshd, text: str, host: str = "pi") -> BoardSpec:
    """A board whose address, login and key all come from ssh_config."""
    options = server.options(host=host, ssh_config=str(config_file(server, text)))
    for key in ("port", "user", "key"):
        del options[key]
    return BoardSpec("pi", "pi", "cpu", "ssh", "fake", (), transport_options=options)


def entry(server: LoopbackSshd, *lines: str, host: str = "pi") -> str:
    return "\n".join(
        [
            f"Host {host}",
            f"HostName {server.address}",
            f"Port {server.port}",
            f"User {getuser()}",
            f"IdentityFile {server.client_key}",
            *lines,
            "",
        ]
    )


@pytest.fixture
def stranger(tmp_path, own_config):
    """A running server whose host key nobody knows."""
    with running(tmp_path / "sshd") as server:
        yield server


def test_an_unknown_host_key_stops_with_its_fingerprint_and_what_to_do(stranger):
    listed = subprocess.run(
        ["ssh-keygen", "-lf", str(stranger.host_key)], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    with pytest.raises(BoardError) as stopped:
        SshTransport().connect(stranger.board("pi"))
    assert listed in str(stopped.value)
    assert "npubench board trust pi" in str(stopped.value)


def test_a_changed_host_key_always_stops(loopback_sshd):
    transport = SshTransport()
    transport.connect(loopback_sshd.board()).close()
    loopback_sshd.stop()
    loopback_sshd.new_host_key()
    loopback_sshd.start()
    with pytest.raises(BoardError, match="has CHANGED"):
        transport.connect(loopback_sshd.board(reboot_wait_s=1.0))


def test_a_revoked_host_key_stops(loopback_sshd):
    file = hostkeys.own_file()
    file.write_text(f"@revoked {file.read_text()}")
    with pytest.raises(BoardError, match="is revoked"):
        SshTransport().connect(loopback_sshd.board())


@pytest.mark.parametrize("hashed", [False, True])
def test_the_known_hosts_of_openssh_is_believed(stranger, hashed):
    folder = Path.home() / ".ssh"
    folder.mkdir()
    known = folder / "known_hosts"
    scan = ["ssh-keyscan", "-p", str(stranger.port), "127.0.0.1"]
    known.write_text(subprocess.run(scan, capture_output=True, text=True, check=True).stdout)
    if hashed:
        subprocess.run(["ssh-keygen", "-H", "-f", str(known)], capture_output=True, check=True)
        assert "127.0.0.1" not in known.read_text()
    assert says_hello(stranger.board())


def test_the_known_type_is_asked_for_of_a_server_with_several(tmp_path, own_config):
    ecdsa = make_key(tmp_path / "ecdsa", "ecdsa")
    with running(tmp_path / "sshd", f"HostKey {ecdsa}") as server:
        kind, blob = ecdsa.with_suffix(".pub").read_text().split()[:2]
        hostkeys.own_file().parent.mkdir(parents=True)
        hostkeys.own_file().write_text(f"{server.name} {kind} {blob}\n")
        assert says_hello(server.board())


def test_no_key_that_is_accepted(tmp_path, own_config):
    with running(tmp_path / "sshd", accepts=False) as server:
        server.trust()
        with pytest.raises(
            BoardError, match=r"does not let us in: it takes publickey; tried key .*client_key"
        ):
            SshTransport().connect(server.board())


def test_a_key_that_is_not_there(loopback_sshd):
    with pytest.raises(UsageError, match=r"transport_options\.key .*nothing: no such file"):
        SshTransport().connect(loopback_sshd.board(key=str(loopback_sshd.folder / "nothing")))


def test_a_key_with_a_passphrase_names_the_agent(loopback_sshd):
    command = ["ssh-keygen", "-q", "-p", "-N", "secret", "-P", "", "-f", str(loopback_sshd.client_key)]
    subprocess.run(command, check=True)
    with pytest.raises(BoardError, match="has a passphrase: add it to your agent"):
        SshTransport().connect(loopback_sshd.board())


@pytest.fixture
def short_folder():
    """A socket's path has 107 bytes at most, which a user's TMPDIR may have taken."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_the_agent_is_asked(loopback_sshd, short_folder, monkeypatch):
    socket = short_folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        wait_until(socket.exists, "the agent's socket")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(loopback_sshd.client_key)], check=True, capture_output=True)
        options = loopback_sshd.options()
        del options["key"]
        assert says_hello(BoardSpec("pi", "pi", "cpu", "ssh", "fake", (), transport_options=options))
    finally:
        agent.terminate()
        agent.wait()


@pytest.fixture
def with_password(tmp_path, own_config, monkeypatch):
    """A server in a mount namespace of its own, where the login's password is known."""
    shadow = tmp_path / "shadow"
    shadow.write_text(f"{getuser()}:{SHADOW}:19000:0:99999:7:::\n")
    shadow.chmod(0o600)
    mount = 'mount --bind "$0" /etc/shadow && exec "$@"'
    prefix = ("unshare", "-m", "sh", "-c", mount, str(shadow))
    if os.getuid() != 0 or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip("a password of the test's own needs root and a mount namespace")
    lines = ("PasswordAuthentication yes", "PermitRootLogin yes", "PubkeyAuthentication no")
    with running(tmp_path / "sshd", *lines, prefix=prefix) as server:
        server.trust()
        yield server


def test_the_right_password(with_password, monkeypatch):
    monkeypatch.setenv("PI_PASSWORD", RIGHT_PASSWORD)
    assert says_hello(with_password.board(password_env="PI_PASSWORD"))


def test_a_wrong_password(with_password, monkeypatch):
    monkeypatch.setenv("PI_PASSWORD", "wrong horse")
    with pytest.raises(
        BoardError, match="does not let us in: it takes password; tried the password"
    ) as stopped:
        SshTransport().connect(with_password.board(password_env="PI_PASSWORD"))
    assert "wrong horse" not in str(stopped.value)


def test_a_password_that_is_not_set(loopback_sshd):
    with pytest.raises(UsageError, match="NOT_SET_ANYWHERE, which is not set"):
        SshTransport().connect(loopback_sshd.board(password_env="NOT_SET_ANYWHERE"))


def test_an_alias_of_ssh_config(loopback_sshd):
    assert says_hello(by_config(loopback_sshd, entry(loopback_sshd)))


def test_the_own_port_wins_over_ssh_config(loopback_sshd):
    file = config_file(loopback_sshd, "Host *\nPort 1\n")
    assert says_hello(loopback_sshd.board(ssh_config=str(file)))


def test_a_host_key_alias_names_the_key(stranger):
    text = entry(stranger, "HostKeyAlias the-pi", f"UserKnownHostsFile {stranger.folder / 'known'}")
    hostkeys.remember("the-pi", stranger.public_key, stranger.folder / "known")
    assert says_hello(by_config(stranger, text))


@pytest.fixture
def gateway(tmp_path, own_config):
    """A second server, over which the first one is reached."""
    with running(tmp_path / "gateway") as server:
        yield server


def test_a_proxy_jump(loopback_sshd, gateway, tmp_path):
    gateway.trust()
    text = entry(loopback_sshd, "ProxyJump gw") + entry(gateway, host="gw")
    board = by_config(loopback_sshd, text)
    assert says_hello(board)
    source = tmp_path / "model.bin"
    source.write_bytes(os.urandom(5_000_000))
    session = SshTransport().connect(board)
    path = session.put(source, sha256_of_file(source))
    session.close()
    assert Path(path).read_bytes() == source.read_bytes()
    assert "Accepted publickey" in (gateway.folder / "sshd.log").read_text()


def test_the_hop_s_host_key_is_checked_too(loopback_sshd, gateway):
    text = entry(loopback_sshd, "ProxyJump gw") + entry(gateway, host="gw")
    with pytest.raises(BoardError, match=rf"{gateway.port} is not known"):
        SshTransport().connect(by_config(loopback_sshd, text))


def test_a_hop_that_is_its_own_hop_is_gone_to_directly(loopback_sshd, gateway):
    gateway.trust()
    text = entry(loopback_sshd) + entry(gateway, host="gw") + "Host *\nProxyJump gw\n"
    assert says_hello(by_config(loopback_sshd, text))


def test_hops_in_a_circle_end(loopback_sshd, gateway):
    text = entry(loopback_sshd, "ProxyJump gw") + entry(gateway, "ProxyJump pi", host="gw")
    with pytest.raises(UsageError, match="more than 8 hops"):
        SshTransport().connect(by_config(loopback_sshd, text))


def test_a_proxy_command(loopback_sshd, gateway):
    known = gateway.folder / "known"
    hostkeys.remember(gateway.name, gateway.public_key, known)
    command = f"ssh -F none -i {gateway.client_key} -o UserKnownHostsFile={known} -p {gateway.port} -W %h:%p 127.0.0.1"
    assert says_hello(by_config(loopback_sshd, entry(loopback_sshd, f"ProxyCommand {command}")))


def test_a_proxy_command_that_is_not_there(loopback_sshd):
    text = entry(loopback_sshd, "ProxyCommand no-such-program %h %p")
    with pytest.raises(UsageError, match="ProxyCommand 'no-such-program'"):
        SshTransport().connect(by_config(loopback_sshd, text))


def test_a_proxy_command_that_ends(loopback_sshd):
    text = entry(loopback_sshd, "ProxyCommand false")
    with pytest.raises(BoardError, match=r"closed the connection|no SSH banner"):
        SshTransport().connect(by_config(loopback_sshd, text))


@pytest.mark.parametrize("line", [CIPHERS_OF_DROPBEAR, "RekeyLimit 1M"])
def test_servers_without_fast_ciphers_and_with_many_keys(tmp_path, own_config, line):
    source = tmp_path / "model.bin"
    source.write_bytes(os.urandom(20_000_000))
    with running(tmp_path / "sshd", line) as server:
        server.trust()
        session = SshTransport().connect(server.board())
        path = session.put(source, sha256_of_file(source))
        session.get(path, tmp_path / "back")
        shown = session.run(["head", "-c", "20000000", "/dev/zero"], 300)
        session.close()
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert shown.returncode == 0


@pytest.mark.parametrize("missing", ["sha256sum", "df", "mv"])
def test_what_a_board_lacks_is_told(tmp_path, own_config, missing):
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in {*TOOLS, "date"} - {missing}:
        if where := shutil.which(tool):
            (programs / tool).symlink_to(where)
    with running(tmp_path / "sshd", path=str(programs)) as server:
        server.trust()
        session = SshTransport().connect(server.board())
        problems = session.check().problems
        session.close()
    assert problems[0] == f"{missing} is missing, which {TOOLS[missing]}"


def test_a_login_shell_that_talks_is_told(tmp_path, own_config):
    with running(tmp_path / "sshd", 'ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"') as server:
        server.trust()
        source = tmp_path / "model.bin"
        source.write_bytes(b"x")
        session = SshTransport().connect(server.board())
        with pytest.raises(BoardError, match="its login shell must print nothing"):
            session.put(source, sha256_of_file(source))
        assert any("prints 'Welcome'" in problem for problem in session.check().problems)
        session.close()
