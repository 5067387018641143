"""What a toolchain leaves in the place of its files is not waited for."""

import os
import time
from pathlib import Path

import pytest

from npubench.backends.axera import base
from npubench.domain.records import Completed, FailureClass


class OddBench:
    """A toolchain that ends well and leaves FIFOs, or a link to a file of the user's."""

    def __init__(self, workdir: Path, make) -> None:
        self.workdir = workdir
        self.make = make

    def mark(self, name):
        (self.workdir / name).touch()

    def run(self, argv, timeout_s, log):
        for name in ("model.joint", base.BUILD_LOG):
            self.make(self.workdir / name)
        return Completed(tuple(argv), 0, "said\n", 0.1)

    def collect(self):
        pass


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_neither_artifact_nor_log(tmp_path, kind):
    theirs = tmp_path / "theirs"
    theirs.write_text("mine")
    folder = tmp_path / "job"
    folder.mkdir()
    make = os.mkfifo if kind == "fifo" else lambda path: path.symlink_to(theirs)
    bench = OddBench(folder, make)
    work = base.Work(None, folder, bench, time.monotonic() + 5, tmp_path / "log")
    failure = base.build(["pulsar", "build"], "model.joint", work)
    assert failure.failure_class is FailureClass.NO_ARTIFACT
    assert theirs.read_text() == "mine"
    assert (folder / base.BUILD_LOG).read_text() == "said\n"
