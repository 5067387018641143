"""Inputs of types that no tool is fed with here, refused by name before the tool is asked."""

from npubench.domain.records import Failure, FailureClass, OnnxModel, Stage
from npubench.graph.walk import numpy_dtype


def unfed(model: OnnxModel, tool: str) -> Failure | None:
    """Why a tool cannot be given data for the model: its files of samples are of numpy's own types."""
    for tensor in model.inputs:
        if numpy_dtype(tensor.dtype).isbuiltin != 1:
            message = f"input '{tensor.name}' is {tensor.dtype}, which {tool} is not fed with here: "
            message += "put a Cast from float32 before it, and export it again"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)
    return None
