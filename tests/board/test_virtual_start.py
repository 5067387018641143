"""`npubench board virtual`: start, stop and status, twice and out of order."""

import json
import os
import subprocess
import sys
import time

import pytest

from npubench_virtual import control, places
from npubench_virtual.qemu import MONITOR
from npubench_virtual.qmp import QmpError, monitor
from tests.board.virtual_board import VirtualBoard
from tests.integration.ssh_server import is_alive


def npubench(*words, **env):
    return subprocess.run(
        [sys.executable, "-m", "npubench", *words],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | env,
    )


def test_start_stop_and_status_as_often_as_one_likes(own_cache, board_files):
    start = ("board", "virtual", "start", "--files", str(board_files))
    assert "was not up" in npubench("board", "virtual", "stop").stdout
    assert "is not up" in npubench("board", "virtual", "status").stdout
    first = npubench(*start)
    assert first.returncode == 0, first.stderr
    up = VirtualBoard().running()
    again = npubench(*start)
    assert (again.returncode, again.stderr, VirtualBoard().running()) == (0, "", up)
    status = npubench("board", "virtual", "status").stdout
    assert f"127.0.0.1:{up.port} (answers)" in status
    assert f"{up.pid} (running)" in status
    checked = npubench("board", "check", places.NAME)
    assert checked.returncode == 0, checked.stderr
    assert "Cortex-A7" in checked.stdout
    assert "has all that npubench needs" in checked.stdout
    stopped = npubench("board", "virtual", "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "virtual-a7 is off\n")
    assert not is_alive(up.pid)
    checked = npubench("board", "check", places.NAME)
    assert checked.returncode == 4
    assert "npubench board virtual start" in checked.stderr


def test_two_starts_at_once_give_one_board(own_cache, board_files):
    words = [sys.executable, "-m", "npubench", "board", "virtual", "start", "--files", str(board_files)]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    told = {one.communicate(timeout=600)[0] for one in both}
    assert [one.returncode for one in both] == [0, 0]
    assert len(told) == 1
    VirtualBoard().stop()


def test_another_image_is_not_started_beside_it(virtual_a7):
    done = npubench("board", "virtual", "start", "--image", "debian")
    assert done.returncode == 2
    assert "npubench board virtual stop first" in done.stderr
    done = npubench("board", "virtual", "start", "--image", "large")
    assert done.returncode == 2
    assert "tiny, debian" in done.stderr


def test_a_state_that_cannot_be_restored_is_made_anew(virtual_a7):
    virtual_a7.stop()
    (state,) = places.machine().glob("*.state.zst")
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])
    told = []
    control.start("tiny", told.append, virtual_a7.files)
    assert any("could not be restored" in line for line in told)
    assert virtual_a7.sh("uname -m") == "armv7l\n"
    assert state.stat().st_size > len(whole) // 2


def test_the_clock_is_right_after_a_restore(virtual_a7):
    assert abs(int(virtual_a7.sh("date +%s")) - time.time()) < 30


def test_the_board_reaches_nothing_but_us(virtual_a7):
    with virtual_a7.session() as session:
        assert session.run(["sh", "-c", "ip route | grep -q default"], 60).returncode != 0
        assert session.run(["nc", "-w", "3", "10.0.2.2", str(virtual_a7.running().port)], 60).returncode != 0


def test_files_of_ours_are_there_also_after_a_reset(virtual_a7):
    assert virtual_a7.sh("ls -l /opt/bin/run_joint").startswith("-rwxr-xr-x")
    with monitor(places.machine(), MONITOR) as qmp, pytest.raises(QmpError, match="system_rset"):
        qmp.command("system_rset")


def test_the_record_of_a_machine_that_is_gone_is_not_believed(virtual_a7):
    up = virtual_a7.running()
    virtual_a7.cut_power()
    record = places.machine() / "machine.json"
    assert json.loads(record.read_text())["pid"] == up.pid
    record.write_text(json.dumps({"image": "tiny", "pid": os.getpid(), "started_at": 1, "port": up.port}))
    assert "is not up" in npubench("board", "virtual", "status").stdout
    virtual_a7.start()
    assert virtual_a7.running().pid != os.getpid()
