"""A board behind a slow link, and one whose link goes down: a network namespace with a shaped veth pair."""

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from npubench.boards.ssh.connection import UnreachableError
from npubench.boards.ssh.transport import SshTransport
from npubench.domain.errors import BoardLostError, TransferError
from npubench.storage.hashing import sha256_of_file
from tests.integration.ssh_server import running, wait_until

MEGABIT = 50
SIZE = 6_000_000


class Link:
    """A namespace named for this process, and a /30 of its own below 198.18.0.0/15 (RFC 2544)."""

    def __init__(self) -> None:
        number = os.getpid() % 16_384
        base = f"198.{18 + number // 8192}.{number % 8192 // 64 + 64}.{number % 64 * 4}".rpartition(".")
        self.ours, self.theirs = (f"{base[0]}.{int(base[2]) + i}" for i in (1, 2))
        self.namespace = f"npubench{number}"
        self.near, self.far = f"nb{number}a", f"nb{number}b"

    def up(self) -> None:
        for command in (
            f"ip netns add {self.namespace}",
            f"ip link add {self.near} type veth peer name {self.far}",
            f"ip link set {self.far} netns {self.namespace}",
            f"ip addr add {self.ours}/30 dev {self.near}",
            f"ip link set {self.near} up",
            f"ip -n {self.namespace} addr add {self.theirs}/30 dev {self.far}",
            f"ip -n {self.namespace} link set {self.far} up",
            f"tc qdisc add dev {self.near} root tbf rate {MEGABIT}mbit burst 64kb latency 400ms",
            f"tc -n {self.namespace} qdisc add dev {self.far} root tbf rate {MEGABIT}mbit burst 64kb latency 400ms",
        ):
            subprocess.run(command.split(), check=True, capture_output=True)

    def down(self) -> None:
        subprocess.run(["ip", "link", "del", self.near], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, capture_output=True)

    def cut(self) -> None:
        subprocess.run(["ip", "link", "set", self.near, "down"], check=True)


@pytest.fixture
def link():
    link = Link()
    if os.getuid() != 0 or not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("a slow link needs root, ip and tc")
    try:
        link.up()
    except subprocess.CalledProcessError as error:
        link.down()
        pytest.skip(f"this system makes no slow link: {error.stderr.decode().strip()}")
    yield link
    link.down()


@pytest.fixture
def far_board(link, tmp_path, own_config):
    prefix = ("ip", "netns", "exec", link.namespace)
    with running(tmp_path / "sshd", prefix=prefix, address=link.theirs) as server:
        server.trust()
        yield server


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(os.urandom(SIZE))
    return file


def test_a_slow_link_takes_its_time_and_is_no_loss(far_board, source, tmp_path):
    session = SshTransport().connect(far_board.board())
    started = time.monotonic()
    path = session.put(source, sha256_of_file(source))
    assert time.monotonic() - started > 0.5 * SIZE * 8 / (MEGABIT * 1e6)
    assert Path(path).read_bytes() == source.read_bytes()
    session.get(path, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    session.close()


def test_an_upload_that_takes_too_long_is_ended(far_board, source):
    session = SshTransport().connect(far_board.board(transfer_timeout_s=0.2))
    with pytest.raises(TransferError, match=r"within 0\.2 s: set transport_options\.transfer_timeout_s"):
        session.put(source, sha256_of_file(source))
    assert session.run(["echo", "there"], 300).output == "there\n"
    wait_until(lambda: not list((far_board.home / "npu bench").glob("*/.part-*")), "the removal of the part")
    session.close()


def test_a_link_that_goes_down_is_a_loss(far_board, link):
    session = SshTransport().connect(far_board.board())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(session.run, ["sleep", "600"], 600)
        link.cut()
        with pytest.raises(BoardLostError, match="has not answered for"):
            waiting.result(300)
    session.close()
    with pytest.raises(UnreachableError):
        SshTransport().connect(far_board.board(connect_timeout_s=0.5))
