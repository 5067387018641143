"""A data set through a tool's simulator, which runs while it converts: so the model is converted again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npubench.predictions import Predictions
from npubench.records import Failure, FailureClass, Kind, OnnxModel, Stage
from npubench.regular import is_regular

NOTE = "simulated while it was converted again with the same calibration: no artifact was run"


def unfit(model: OnnxModel) -> Failure | None:
    """Why a data set cannot be run through this model; None when it can."""
    if len(model.inputs) == 1 and model.inputs[0].shape[:1] == (1,):
        return None
    message = f"a data set is run one by one: {model.case} has more inputs than one, or a batch"
    return Failure(Stage.MEASURE, FailureClass.INVALID_MODEL, message)


def predictions(tool: str, answer: Mapping[str, Any], workdir: Path) -> Predictions | Failure:
    """The first output of every sample, which the worker left in `workdir`, as one file."""
    import numpy as np

    files = [sample[0] for sample in answer.get("outputs") or () if sample]
    if not files:
        message = f"{tool} simulates nothing: it left no outputs"
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    if odd := [name for name in files if not is_regular(workdir / name)]:
        message = f"{tool} left no file {odd[0]}"[:300]
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    # Tools give a tensor back in a rank of their own.
    outputs = np.stack([np.load(workdir / name, allow_pickle=False).ravel() for name in files])
    np.save(workdir / "outputs.npy", outputs)
    return Predictions(workdir / "outputs.npy", Kind.SIMULATED, None, note=NOTE)
