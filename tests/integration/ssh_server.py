"""The system's real OpenSSH server on loopback, with its own keys and configuration: a stand-in for a board."""

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from getpass import getuser
from pathlib import Path
from typing import Any

from npubench.boards.ssh import hostkeys
from npubench.domain.specs import BoardSpec, Precision

START_S = 600.0
HURRY = {
    "connect_timeout_s": 60.0,
    "banner_timeout_s": 60.0,
    "auth_timeout_s": 60.0,
    "keepalive_s": 0.5,
    "keepalive_count": 16,
    "command_timeout_s": 120.0,
    "reboot_wait_s": 20.0,
}


def wait_until(condition, what: str, limit_s: float = START_S) -> None:
    """Look until the condition holds."""
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {limit_s:g} s"
        threading.Event().wait(0.01)


def free_port() -> int:
    """A loopback port that nothing listens on, and that no connection gets for its own end meanwhile.

    Linux gives those from 32768 on: a port of those may be taken before the server has it, or connect to itself.
    A board that was killed leaves its lease below /tmp: such a port is not given again.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        if Path(f"/tmp/npubench-lease-{port}").exists():
            continue
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A key pair without passphrase."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "npubench test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_in(file: Path) -> int:
    """The process id that a command writes there, once it does."""
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"), f"a process in {file}")
    return int(file.read_text())


class LoopbackSshd:
    """One server: `stop` and `start` make it reboot, `freeze` hang it, `drop_sessions` cut its connections.

    `path` is where its commands look for programs, `prefix` a command that starts it. `home` is the folder of its logins, `client_key` a key that it accepts.
    """

    def __init__(
        self,
        folder: Path,
        *lines: str,
        path: str = "/usr/local/bin:/usr/bin:/bin",
        accepts: bool = True,
        prefix: tuple[str, ...] = (),
        address: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.port = free_port()
        self.host_key = make_key(folder / "host_key")
        self.client_key = make_key(folder / "client_key")
        self._config = folder / "sshd_config"
        self.address = address
        self._prefix = prefix
        self._path = path
        accepted = self.client_key.with_suffix(".pub").read_text() if accepts else ""
        (folder / "authorized_keys").write_text(accepted)
        self._config.write_text("\n".join([*lines, *self._lines()]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []

    def start(self) -> None:
        """Come up; returns when the server greets."""
        sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert sshd, "tests/system-packages.sh installs openssh-server"
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, sshd, "-D", "-e", "-f", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self.greets, "sshd's greeting")

    def greets(self) -> bool:
        """Whether a connection is answered with an SSH banner."""
        with suppress(OSError), socket.create_connection((self.address, self.port), 1.0) as sock:
            return sock.recv(4) == b"SSH-"
        return False

    def stop(self) -> None:
        """Go down with all connections, as in a power cut that tells the other side."""
        if self._process is None:
            return
        self.thaw()
        sessions = self.sessions()
        self._process.terminate()
        self._process.wait(START_S)
        _kill(sessions)
        self._process = None

    def sessions(self) -> list[int]:
        """Process ids of the server's children that hold a connection each, and of their children in sshd."""
        assert self._process is not None
        found: list[int] = []
        parents = [self._process.pid]
        while parents:
            for child in children(parents.pop()):
                if _name(child).startswith("sshd"):
                    found.append(child)
                    parents.append(child)
        return found

    def drop_sessions(self) -> None:
        """SIGKILL every connection's processes; commands go on, as on a board whose network went."""
        _kill(self.sessions())

    def freeze(self) -> None:
        """SIGSTOP the server and its connections: TCP still connects, and nothing answers."""
        assert self._process is not None
        self._frozen = [self._process.pid, *self.sessions()]
        for pid in self._frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen = []

    def new_host_key(self) -> None:
        """Another host key, as after a new installation; takes effect at the next start."""
        self.host_key.unlink()
        make_key(self.host_key)

    @property
    def public_key(self) -> hostkeys.HostKey:
        """The server's host key."""
        kind, blob = self.host_key.with_suffix(".pub").read_text().split()[:2]
        (line,) = hostkeys.parse(f"x {kind} {blob}", self.host_key)
        return line.key

    @property
    def name(self) -> str:
        """How known_hosts files call it."""
        return hostkeys.host_name(self.address, self.port)

    def trust(self) -> None:
        """Let npubench's own file know the host key."""
        hostkeys.remember(self.name, self.public_key, hostkeys.own_file())

    def trust_as(self, host: str) -> None:
        """The same under another name of its address."""
        hostkeys.remember(hostkeys.host_name(host, self.port), self.public_key, hostkeys.own_file())

    def options(self, **changes: Any) -> dict[str, Any]:
        """`transport_options` that reach it, with short timeouts and everything kept below its own folder."""
        return {
            "host": self.address,
            "port": self.port,
            "user": getuser(),
            "key": str(self.client_key),
            "ssh_config": str(self.folder / "no_ssh_config"),
            "remote_dir": str(self.home / "npu bench"),
            **HURRY,
            **changes,
        }

    def board(self, name: str = "loopback", **changes: Any) -> BoardSpec:
        """A board description; `changes` are transport options."""
        options = self.options(**changes)
        return BoardSpec(
            name,
            "Loopback",
            "cpu",
            "ssh",
            "fake",
            (Precision.FP32,),
            transport_options=options,
            emulated=True,
        )

    def _lines(self) -> list[str]:
        return [
            f"ListenAddress {self.address}",
            f"Port {self.port}",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            f"PidFile {self.folder / 'sshd.pid'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UseDNS no",
            "PrintMotd no",
            "PrintLastLog no",
            "MaxStartups 100:30:200",
            "MaxSessions 64",
            "Subsystem sftp internal-sftp",
            f"SetEnv HOME={self.home} PATH={self._path}",
        ]


@contextmanager
def running(folder: Path, *lines: str, **options: Any) -> Iterator[LoopbackSshd]:
    """A started server, stopped and with it all its connections afterwards."""
    server = LoopbackSshd(folder, *lines, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Process ids of a process's children."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
