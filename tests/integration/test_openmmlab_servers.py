"""The process that imports once and forks for every job, with a worker in it that needs no PyTorch."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from npubench.domain.errors import Interrupted
from npubench.exporters.openmmlab import exporter
from npubench.tools import process
from tests.deadlines import long_enough

WORKER = """
import json, os, signal, time
from pathlib import Path

SAME_KERNELS, THREADS = {}, 1

def main(job_path, answer_path):
    job = json.loads(job_path.read_text())
    print("doing", job["do"], flush=True)
    match job["do"]:
        case "crash": os.kill(os.getpid(), signal.SIGSEGV)
        case "hang": Path("pid").write_text(str(os.getpid())); time.sleep(600)
        case "eat": bytearray(64 * 2**30)
    answer_path.write_text(json.dumps({"parent": os.getppid(), "folder": os.getcwd()}))
"""
CODEBASES = """
print("imported", flush=True)

def prepare(codebase):
    print("prepared", codebase, flush=True)

class Zoo:
    def warm(self):
        print("warmed", flush=True)

CODEBASES = {"zoo": Zoo()}
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Does a job; its Completed, and the answer's path."""
    code = tmp_path / "code"
    code.mkdir()
    shutil.copy(exporter.SERVER, code)
    for name, text in (("worker", WORKER), ("worker_codebases", CODEBASES)):
        (code / f"{name}.py").write_text(text)
    for name in ("torch", "onnx", "onnxruntime", "onnxsim"):
        (code / f"{name}.py").write_text("def set_num_threads(count): pass\n")
    monkeypatch.setattr(exporter, "SERVER", code / exporter.SERVER.name)

    def do(what: str, timeout_s: float = 300.0):
        folder = tmp_path / what
        folder.mkdir(exist_ok=True)
        job, answer = folder / "job.json", folder / "answer.json"
        job.write_text(json.dumps({"do": what}))
        done = exporter.run(Path(sys.executable), "zoo", job, answer, tmp_path / "log", timeout_s, 8 * 2**30)
        return done, answer

    yield do
    exporter.end_idle()


def test_the_second_job_finds_everything_imported_and_a_folder_of_its_own(ask, tmp_path):
    first, one = ask("work")
    again, other = ask("more")
    assert (first.returncode, again.returncode) == (0, 0)
    assert json.loads(one.read_text())["parent"] == json.loads(other.read_text())["parent"]
    assert json.loads(other.read_text())["folder"] == str(tmp_path / "more")
    log = (tmp_path / "log").read_text()
    assert log.count("prepared zoo") == log.count("warmed") == 1
    assert log.index("doing work") < log.index("doing more")


def test_a_crash_ends_its_own_job_alone(ask):
    _, before = ask("work")
    crashed, answer = ask("crash")
    assert crashed.returncode == -signal.SIGSEGV
    assert not answer.exists()
    after, other = ask("more")
    assert after.returncode == 0
    assert json.loads(before.read_text())["parent"] == json.loads(other.read_text())["parent"]


def test_a_job_gets_no_more_memory_than_it_may_have(ask):
    done, answer = ask("eat")
    assert done.returncode == 1
    assert not answer.exists()


def test_a_job_that_hangs_ends_at_its_deadline_and_the_next_one_has_a_new_process(ask, tmp_path):
    note = tmp_path / "hang" / "pid"
    hung, _ = long_enough(lambda limit_s: ask("hang", timeout_s=limit_s), note.exists)
    assert hung.timed_out
    until(lambda: not alive(int(note.read_text())))
    assert ask("work")[0].returncode == 0


def test_an_idle_process_that_was_killed_is_not_asked(ask):
    _, answer = ask("work")
    server = json.loads(answer.read_text())["parent"]
    os.kill(server, signal.SIGKILL)
    until(lambda: not alive(server))
    done, other = ask("more")
    assert done.returncode == 0
    assert json.loads(other.read_text())["parent"] != server


def test_a_stop_interrupts_the_job_and_leaves_no_process(ask, tmp_path):
    raised = []

    def work():
        try:
            ask("hang")
        except Interrupted as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    pid = tmp_path / "hang" / "pid"
    until(lambda: pid.exists() and pid.read_text())
    try:
        process.stop()
        thread.join(20)
    finally:
        process.reset()
    assert raised
    until(lambda: not alive(int(pid.read_text())))


def test_a_job_ends_with_the_npubench_that_asked_for_it(tmp_path, ask):
    asking = """
import sys
from pathlib import Path
from npubench.exporters.openmmlab import exporter
exporter.SERVER = Path(sys.argv[1])
folder = Path(sys.argv[2])
exporter.run(Path(sys.executable), "zoo", folder / "job.json", folder / "answer.json", folder / "log", 600, 2**33)
"""
    folder = tmp_path / "asked"
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"do": "hang"}))
    ours = subprocess.Popen([sys.executable, "-c", asking, str(exporter.SERVER), str(folder)])
    pid = folder / "pid"
    until(lambda: pid.exists() and pid.read_text())
    ours.kill()
    ours.wait()
    until(lambda: not alive(int(pid.read_text())))


def alive(pid: int) -> bool:
    """A dead one whose parent has not looked yet is dead."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def until(condition, limit_s: float = 300.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
