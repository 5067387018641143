"""A process of its own: FP32's outputs of a model, and how near those of `pulsar2 run` come to them.

Run as `python -m npubench.backends.axera.reference_worker FOLDER`; reads reference.json there.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

from npubench.backends.axera.pulsar2_run import ANSWER, OUTPUTS, REFERENCE
from npubench.backends.onnxruntime.compare import similarity, top1_agreement, with_samples
from npubench.backends.onnxruntime.timed import open_session
from npubench.storage.files import open_regular


def main(folder: Path) -> None:
    """Write the answer: fields of `records.Accuracy`, or why there is none."""
    job = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    try:
        answer = _compared(job, folder)
    except Exception as error:  # noqa: BLE001 - whatever ONNX Runtime raises: the artifact is none the worse
        answer = {"why": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]}
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")


def _compared(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    import numpy as np

    session = open_session(Path(job["model"]))
    ours: list[list[Any]] = []
    theirs: list[list[Any]] = []
    for number in range(job["samples"]):
        with np.load(folder / f"{REFERENCE}-{number}.npz", allow_pickle=False) as arrays:
            feeds = dict(zip(job["inputs"], (arrays[name] for name in arrays.files), strict=True))
        names = [name for name, *_ in job["outputs"]]
        theirs.append(session.run(names, feeds))
        ours.append([])
        for (name, _, _, file), expected in zip(job["outputs"], theirs[-1], strict=True):
            with open_regular(folder / OUTPUTS / str(number) / file) as stream:
                data = stream.read()
            found = _array(data, expected)
            if found is None:
                shape = list(expected.shape)
                return {"why": f"output {name} has {len(data)} bytes, which is no {expected.dtype} {shape}"}
            ours[-1].append(found)
    found = similarity(ours, theirs, names=[name for name, *_ in job["outputs"]])
    if found.wrong:
        return {"wrong": found.wrong, "why": found.wrong}
    agreement = top1_agreement(ours, theirs) if job["classification"] else None
    return {**with_samples(found, agreement, job["samples"]).told(), "why": found.why}


def _array(data: bytes, expected: Any) -> Any:
    """The bytes in the reference's type, or as float32, which the tool gives quantised outputs back in."""
    import numpy as np

    count = math.prod(expected.shape)
    for dtype in dict.fromkeys((expected.dtype, np.dtype(np.float32))):
        if len(data) == count * dtype.itemsize:
            return np.frombuffer(data, dtype).reshape(expected.shape)
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
