"""`describe` in a process of its own: onnx is native code, and a stranger's file may hang or crash it."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from npubench.domain.records import Failure, FailureClass, OnnxModel, Stage
from npubench.graph.check import refused
from npubench.graph.read import describe
from npubench.storage.files import is_regular, write_atomically
from npubench.storage.json import decode, encode
from npubench.tools import kept
from npubench.tools.process import classify_exit

DEADLINE_S = 600.0
"""Far above what hashing and checking the largest models take."""

MODULE = "npubench.exporters.apart"
MODEL, FAILURE = "model.json", "failure.json"


def describe_apart(
    path: Path, case: str, task: str, log: Path, deadline_s: float = DEADLINE_S
) -> OnnxModel | Failure:
    """`graph.read.describe`, ended at the deadline; output is appended to `log`. Raises Interrupted."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(path.absolute()), folder]
        done = kept.run(MODULE, arguments, kept.FILES, timeout_s=deadline_s, log=log)
        model, failure = Path(folder) / MODEL, Path(folder) / FAILURE
        if is_regular(model):
            return replace(decode(OnnxModel, model.read_bytes()), case=case, task=task)
        if is_regular(failure):
            return decode(Failure, failure.read_bytes())
    ended = classify_exit("reading the model", done, Stage.EXPORT, "here")
    if ended is None or ended.failure_class is FailureClass.TOOL_ERROR:
        message = f"reading the model ended with code {done.returncode}: see the log"
        return refused(FailureClass.EXPORT_FAILED, message, detail=done.output)
    helps = "" if ended.transient else "; it may be damaged: export it another way"
    return replace(ended, message=f"{ended.message}{helps}", detail=done.output)


def warm() -> None:
    """Make what writes an answer, once for all jobs."""
    encode(OnnxModel("", Path(), "", 1, (), (), {}, None, 0, None, 0))
    encode(refused(FailureClass.HANG, ""))


def main(path: str, folder: str) -> None:
    """Describe the model at `path` and leave the answer in `folder`, whole or not at all."""
    outcome = describe(Path(path), "")
    answer = FAILURE if isinstance(outcome, Failure) else MODEL
    write_atomically(Path(folder) / answer, encode(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
