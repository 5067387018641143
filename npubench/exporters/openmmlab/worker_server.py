"""Exports in forks of a process that has imported a codebase: a script of `standalone/fork_server.py`.

Importing PyTorch and OpenMMLab takes longer than exporting most models. Imports nothing of npubench.
"""

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def prepare(codebase: str) -> None:
    """Import everything that jobs need.

    What does not import is left to the job, which meets it again and answers with it.
    """
    worker = importlib.import_module("worker")
    os.environ.update(worker.SAME_KERNELS)
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxsim  # noqa: F401
        import torch

        torch.set_num_threads(worker.THREADS)
        codebases = importlib.import_module("worker_codebases")
        codebases.prepare(codebase)
        codebases.CODEBASES[codebase].warm()
        worker.versions(codebase)
    except Exception:  # noqa: BLE001 - the job meets the same error and classifies it
        traceback.print_exc()


def run(request: dict[str, Any]) -> None:
    """The job in a fork: from the file `job` to the file `answer`."""
    sys.modules["worker"].main(Path(request["job"]), Path(request["answer"]))
