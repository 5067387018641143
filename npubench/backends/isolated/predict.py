"""A data set through a tool's simulator, which runs while it converts: so the model is converted again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npubench.domain.predictions import Predictions
from npubench.domain.records import Failure, FailureClass, Kind, OnnxModel, Stage
from npubench.measure.sample_files import batch_of
from npubench.storage.files import is_regular

NOTE = "simulated while it was converted again with the same calibration: no artifact was run"


def unfit(model: OnnxModel) -> Failure | None:
    """Why a data set cannot be run through this model; None when it can."""
    if len(model.inputs) == 1 and model.inputs[0].shape[:1] > (0,):
        return None
    message = f"a data set is of one input with a batch: {model.case} has others"
    return Failure(Stage.MEASURE, FailureClass.INVALID_MODEL, message)


def predictions(
    tool: str, answer: Mapping[str, Any], model: OnnxModel, inputs: Path, workdir: Path
) -> Predictions | Failure:
    """The first output of every sample of `inputs`, which the worker left in `workdir`, as one file."""
    import numpy as np

    files = [sample[0] for sample in answer.get("outputs") or () if sample]
    if not files:
        message = f"{tool} simulates nothing: it left no outputs"
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    if odd := [name for name in files if not is_regular(workdir / name)]:
        message = f"{tool} left no file {odd[0]}"[:300]
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    total = len(np.load(inputs, mmap_mode="r", allow_pickle=False))
    batch = batch_of(model.fed)
    calls = [np.load(workdir / name, allow_pickle=False) for name in files]
    if any(call.size % batch for call in calls):
        message = f"{tool}'s first output has no entries for each of {batch} samples a call"
        return Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, message)
    # Tools give a tensor back in a rank of their own.
    outputs = np.concatenate([call.reshape(batch, -1) for call in calls])[:total]
    np.save(workdir / "outputs.npy", outputs)
    return Predictions(workdir / "outputs.npy", Kind.SIMULATED, None, note=NOTE)
