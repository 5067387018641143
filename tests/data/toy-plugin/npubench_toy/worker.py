"""Runs inside the environment `toy`, where npubench is not."""

import os
import sys
from pathlib import Path

sys.path.insert(0, os.environ["NPUBENCH_WORKER_FRAME"])
from worker_frame import serve, step


def work(job):
    """Use the tool; say what came of it."""
    import toy_compiler

    with step("compile"):
        model = Path(job["model"]).read_bytes()
        Path("model.toy").write_text(f"{toy_compiler.VERSION} {len(model)}")
    return {"artifact": "model.toy", "cycles": len(model)}


serve(work)
