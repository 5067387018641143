"""What can befall a board, through `npubench run`: the right row in the right time, and the next run continues."""

import threading

import pytest

from tests.board.board_pair import END_S, RUNNER, BoardPair
from tests.board.virtual_board import BOOT_S

LOST = {"a": "ok", "b": ("measure", "board_lost"), "c": ("transfer", "board_unreachable")}
FINE = {"a": "ok", "b": "ok", "c": "ok"}


@pytest.fixture
def pair(tmp_path, virtual_a7):
    return BoardPair(tmp_path / "pair", virtual_a7)


def continued(pair, models, before):
    """The next run measures what is missing, and only that."""
    pair.virtual.sh(f"rm -f {RUNNER}.seconds")
    done = pair.measure(*models)
    assert done.returncode == 0, done.stderr
    assert "3 cases, 1 done before" in done.stderr
    assert pair.outcomes() == FINE
    assert pair.by_case()["a"] == before["a"]


def struck_and_lost(pair, models, fault):
    """The case that was measured is lost, the one before stands, the one after finds no board."""
    done, took_s = pair.struck(models, fault)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert took_s < END_S
    assert pair.outcomes() == LOST
    found = pair.by_case()
    assert found["a"]["latency_us"]["mean"] > 0
    assert found["b"]["latency_us"] is None
    assert found["b"]["estimate"]["throughput_fps"] > 0
    assert all(row["emulated"] for row in found.values())
    return found


def test_a_board_that_freezes(pair):
    models = pair.models("a", "b", "c")
    before = struck_and_lost(pair, models, pair.virtual.freeze)
    assert "has not answered" in before["b"]["failure"]["message"]
    pair.virtual.thaw()
    # The runner of the lost measurement is still at work there, until the next connection.
    continued(pair, models, before)
    assert pair.virtual.sh("pidof run_joint sleep || true") == ""


def test_a_power_cut(pair):
    models = pair.models("a", "b", "c")
    before = struck_and_lost(pair, models, pair.virtual.cut_power)
    assert "npubench board virtual start" in before["c"]["failure"]["message"]
    pair.virtual.start()
    continued(pair, models, before)


def test_a_network_that_goes_down(pair):
    models = pair.models("a", "b", "c")
    before = struck_and_lost(pair, models, lambda: pair.virtual.link(False))
    pair.virtual.link(True)
    continued(pair, models, before)


def test_a_short_break_of_the_network_costs_nothing(pair):
    pair.describe(keepalive_s=3.0)
    models = pair.models("a", "b", "c")

    def blink():
        pair.virtual.link(False)
        # Long enough for packets to be lost, and shorter than nine seconds of silence.
        threading.Event().wait(2.0)
        pair.virtual.link(True)
        pair.virtual.sh(f"rm {RUNNER}.seconds; kill $(pidof sleep)")

    done, _ = pair.struck(models, blink)
    assert done.returncode == 0, done.stderr
    assert "was lost" not in done.stderr
    assert pair.outcomes() == FINE
    assert len(pair.calls()) == 3


def test_a_board_that_reboots_is_waited_for_and_the_case_measured_again(pair):
    pair.describe(reboot_wait_s=BOOT_S)
    models = pair.models("a", "b", "c")
    done, took_s = pair.struck(models, pair.virtual.reset)
    assert done.returncode == 0, done.stderr
    assert took_s < BOOT_S
    assert "was lost" in done.stderr
    assert pair.outcomes() == FINE
    found = pair.by_case()
    assert found["b"]["verdict"] != "invalid"
    # The board started again: b's first call, and a's, are gone with its memory.
    assert len(pair.calls()) == 2
    assert found["a"]["board_after"]["uptime_s"] > found["c"]["board_before"]["uptime_s"]


def test_a_board_that_does_not_come_back_in_time(pair):
    models = pair.models("a", "b", "c")
    before = struck_and_lost(pair, models, pair.virtual.reset)
    pair.virtual.wait_for_boot()
    continued(pair, models, before)


@pytest.mark.parametrize("left_kib", [0, 300])
def test_a_disk_that_is_full(pair, left_kib):
    pair.virtual.sh("dd if=/dev/zero of=/root/fill bs=64k 2>/dev/null; true")
    if left_kib:
        shorter = 'truncate -s "$(($(stat -c %s /root/fill) - $1 * 1024))" /root/fill'
        pair.virtual.sh(shorter, str(left_kib))
    models = pair.models("a", "b")
    done = pair.measure(*models)
    assert "Traceback" not in done.stderr
    assert done.returncode == 4, done.stderr
    assert pair.outcomes() == dict.fromkeys("ab", ("transfer", "transfer_failed"))
    for row in pair.by_case().values():
        assert "disk" in row["failure"]["message"] or "MiB free" in row["failure"]["message"]
        assert row["board_after"]["uptime_s"] > 0
    assert pair.virtual.sh("find /root/npubench -name '.part-*'") == ""
    pair.virtual.sh("rm /root/fill")
    assert pair.measure(*models).returncode == 0
    assert pair.outcomes() == {"a": "ok", "b": "ok"}


@pytest.mark.parametrize(("year", "seconds"), [("1971", 40_000_000), ("2037", 2_140_000_000)])
def test_a_clock_that_is_wrong_by_years(pair, year, seconds):
    models = pair.models("a", "b")
    assert pair.measure(models[0]).returncode == 0
    held = pair.virtual.sh("ls -i /root/npubench/*/*.joint")
    pair.virtual.sh('date -u -s "@$1"', str(seconds))
    done = pair.measure("--fresh", *models)
    assert done.returncode == 0, done.stderr
    found = pair.by_case()
    for row in found.values():
        assert row["board_before"]["extra"]["board_time"].startswith(year)
        assert row["started_at"][:4] == row["board_before"]["taken_at"][:4] != year
        assert row["duration_s"] < END_S
        assert row["verdict"] != "invalid"
        assert not any("clock" in warning or "restarted" in warning for warning in row["warnings"])
    # What the board holds is neither old nor from the future: it is not sent again.
    assert set(held.splitlines()) < set(pair.virtual.sh("ls -i /root/npubench/*/*.joint").splitlines())


def test_a_clock_that_jumps_by_years_while_a_case_is_measured(pair):
    def jump():
        pair.virtual.sh(f'date -u -s "@$1"; rm {RUNNER}.seconds; kill $(pidof sleep)', "2140000000")

    done, _ = pair.struck(pair.models("a", "b", "c"), jump)
    assert done.returncode == 0, done.stderr
    assert pair.outcomes() == FINE
    row = pair.by_case()["b"]
    assert (
        row["board_before"]["extra"]["board_time"][:4],
        row["board_after"]["extra"]["board_time"][:4],
    ) == (
        row["started_at"][:4],
        "2037",
    )
    assert row["duration_s"] < END_S
    assert row["verdict"] != "invalid"
