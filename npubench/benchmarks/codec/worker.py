"""Runs in a process of its own: `python -m npubench.benchmarks.codec.worker job.json answer.json`.

PyAV's libraries may crash, hang or take all memory; here that ends one case and nothing else.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Job = Mapping[str, Any]


def main() -> None:
    """Do the job; an exception is part of the answer."""
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        answer = _step(job["step"])(job)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side decides what it means
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {error}"}
    Path(sys.argv[2]).write_text(json.dumps(answer))
    print(json.dumps({key: value for key, value in answer.items() if key != "samples_us"}))  # noqa: T201 - for the log


def _step(name: str) -> Callable[[Job], dict[str, Any]]:
    from npubench.benchmarks.codec import (
        worker_decode,
        worker_encode,
        worker_images,
        worker_make,
        worker_pipeline,
    )

    return {
        "make": worker_make.make,
        "decode": worker_decode.decode,
        "encode": worker_encode.encode,
        "image": worker_images.image,
        "pipeline": worker_pipeline.pipeline,
    }[name]


if __name__ == "__main__":
    main()
