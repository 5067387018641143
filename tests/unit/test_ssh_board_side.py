"""What is made of the output of the scripts that run on a board."""

from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.ssh import guard
from npubench.boards.ssh.facts import TOOLS, read, state
from npubench.boards.ssh.transfer import IN_USE_S, Entry, expired, parse, words
from npubench.tools import cookies

NOW = 1_800_000_000.0
DAY = 86_400.0
SHA = "0123456789abcdef" * 4
ENTRIES = st.lists(
    st.builds(
        Entry,
        st.text("0123456789abcdef", min_size=64, max_size=64),
        st.floats(0, 2 * NOW),
        st.integers(0, 10**12),
    ),
    unique_by=lambda entry: entry.sha256,
)


def test_entries_are_read_and_what_is_not_ours_is_none():
    lines = [f"{SHA} 1700000000 123", "mine 1 2", f"{SHA} x 2", "", f"{SHA[:-1]} 1 2", f"{SHA} 1"]
    assert parse(lines) == (Entry(SHA, 1_700_000_000.0, 123),)


def test_what_is_old_goes_and_then_the_oldest_beyond_the_size():
    entries = [
        Entry(name * 64, NOW - age * DAY, 100) for name, age in (("a", 40), ("b", 20), ("c", 10), ("d", 5))
    ]
    assert [e.sha256[0] for e in expired(entries, NOW, 30 * DAY, 10_000)] == ["a"]
    assert [e.sha256[0] for e in expired(entries, NOW, 30 * DAY, 250)] == ["a", "b"]
    assert [e.sha256[0] for e in expired(entries, NOW, 30 * DAY, 0)] == ["a", "b", "c", "d"]
    assert expired([], NOW, 0, 0) == ()


@given(ENTRIES, st.floats(1, 100 * DAY), st.integers(1, 10**12))
def test_what_is_in_use_stays_and_the_rest_fits(entries, keep_s, keep_bytes):
    gone = set(expired(entries, NOW, keep_s, keep_bytes))
    kept = [entry for entry in entries if entry not in gone]
    assert all(NOW - entry.used_at >= IN_USE_S for entry in gone)
    idle = [entry for entry in kept if NOW - entry.used_at >= IN_USE_S]
    assert all(NOW - entry.used_at < keep_s for entry in idle)
    if idle:
        assert sum(entry.size_bytes for entry in kept) <= keep_bytes


@given(ENTRIES)
def test_all_means_all(entries):
    assert len(expired(entries, NOW, 0, 0)) == len(entries)


def test_facts_of_what_a_board_printed():
    output = "hello from the login shell\n=m= /proc/loadavg\n0.50 0.4 0.1 3/120 4711\n\n=m= /etc/os-release\nPRETTY_NAME=x\n\n=m= time\n2020-01-01T00:00:00Z\n"
    found = state(output, "=m=")
    assert (found.load_1min, found.distribution) == (0.5, "x")
    assert found.extra == {"running": "2", "board_time": "2020-01-01T00:00:00Z"}
    assert state("", "=m=").hostname is None
    assert "board_time" not in state("=m= time\n", "=m=").extra


@given(st.text())
def test_any_output_gives_a_state(output):
    assert state(output, "=m=").taken_at


GOOD = (
    "hash ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\nproc\nfolder /root/npubench\n"
    "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/root 1000 400 600 40% /\n"
)


def test_a_board_that_has_everything():
    found = read(GOOD, "npubench")
    assert (found.problems, found.folder, found.free_bytes) == ((), "/root/npubench", 600 * 1024)


def test_a_board_that_lacks_things():
    problems = read("lacks df\nlacks sha256sum\nhash \nmkdir: cannot create /x: Read-only\n", "/x").problems
    assert problems[:2] == (
        f"df is missing, which {TOOLS['df']}",
        f"sha256sum is missing, which {TOOLS['sha256sum']}",
    )
    assert any("/proc" in problem for problem in problems)
    assert any("remote_dir /x cannot be written: mkdir: cannot create" in problem for problem in problems)


def test_a_wrong_sha256sum_is_told():
    assert read(GOOD.replace("ba78", "ba79"), "npubench").problems == (
        "sha256sum does not give the SHA-256 of what it reads",
    )


@given(st.text())
def test_any_check_gives_findings(output):
    read(output, "npubench")


def test_a_full_disk_of_the_board_is_not_told_in_the_words_of_our_own():
    assert (
        words("cat: write error: No space left on device\n\n") == "cat: write error: the board's disk is full"
    )
    assert words("") == "it printed nothing"


def test_cookies_of_sessions_that_are_no_more():
    mine = guard.open_cookie()
    random = "0" * 16
    dead = f"{cookies.machine()}{2**22 + 1:010d}-{1:016d}-{random}"
    reused = f"{cookies.owner()[:-16]}{1:016d}-{random}"
    lines = [mine, dead, f"{dead}-more", reused, "garbage", ""]
    assert guard.orphans(lines) == (dead, reused)
    guard.close_cookie(mine)
    assert guard.orphans(lines) == (mine, dead, reused)


def test_what_runs_in_another_container_is_nobodys_to_end():
    elsewhere = cookies.machine().replace(cookies.machine()[9:21], "0" * 12)
    line = f"{elsewhere}{2**22 + 1:010d}-{1:016d}-{'0' * 16}"
    assert guard.orphans([line]) == ()
    assert not cookies.is_dead(line)
    assert not cookies.is_dead("")


def test_cookies_of_one_process_differ_and_name_it():
    one, other = cookies.of_session(), cookies.of_process()
    assert one != other
    assert one.startswith(cookies.owner())
    assert not cookies.is_dead(one)
    # Where the board is this machine, a search there sees both.
    assert guard.orphans([one, other]) == (one,)


@given(st.lists(st.text()))
def test_garbage_names_no_process(lines):
    assert guard.orphans(lines) == ()
