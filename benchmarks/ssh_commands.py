"""300 short commands over one connection to a real OpenSSH on loopback, against OpenSSH's control master."""

import os
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.paired import measure, show
from npubench.boards.ssh.transport import SshTransport
from tests.integration.ssh_server import LoopbackSshd, running

COMMANDS = 300


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        with running(folder / "sshd") as server:
            server.trust()
            _compare(server, folder / "control")


def _compare(server: LoopbackSshd, control: Path) -> None:
    reach = [
        "ssh", "-q", "-F", "none", "-S", str(control), "-i", str(server.client_key), "-p", str(server.port),
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
    ]  # fmt: skip
    subprocess.run([*reach, "-M", "-N", "-f", "127.0.0.1"], check=True)

    def openssh() -> None:
        for _ in range(COMMANDS):
            subprocess.run([*reach, "127.0.0.1", "true"], check=True, stdin=subprocess.DEVNULL)

    try:
        with closing(SshTransport().connect(server.board())) as session:

            def ours() -> None:
                for _ in range(COMMANDS):
                    session.run(["true"], 20.0)

            result = measure(ours, openssh, 5)
    finally:
        subprocess.run([*reach, "-O", "exit", "127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    show(f"{COMMANDS} short commands", "npubench session", "ssh with a control master", result, "not slower")


if __name__ == "__main__":
    main()
