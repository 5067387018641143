"""Runs in a process of its own: `python -m npubench.benchmarks.codec.worker job.json answer.json`.

PyAV's libraries may crash, hang or take all memory; here that ends one case and nothing else.
"""

import sys
from typing import Any

from npubench.tools.worker_protocol import serve


def main(question: str, reply: str) -> None:
    """Do the job; an exception is part of the answer."""
    steps = ("make", "decode", "encode", "image", "pipeline")
    serve(dict.fromkeys(steps, _do), question, reply, unlogged=("samples_us",))


def _do(job: dict[str, Any]) -> dict[str, Any]:
    # Not at the top: that PyAV is not installed is an answer.
    if job["step"] == "pipeline":
        from npubench.benchmarks.codec.worker_pipeline import pipeline

        return pipeline(job)
    from npubench.benchmarks.codec import worker_video as video

    steps = {"make": video.make, "decode": video.decode, "encode": video.encode, "image": video.image}
    return steps[job["step"]](job)


if __name__ == "__main__":
    main(*sys.argv[1:])
