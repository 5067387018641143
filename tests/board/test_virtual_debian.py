"""The virtual board with Debian's systemd, OpenSSH and a disk: what memory alone cannot show."""

import os

from npubench.storage.hashing import sha256_of_file
from npubench_virtual import places
from tests.board.board_pair import RUNNER, BoardPair


def test_openssh_and_a_disk_that_survives_a_power_cut(tmp_path, virtual_a7_debian):
    board = virtual_a7_debian
    source = tmp_path / "model.joint"
    source.write_bytes(os.urandom(5_000_000))
    sha256 = sha256_of_file(source)
    with board.session() as session:
        assert session.check().problems == ()
        assert "Debian" in session.facts().distribution
        assert session.run(["sh", "-c", "ps -e | grep -c sshd"], 60).returncode == 0
        path = session.put(source, sha256)
        session.run(["sync"], 60)
        inode = session.run(["ls", "-i", str(path)], 60).output
    pair = BoardPair(tmp_path / "pair", board)
    models = pair.models("a", "b", "c")
    done, _ = pair.struck(models, board.cut_power)
    assert done.returncode == 4, done.stderr
    before = pair.by_case()
    assert pair.outcomes() == {
        "a": "ok",
        "b": ("measure", "board_lost"),
        "c": ("transfer", "board_unreachable"),
    }
    board.start()
    with board.session() as session:
        assert session.put(source, sha256) == path
        assert session.run(["ls", "-i", str(path)], 60).output == inode
        assert session.run(["sha256sum", str(path)], 60).output.startswith(sha256)
        session.run(["rm", "-f", f"{RUNNER}.seconds"], 60)
    done = pair.measure(*models)
    assert done.returncode == 0, done.stderr
    assert "3 cases, 1 done before" in done.stderr
    assert pair.by_case()["a"] == before["a"]
    assert {row["board"] for row in pair.rows()} == {places.NAME}
