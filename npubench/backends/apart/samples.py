"""Calibration and evaluation data as files of a job's folder, for a worker to read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.calibration import calibration_inputs, evaluation_inputs, rounded_to_8_bits
from npubench.errors import UsageError
from npubench.records import Failure, FailureClass, OnnxModel, Stage
from npubench.specs import CalibrationSpec

if TYPE_CHECKING:
    import numpy as np

FOLDER = "samples"
Paths = list[dict[str, str]]
"""For every sample the file of each input, relative to the job's folder."""


def lay_out(
    model: OnnxModel, spec: CalibrationSpec, evaluated: int, workdir: Path
) -> dict[str, Paths] | Failure:
    """Write `calibration` samples and up to `evaluated` samples for `evaluation`, one .npy an input.

    `rounded` are the latter as 8 bits represent them, for a model with integer outputs: how many of those
    change with that alone is what the tool's are judged by.
    """
    try:
        calibration = calibration_inputs(model.inputs, spec)
        evaluation = evaluation_inputs(model.inputs, spec)[:evaluated]
    except UsageError as error:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, str(error))
    if not calibration:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, "there are no calibration samples")
    (workdir / FOLDER).mkdir()
    whole = any(tensor.dtype.startswith(("int", "uint", "bool")) for tensor in model.outputs)
    return {
        "calibration": _write(calibration, "calibration", workdir),
        "evaluation": _write(evaluation, "evaluation", workdir),
        "rounded": _write(rounded_to_8_bits(evaluation), "rounded", workdir) if whole else [],
    }


def lay_out_dataset(
    model: OnnxModel, spec: CalibrationSpec, inputs: Path, workdir: Path
) -> dict[str, Paths] | Failure:
    """Like `lay_out`, with every sample of a data set (samples x input without batch) to evaluate on."""
    import numpy as np

    laid_out = lay_out(model, spec, 0, workdir)
    if isinstance(laid_out, Failure):
        return laid_out
    (tensor,) = model.inputs
    data = np.load(inputs, mmap_mode="r", allow_pickle=False)
    samples = [{tensor.name: np.asarray(one[None], dtype=tensor.dtype)} for one in data]
    return {**laid_out, "evaluation": _write(samples, "evaluation", workdir)}


def _write(data: "Sequence[dict[str, np.ndarray[Any, Any]]]", kind: str, workdir: Path) -> Paths:
    import numpy as np

    paths: Paths = []
    for number, sample in enumerate(data):
        # Numbered, because an input may have any name.
        files = {name: f"{FOLDER}/{kind}-{number}-{i}.npy" for i, name in enumerate(sample)}
        for name, file in files.items():
            np.save(workdir / file, sample[name])
        paths.append(files)
    return paths
