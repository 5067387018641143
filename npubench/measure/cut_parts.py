"""Runs head, body and tail in a process of its own:
`python -m npubench.measure.cut_parts job.json answer.json`.

ONNX Runtime may crash, hang or take all memory on a model; here that ends one job and nothing else.
"""

import math
import sys
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from npubench.domain.specs import ModelInputs
from npubench.graph.walk import numpy_dtype
from npubench.measure.calibration import calibration_of_json, choose, evaluation_inputs
from npubench.measure.onnx_session import open_session, timed_rounds, warm_up
from npubench.measure.outputs import Output
from npubench.storage.json import decode
from npubench.tools.worker_protocol import serve


def main(question: str, reply: str) -> None:
    """Do the job; an exception is part of the answer."""
    serve({"feed": feed, "join": join, "time": time_parts}, question, reply, unlogged=("head", "tail"))


def feed(job: dict[str, Any]) -> dict[str, Any]:
    """What the body gets for every sample of the whole: one .npz each in `job["folders"]`, by their use."""
    head = _open(job["head"]) if job["head"] else None
    chosen = choose(decode(ModelInputs, job["fed"]), calibration_of_json(job["calibration"]))
    samples = {"calibration": chosen.calibration(), "evaluation": chosen.evaluation()}
    for use, folder in job["folders"].items():
        Path(folder).mkdir()
        for number, sample in enumerate(samples[use]):
            known = {**sample, **(_run(head, sample) if head else {})}
            _write(Path(folder) / f"sample-{number:05d}.npz", {n: known[n] for n in job["wanted"]})
    return {"samples": len(samples["calibration"])}


def join(job: dict[str, Any]) -> dict[str, Any]:
    """Outputs of the joined parts against the whole's: the body by ONNX Runtime, and as the target had it."""
    whole = _open(job["whole"])
    reference, ours, targets = [], [], []
    simulated = job["simulated"]
    for number, sample in enumerate(_samples(job)):
        reference.append(_run(whole, sample))
        ours.append(_joined(job, sample, None))
        if number < len(simulated):
            targets.append(_joined(job, sample, simulated[number]))
    return {
        "fp32": compared(ours, reference),
        "target": compared(targets, reference[: len(targets)]) if targets else None,
    }


def time_parts(job: dict[str, Any]) -> dict[str, Any]:
    """Nanoseconds of every run of head and tail, each fed with what it gets when the whole runs."""
    known = dict(_samples(job)[0])
    found: dict[str, Any] = {}
    for name in filter(job.get, ("head", "body", "tail")):
        session = _open(job[name])
        if name != "body":
            feeds = _feeds(session, known)
            warmed = warm_up(session, feeds, job["timing"])
            details = {**warmed, "providers": session.get_providers()}
            rounds = [one.counted for one in timed_rounds(session, feeds, job["timing"])]
            found[name] = {"rounds_ns": rounds, "details": details}
        known |= _run(session, known)
    return found


def _joined(job: dict[str, Any], sample: dict[str, Any], simulated: list[str] | None) -> dict[str, Any]:
    """All that is known after head, body and tail ran one after another."""
    known = dict(sample)
    for name in filter(job.get, ("head", "body", "tail")):
        if name == "body" and simulated is not None:
            for tensor, file in zip(job["body_outputs"], simulated, strict=True):
                # Tools give a tensor back in a rank of their own.
                array = np.load(file, allow_pickle=False).reshape(tensor["shape"])
                known[tensor["name"]] = array.astype(numpy_dtype(tensor["dtype"]))
        else:
            known |= _run(_open(job[name]), known)
    return known


@cache
def _open(path: str) -> Any:
    return open_session(Path(path))


def _run(session: Any, known: dict[str, Any]) -> dict[str, Any]:
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, _feeds(session, known)), strict=True))


def _feeds(session: Any, known: dict[str, Any]) -> dict[str, Any]:
    return {value.name: known[value.name] for value in session.get_inputs()}


def _samples(job: dict[str, Any]) -> list[dict[str, Any]]:
    spec = calibration_of_json(job["calibration"])
    return evaluation_inputs(decode(ModelInputs, job["fed"]), spec)[: job["compared"]]


def _write(path: Path, arrays: dict[str, Any]) -> None:
    """Like numpy.savez, which takes no array of the name `file`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)


def compared(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The fields of `state.OutputComparison` for every output of `theirs`, over all samples."""
    return [_compared(name, [one[name] for one in ours], [one[name] for one in theirs]) for name in theirs[0]]


def _compared(name: str, ours: Sequence[Any], theirs: Sequence[Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        **{"name": name, "dtype": str(theirs[0].dtype), "samples": len(theirs)},
        **dict.fromkeys(("cosine", "max_abs", "relative_error", "equal")),
    }
    if any(a.shape != b.shape for a, b in zip(ours, theirs, strict=True)):
        return {**figures, "note": "shapes differ: the data decide how much comes out"}
    output = Output(name)
    for a, b in zip(ours, theirs, strict=True):
        output.add(a, b)
    if output.broken or output.incomparable() or output.count < output.seen:
        return {**figures, "note": "outputs hold NaN, infinity or nothing to compare"}
    same = sum(int(np.count_nonzero(a == b)) for a, b in zip(ours, theirs, strict=True))
    figures |= {"max_abs": output.greatest, "equal": same / output.count}
    if theirs[0].dtype.kind in "biu":
        # Of indices and labels a direction says nothing: 7 is no better for being near 8.
        return figures
    error, squares = output.error, float(output.whole.sums[2, 0])
    relative = math.sqrt(error / squares) if squares else None if error else 0.0
    return {**figures, "cosine": output.cosine(), "relative_error": relative}


if __name__ == "__main__":
    main(*sys.argv[1:])
