"""Runs in a process of its own: `python -m npubench.benchmarks.codec.worker job.json answer.json`.

PyAV's libraries may crash, hang or take all memory; here that ends one case and nothing else.
"""

import sys
from typing import Any

from npubench.tools.worker_protocol import serve

STEPS = ("make", "decode", "encode", "image", "pipeline")


def main(question: str, reply: str) -> None:
    """Do the job; an exception is part of the answer."""
    serve(dict.fromkeys(STEPS, _do), question, reply, unlogged=("samples_us",))


def _do(job: dict[str, Any]) -> dict[str, Any]:
    # Not at the top: that PyAV is not installed is an answer.
    from npubench.benchmarks.codec import worker_decode, worker_encode, worker_pipeline

    steps = {
        "make": worker_encode.make,
        "decode": worker_decode.decode,
        "encode": worker_encode.encode,
        "image": worker_decode.image,
        "pipeline": worker_pipeline.pipeline,
    }
    return steps[job["step"]](job)


if __name__ == "__main__":
    main(*sys.argv[1:])
