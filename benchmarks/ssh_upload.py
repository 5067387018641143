"""An upload of 100 MB to a real OpenSSH on loopback, verified there, against the system's scp and sftp.

npubench hashes the file on the board and renames it, which the other two do not do; they open a
connection of their own each time, which npubench does once a run. So both are shown.
"""

import os
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.paired import measure, show
from npubench.boards.ssh.transport import SshTransport
from npubench.storage.hashing import sha256_of_file
from tests.integration.ssh_server import LoopbackSshd, running

SIZE = 100_000_000
ROUNDS = 9
BOUND = "not slower"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        source = folder / "model.bin"
        source.write_bytes(os.urandom(SIZE))
        with running(folder / "sshd") as server:
            server.trust()
            _compare(server, source)


def _compare(server: LoopbackSshd, source: Path) -> None:
    sha256 = sha256_of_file(source)
    target = server.home / "copy.bin"
    options = [
        "-q", "-F", "none", "-i", str(server.client_key), "-P", str(server.port),
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
    ]  # fmt: skip

    def scp() -> None:
        target.unlink(missing_ok=True)
        subprocess.run(["scp", *options, str(source), f"127.0.0.1:{target}"], check=True)

    def sftp() -> None:
        target.unlink(missing_ok=True)
        batch = f"put {source} {target}\n"
        command = ["sftp", *options, "-b", "-", "127.0.0.1"]
        subprocess.run(command, check=True, input=batch.encode(), stdout=subprocess.DEVNULL)

    def connect_and_put() -> None:
        with closing(SshTransport().connect(server.board())) as fresh:
            fresh.clean(0, 0)
            fresh.put(source, sha256)

    with closing(SshTransport().connect(server.board())) as session:

        def put() -> None:
            session.clean(0, 0)
            session.put(source, sha256)

        for tool, work in (("scp", scp), ("sftp", sftp)):
            result = measure(put, work, ROUNDS)
            show(f"100 MB to a board, against {tool}", "put, connected, verified", tool, result, BOUND)
    for tool, work in (("scp", scp), ("sftp", sftp)):
        result = measure(connect_and_put, work, ROUNDS)
        show(f"100 MB to a board, against {tool}", "connect, put, verified", tool, result, BOUND)


if __name__ == "__main__":
    main()
