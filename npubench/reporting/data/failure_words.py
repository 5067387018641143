"""What each class of failure means, in words."""

from npubench.domain.records import FailureClass
from npubench.reporting.data.translate import language, translate

WORDS = {
    FailureClass.NOT_FOUND: "there is no such case or file",
    FailureClass.INVALID_MODEL: "the model is not valid",
    FailureClass.DYNAMIC_SHAPE: "a shape is not fixed",
    FailureClass.EXTERNAL_DATA: "weights lie in files beside the model",
    FailureClass.INVALID_CALIBRATION: "the calibration data do not fit",
    FailureClass.MISSING_PACKAGE: "a package is not installed",
    FailureClass.EXPORT_FAILED: "the export did not succeed",
    FailureClass.EXPORT_MISMATCH: "the exported model computes something else",
    FailureClass.UNSUPPORTED_OPSET: "the toolchain does not read this opset",
    FailureClass.UNSUPPORTED_OPERATOR: "an operator cannot run there",
    FailureClass.UNSUPPORTED_ATTRIBUTE: "an operator runs, but not with these attributes",
    FailureClass.UNSUPPORTED_CODEC: "the codec is not there",
    FailureClass.OUT_OF_MEMORY: "this machine's memory was not enough",
    FailureClass.KILLED: "it was ended from outside",
    FailureClass.CRASH: "the tool crashed",
    FailureClass.HANG: "it did not end in time",
    FailureClass.NO_ARTIFACT: "the tool wrote no artifact",
    FailureClass.OUTPUT_MISMATCH: "the outputs are wrong",
    FailureClass.WRONG_ARTIFACT: "the artifact is of another model or chip",
    FailureClass.TRANSFER_FAILED: "a file did not reach the board",
    FailureClass.BOARD_UNREACHABLE: "the board did not answer",
    FailureClass.BOARD_LOST: "the board went away",
    FailureClass.BOARD_BUSY: "the board was taken",
    FailureClass.WRONG_NPU_MODE: "the NPU is in another mode",
    FailureClass.OUT_OF_DEVICE_MEMORY: "the board's memory was not enough",
    FailureClass.UNPARSED_OUTPUT: "the tool's output was not understood",
    FailureClass.TOOL_MISSING: "a tool is not there",
    FailureClass.TOOL_ERROR: "the tool reported an error",
}
"""What each class means: a key of the translations."""


def class_word(failure_class: FailureClass) -> str:
    """The class by its name, which commands and files use, in English; in another language what it means."""
    return failure_class.value if language() == "en" else translate(WORDS[failure_class])
