"""Why a case has no figure: the stage, the class and the words for it. Re-exported by `records`."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The step of a job in which it failed."""

    FIND = "find"
    EXPORT = "export"
    COMPILE = "compile"
    TRANSFER = "transfer"
    MEASURE = "measure"


class FailureClass(StrEnum):
    """Why a case failed; the vocabulary of the `failure.class` column."""

    NOT_FOUND = "not_found"
    INVALID_MODEL = "invalid_model"
    DYNAMIC_SHAPE = "dynamic_shape"
    EXTERNAL_DATA = "external_data"
    INVALID_CALIBRATION = "invalid_calibration"
    MISSING_PACKAGE = "missing_package"
    EXPORT_FAILED = "export_failed"
    EXPORT_MISMATCH = "export_mismatch"
    UNSUPPORTED_OPSET = "unsupported_opset"
    UNSUPPORTED_OPERATOR = "unsupported_operator"
    UNSUPPORTED_ATTRIBUTE = "unsupported_attribute"
    UNSUPPORTED_CODEC = "unsupported_codec"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    CRASH = "crash"
    HANG = "hang"
    NO_ARTIFACT = "no_artifact"
    OUTPUT_MISMATCH = "output_mismatch"
    WRONG_ARTIFACT = "wrong_artifact"
    TRANSFER_FAILED = "transfer_failed"
    BOARD_UNREACHABLE = "board_unreachable"
    BOARD_LOST = "board_lost"
    BOARD_BUSY = "board_busy"
    WRONG_NPU_MODE = "wrong_npu_mode"
    OUT_OF_DEVICE_MEMORY = "out_of_device_memory"
    UNPARSED_OUTPUT = "unparsed_output"
    TOOL_MISSING = "tool_missing"
    TOOL_ERROR = "tool_error"


TRANSIENT = frozenset(
    {
        FailureClass.BOARD_UNREACHABLE,
        FailureClass.BOARD_LOST,
        FailureClass.BOARD_BUSY,
        FailureClass.KILLED,
        FailureClass.TRANSFER_FAILED,
        FailureClass.TOOL_MISSING,
    }
)
"""Failures that say nothing about the case: the next run tries these again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed step. `message` is one line; `detail` may hold more for the log."""

    stage: Stage
    failure_class: FailureClass
    message: str
    operators: tuple[str, ...] = ()
    detail: str = ""

    @property
    def transient(self) -> bool:
        """Whether the next run tries again: the mode that a board is in is the board's trouble, too."""
        in_wrong_mode = self.failure_class is FailureClass.WRONG_NPU_MODE and self.stage is Stage.MEASURE
        return in_wrong_mode or self.failure_class in TRANSIENT
