import sys
import threading
import time
from pathlib import Path

import pytest

from npubench.domain.errors import Interrupted
from npubench.tools import process
from tests.deadlines import long_enough


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_gone(pid: int) -> bool:
    """A killed process may take a moment to die."""
    end = time.monotonic() + 300
    while is_alive(pid) and time.monotonic() < end:
        threading.Event().wait(0.01)
    return not is_alive(pid)


def wait_for(path: Path) -> str:
    end = time.monotonic() + 300
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < end, f"{path} never came"
        threading.Event().wait(0.01)
    return path.read_text().strip()


def test_output_is_kept_and_returned(log):
    log.write_text("before\n")
    done = process.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=300, log=log)
    assert (done.returncode, done.output, done.timed_out) == (3, "out\nerr\n", False)
    assert log.read_text() == "before\nout\nerr\n"


def test_words_are_not_read_by_a_shell(log):
    word = "$(id) `id` ; rm -rf 'x' \"y\" * \n z"
    done = process.run(
        [sys.executable, "-c", "import sys; print(ascii(sys.argv[1]))", word], timeout_s=300, log=log
    )
    assert done.output.strip() == ascii(word)


def test_the_whole_tree_dies_at_the_deadline(log, tmp_path):
    pid_file = tmp_path / "pid"
    script = f"setsid sh -c 'echo $$ > {pid_file}; sleep 600' & wait"
    done = long_enough(
        lambda limit_s: process.run(["sh", "-c", script], timeout_s=limit_s, log=log), pid_file.exists
    )
    assert done.timed_out
    assert done.returncode < 0
    assert is_gone(int(wait_for(pid_file)))


def test_what_a_finished_process_left_behind_is_ended(log, tmp_path):
    pid_file = tmp_path / "pid"
    done = process.run(["sh", "-c", f"sleep 600 & echo $! > {pid_file}"], timeout_s=300, log=log)
    assert done.returncode == 0
    assert is_gone(int(wait_for(pid_file)))


def test_stop_ends_what_runs_and_refuses_what_comes(log, tmp_path):
    pid_file = tmp_path / "pid"
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            process.run(["sh", "-c", f"echo $$ > {pid_file}; sleep 600"], timeout_s=600, log=log)
        except Interrupted as error:
            outcome.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        pid = int(wait_for(pid_file))
        process.stop()
        worker.join(300)
        assert outcome
        assert is_gone(pid)
        with pytest.raises(Interrupted):
            process.run(["true"], timeout_s=1, log=log)
    finally:
        process.reset()
    assert process.run(["true"], timeout_s=300, log=log).returncode == 0


def test_a_memory_limit_holds(log):
    # The limit comes when the process has started already.
    limited = "while resource.getrlimit(resource.RLIMIT_AS)[0] != 1 << 30: time.sleep(0.01)"
    script = f"import resource, time\n{limited}\nx = bytearray(3 << 30)\nprint('got it')"
    hungry = [sys.executable, "-c", script]
    done = process.run(hungry, timeout_s=300, log=log, memory_limit_bytes=1 << 30)
    assert done.returncode != 0
    assert "got it" not in done.output


def test_a_flood_is_bounded_in_memory_but_whole_in_the_log(log):
    done = process.run([sys.executable, "-c", "print('x' * 9_000_000 + 'end')"], timeout_s=300, log=log)
    assert done.truncated
    assert len(done.output) <= process.OUTPUT_LIMIT_BYTES
    assert done.output.endswith("end\n")
    assert log.stat().st_size > 9_000_000


def test_bytes_that_are_no_text_are_replaced(log):
    done = process.run(["printf", r"a\377b"], timeout_s=300, log=log)
    assert done.output == "a\ufffdb"


def test_a_program_that_is_not_there_is_an_os_error(log):
    with pytest.raises(FileNotFoundError):
        process.run(["/no/such/program"], timeout_s=1, log=log)
