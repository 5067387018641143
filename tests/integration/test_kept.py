"""Workers in forks of kept interpreters: what ends one ends nothing else, and none outlives npubench."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from npubench.boards.local import LocalSession
from npubench.domain.errors import Interrupted
from npubench.tools import kept, process
from tests.deadlines import long_enough

ROOT = Path(__file__).parents[2]
JOB = "tests.kept_job"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield
    kept.end_idle()


def do(what, folder, timeout_s=300.0):
    note = folder / f"{what}.txt"
    done = kept.run(JOB, [what, str(note)], ("json",), timeout_s=timeout_s, log=folder / "log")
    pid, server, count, cwd = note.read_text().split(" ", 3) if note.exists() else ["0"] * 4
    return done, int(pid), int(server), int(count), cwd


def gone(pid):
    """Wait until a process that is none of our children has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        return bool(waiting.poll(300_000))
    finally:
        os.close(descriptor)


def test_jobs_have_a_process_each_and_share_the_interpreter_that_it_is_a_fork_of(tmp_path):
    one, other = do("fine", tmp_path), do("fine", tmp_path)
    assert [found[0].returncode for found in (one, other)] == [0, 0]
    assert one[1] != other[1]
    assert one[2] == other[2]
    assert (one[3], other[3]) == (1, 1), "nothing of the job before is left"
    assert one[4] == str(Path.cwd())
    assert other[0].output == "doing fine\n"
    assert (tmp_path / "log").read_text() == "doing fine\n" * 2


@pytest.mark.parametrize(("what", "code"), [("crash", -signal.SIGSEGV), ("raise", 1), ("exit", 7)])
def test_what_ends_a_job_ends_no_other(tmp_path, what, code):
    server = do("fine", tmp_path)[2]
    done, *_ = do(what, tmp_path)
    assert (done.returncode, done.timed_out) == (code, False)
    assert ("ValueError: of the job" in done.output) == (what == "raise")
    assert do("fine", tmp_path)[2] == server


def waiting(what, folder, between, timeout_s=300.0):
    return kept.run(
        JOB, [what, str(folder / "note")], ("json",), timeout_s=timeout_s, log=folder / "log", between=between
    )


def test_a_job_waits_between_two_steps_until_it_is_told_to_go_on(tmp_path):
    seen = []
    done = waiting("waits", tmp_path, lambda: seen.append((tmp_path / "log").read_text().count("step")))
    assert done.returncode == 0
    assert seen == [0, 1, 2], "each step comes after the word to go on, and none before it"
    assert done.output == "doing waits\nstep 0\nstep 1\nstep 2\n"


def test_waiting_counts_for_no_deadline(tmp_path):
    """The clock stands still for npubench alone: what it waits for is another hour's."""
    clock = [0.0]
    original, kept.time = kept.time, SimpleNamespace(monotonic=lambda: clock[0])
    try:
        done = waiting("waits", tmp_path, lambda: clock.__setitem__(0, clock[0] + 3600), timeout_s=300.0)
    finally:
        kept.time = original
    assert (done.returncode, done.timed_out) == (0, False)


def test_a_job_that_dies_while_others_have_their_turn_costs_itself_alone(tmp_path):
    server = do("fine", tmp_path)[2]
    pids = []

    def kill():
        pids.append(int((tmp_path / "note").read_text().split(" ")[0]))
        os.kill(pids[-1], signal.SIGKILL)
        assert gone(pids[-1])

    done = waiting("waits", tmp_path, kill)
    assert (done.returncode, len(pids)) == (-signal.SIGKILL, 1)
    # The word to go on came too late, and is no job for the next one.
    assert do("fine", tmp_path)[2] == server
    assert waiting("waits and crashes", tmp_path, lambda: None).returncode == -signal.SIGSEGV
    assert do("fine", tmp_path)[2] == server


def test_a_worker_that_nobody_waits_for_does_not_wait_itself(tmp_path):
    job = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests import kept_job; kept_job.main('waits', {str(tmp_path / 'n')!r})"
    done = subprocess.run([sys.executable, "-c", job], capture_output=True, timeout=300, check=True)
    assert done.stdout.count(b"step") == 3


def test_a_job_that_hangs_is_ended_at_the_deadline_and_the_next_runs(tmp_path):
    done, pid, server, *_ = long_enough(
        lambda limit_s: do("hang", tmp_path, limit_s), (tmp_path / "hang.txt").exists
    )
    assert (done.timed_out, done.returncode) == (True, -signal.SIGKILL)
    assert gone(pid)
    assert gone(server)
    assert do("fine", tmp_path)[0].returncode == 0


def test_another_environment_has_another_interpreter(tmp_path, monkeypatch):
    server = do("fine", tmp_path)[2]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert do("fine", tmp_path)[2] != server


def test_a_server_that_died_is_replaced(tmp_path):
    server = do("fine", tmp_path)[2]
    os.kill(server, signal.SIGKILL)
    assert gone(server)
    found = do("fine", tmp_path)
    assert found[0].returncode == 0
    assert found[2] != server


def test_a_stopped_npubench_starts_no_job(tmp_path):
    process.stop()
    try:
        with pytest.raises(Interrupted):
            kept.run(JOB, ["fine", str(tmp_path / "note")], ("json",), timeout_s=9.0, log=tmp_path / "log")
    finally:
        process.reset()


@pytest.mark.parametrize("killed", ["npubench", "server"])
def test_no_job_outlives_npubench_or_its_server(tmp_path, killed):
    note = tmp_path / "note"
    os.mkfifo(note)
    script = "import sys; from pathlib import Path; from npubench.tools import kept; kept.run(sys.argv[1], ['hang', sys.argv[2]], ('json',), timeout_s=99, log=Path(sys.argv[3]))"
    ours = subprocess.Popen(
        [sys.executable, "-c", script, JOB, str(note), str(tmp_path / "log")], stdout=subprocess.DEVNULL
    )
    # Opens when the job opens it to write.
    pid, server = map(int, note.read_text().split(" ")[:2])
    if killed == "server":
        os.kill(server, signal.SIGKILL)
    ours.kill()
    ours.wait()
    assert gone(pid)
    assert gone(server)


def test_only_npubenchs_own_workers_are_forks(tmp_path):
    worker = "npubench.backends.onnxruntime.worker"
    assert kept.worker_of([sys.executable, "-m", worker, "a"]) == worker
    assert kept.worker_of([sys.executable, "-m", "npubench.benchmarks.codec.worker", "a"]) is None
    assert kept.worker_of([sys.executable, "-m", "pip"]) is None
    assert kept.worker_of(["python3", "-m", worker]) is None
    assert kept.worker_of([sys.executable, "-c", "npubench.x"]) is None
    assert LocalSession().run(["echo", "hello"], 9.0, tmp_path / "log").output == "hello\n"
