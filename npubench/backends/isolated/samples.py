"""Calibration and evaluation data as files of a job's folder, for a worker to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import UsageError
from npubench.domain.records import DataUse, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CalibrationSpec
from npubench.graph.walk import numpy_dtype, plain
from npubench.measure.calibration import choose, rounded_to_8_bits
from npubench.measure.sample_files import batched

if TYPE_CHECKING:
    import numpy as np

FOLDER = "samples"
Paths = list[dict[str, str]]
"""For every sample the file of each input, relative to the job's folder."""


@dataclass(frozen=True, slots=True)
class LaidOut:
    """Files of `calibration`, `evaluation` and `rounded` samples, and what a row says of them."""

    files: Mapping[str, Paths]
    use: DataUse


def lay_out(model: OnnxModel, spec: CalibrationSpec, evaluated: int, workdir: Path) -> LaidOut | Failure:
    """Write `calibration` samples and up to `evaluated` samples for `evaluation`, one .npy an input.

    `rounded` are the latter as 8 bits represent them, for a model with integer outputs: how many of those
    change with that alone is what the tool's are judged by.
    """
    try:
        chosen = choose(model.fed, spec)
        calibration, evaluation = chosen.calibration(), chosen.evaluation()[:evaluated]
    except UsageError as error:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, str(error))
    if not calibration:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, "there are no calibration samples")
    (workdir / FOLDER).mkdir()
    whole = any(tensor.dtype.startswith(("int", "uint", "bool")) for tensor in model.outputs)
    files = {
        "calibration": _write(calibration, "calibration", workdir),
        "evaluation": _write(evaluation, "evaluation", workdir),
        "rounded": _write(rounded_to_8_bits(evaluation), "rounded", workdir) if whole else [],
    }
    return LaidOut(files, chosen.use(evaluated))


def lay_out_dataset(
    model: OnnxModel, spec: CalibrationSpec, inputs: Path, workdir: Path
) -> LaidOut | Failure:
    """Like `lay_out`, with every sample of a data set (samples x input without batch) to evaluate on.

    Of a model with a fixed batch the last call is filled up.
    """
    import numpy as np

    laid_out = lay_out(model, spec, 0, workdir)
    if isinstance(laid_out, Failure):
        return laid_out
    (tensor,) = model.inputs
    data = np.load(inputs, mmap_mode="r", allow_pickle=False)
    samples = batched(
        model.fed, [{tensor.name: np.asarray(one, dtype=numpy_dtype(tensor.dtype))} for one in data]
    )
    files = {**laid_out.files, "evaluation": _write(samples, "evaluation", workdir)}
    return replace(laid_out, files=files)


def _write(data: "Sequence[dict[str, np.ndarray[Any, Any]]]", kind: str, workdir: Path) -> Paths:
    import numpy as np

    paths: Paths = []
    for number, sample in enumerate(data):
        # Numbered, because an input may have any name.
        files = {name: f"{FOLDER}/{kind}-{number}-{i}.npy" for i, name in enumerate(sample)}
        for name, file in files.items():
            # A file of numpy's holds no other types than its own.
            np.save(workdir / file, plain(sample[name]))
        paths.append(files)
    return paths
