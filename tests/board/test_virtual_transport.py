"""npubench's SSH against dropbear and busybox on an ARM board."""

import os
import threading
import time

import pytest

from npubench.domain.errors import BoardError, TransferError
from npubench.storage.hashing import sha256_of_file
from npubench_virtual import places


def test_facts_are_those_of_an_arm_board(virtual_a7):
    with virtual_a7.session() as session:
        state = session.facts()
        assert (state.hostname, state.cores) == (places.NAME, 2)
        assert "Cortex-A7" in state.cpu_model
        assert 400 < state.memory_total_bytes / 2**20 < 512
        assert "armmp" in state.kernel
        assert session.run(["uname", "-m"], 60).output == "armv7l\n"
        assert session.check().problems == ()


def test_output_and_the_end_of_commands(virtual_a7):
    with virtual_a7.session() as session:
        done = session.run(["sh", "-c", "echo out; echo err >&2; exit 7"], 60)
        assert (done.returncode, done.output, done.timed_out) == (7, "out\nerr\n", False)
        assert session.run(["printf", "%s", "it's $HOME; `x` *"], 60).output == "it's $HOME; `x` *"
        assert session.run(["sh", "-c", "kill -SEGV $$"], 60).returncode < 0


def test_the_process_tree_ends_at_the_deadline(virtual_a7):
    with virtual_a7.session() as session:
        done = session.run(["sh", "-c", "sleep 1234 & setsid sleep 1234 & sleep 1234"], 2)
        assert done.timed_out
        # What was killed is there until its parent has looked, and the board is slow.
        left = "while pidof sleep; do usleep 50000; done"
        ended = session.run(["sh", "-c", left], 60)
        assert (ended.timed_out, ended.returncode) == (False, 0), ended.output


def test_what_a_lost_connection_left_is_ended_at_the_next(virtual_a7):
    with virtual_a7.session() as session:
        virtual_a7.link(False)
        with pytest.raises(BoardError):
            session.run(["sleep", "1234"], 60)
    virtual_a7.link(True)
    with virtual_a7.session() as left:
        left.run(["sh", "-c", "setsid sleep 4321 >/dev/null 2>&1 &"], 60)
        assert left.run(["pidof", "sleep"], 60).output
    with virtual_a7.session() as session:
        # What was killed is there until its parent has looked, and the board is slow.
        left = "while pidof sleep; do usleep 50000; done"
        ended = session.run(["sh", "-c", left], 60)
        assert (ended.timed_out, ended.returncode) == (False, 0), ended.output


def test_a_file_is_brought_once_by_its_hash_and_fetched_back(virtual_a7, tmp_path):
    source = tmp_path / "model.joint"
    source.write_bytes(os.urandom(5_000_000))
    sha256 = sha256_of_file(source)
    with virtual_a7.session() as session:
        path = session.put(source, sha256)
        assert str(path) == f"/root/npubench/{sha256}/model.joint"
        assert session.run(["sha256sum", str(path)], 60).output.startswith(sha256)
        inode = session.run(["ls", "-i", str(path)], 60).output
        session.get(path, tmp_path / "back")
    assert sha256_of_file(tmp_path / "back") == sha256
    with virtual_a7.session() as session:
        assert session.put(source, sha256) == path
        assert session.run(["ls", "-i", str(path)], 60).output == inode
        session.run(["sh", "-c", 'echo damage >> "$1"', "x", str(path)], 60)
    with virtual_a7.session() as session:
        session.put(source, sha256)
        assert session.run(["sha256sum", str(path)], 60).output.startswith(sha256)


def test_a_file_that_the_link_breaks_off_is_not_taken_for_whole(virtual_a7, tmp_path):
    source = tmp_path / "model.joint"
    source.write_bytes(os.urandom(20_000_000))
    with virtual_a7.session() as session:
        # Cut as soon as the first bytes are on the board.
        looking = virtual_a7.transport.connect(virtual_a7.spec())
        cut = threading.Thread(target=_cut_when_there, args=(virtual_a7, looking))
        cut.start()
        with pytest.raises((BoardError, TransferError)):
            session.put(source, sha256_of_file(source))
        cut.join()
    virtual_a7.link(True)
    with virtual_a7.session() as session:
        assert session.run(["sh", "-c", "ls /root/npubench/*/model.joint"], 60).returncode != 0
        path = session.put(source, sha256_of_file(source))
        assert session.run(["sha256sum", str(path)], 120).output.startswith(sha256_of_file(source))


def _cut_when_there(board, looking):
    until = time.monotonic() + 60
    while looking.run(["sh", "-c", "[ -s /root/npubench/*/.part-* ]"], 30).returncode != 0:
        assert time.monotonic() < until
    board.link(False)
    looking.close()
