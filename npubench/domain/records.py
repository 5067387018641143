"""What happened: models, artifacts, failures, results. Frozen; what is not known is None.

Figures have a module of their own (`figures`), and are here by name as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from npubench.domain.figures import Accuracy as Accuracy
from npubench.domain.figures import Bound as Bound
from npubench.domain.figures import BoundReason as BoundReason
from npubench.domain.figures import Bounds as Bounds
from npubench.domain.figures import Computed as Computed
from npubench.domain.figures import Figures as Figures
from npubench.domain.figures import Kernels as Kernels
from npubench.domain.figures import Kind as Kind
from npubench.domain.figures import Latency as Latency
from npubench.domain.figures import NoAccuracy as NoAccuracy
from npubench.domain.figures import OutputAccuracy as OutputAccuracy
from npubench.domain.figures import PlacedLayer as PlacedLayer
from npubench.domain.figures import RateFrom as RateFrom
from npubench.domain.figures import Sampling as Sampling
from npubench.domain.figures import Shares as Shares
from npubench.domain.figures import WorstSlice as WorstSlice
from npubench.domain.notes import Note as Note
from npubench.domain.notes import NoteCode as NoteCode
from npubench.domain.specs import CaseKind, Content, ModelInputs, Precision, Preprocessing, TensorSpec
from npubench.domain.specs import SamplesFrom as SamplesFrom


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


@dataclass(frozen=True, slots=True)
class Skip:
    """A job that does not apply, and why."""

    reason: Note | str


SAME_NETWORK = "same network as"
"""Key of `OnnxModel.exported`: the case whose file this one is, because nothing that decides it differs."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """An exported model: the file by its hash and what the graph says of itself.

    `external` are files that the model needs beside it. `macs` counts multiply-accumulates of
    convolutions and matrix products at the fixed shapes; None when a shape is unknown. `exported` says
    what the exporter did: the part of the model, its weights, how far it is from the framework's outputs.
    `batch_axes` are those, by input, that the file left open and called a batch before they were fixed.
    `contents` are what the graph and the names tell of inputs of whole numbers.
    """

    case: str
    path: Path
    sha256: str
    opset: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: Mapping[str, int]
    macs: int | None
    parameters: int
    activation_bytes: int | None
    size_bytes: int
    task: str = ""
    preprocessing: Preprocessing | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    external: tuple[Path, ...] = ()
    exported: Mapping[str, str] = field(default_factory=dict)
    batch_axes: Mapping[str, int] = field(default_factory=dict)
    contents: Mapping[str, Content] = field(default_factory=dict)

    @property
    def fed(self) -> ModelInputs:
        """All that data for it have to fit."""
        return ModelInputs(self.inputs, self.contents, self.preprocessing)


class DataSource(StrEnum):
    """Where input data come from."""

    SEEDED = "seeded"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class DataUse:
    """What a prepared model was fed with: how many samples calibrated it, and on how many it was compared.

    `held_out` is False where these are the same samples, for want of more. `inputs` say by name what the
    numbers were, `note` what else is to be known.
    """

    source: DataSource
    calibrated: int
    evaluated: int
    held_out: bool = True
    inputs: Mapping[str, str] = field(default_factory=dict)
    note: Note | str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a backend made for a target: the file by its hash; `extras` are kept with it.

    `parts` are those of `extras` that it does not run without: they belong beside it. `data` are what it was
    quantised and compared with.
    """

    path: Path
    sha256: str
    size_bytes: int
    backend: str
    tools: Mapping[str, str]
    precision: Precision
    onnx: OnnxModel
    settings: Mapping[str, Any] = field(default_factory=dict)
    extras: tuple[Path, ...] = ()
    parts: tuple[Path, ...] = ()
    data: DataUse | None = None


@dataclass(frozen=True, slots=True)
class BoardState:
    """A board at one moment; what it does not tell is None. Clocks in MHz, temperature in deg C.

    `cpu_flags` are those that decide which kernels a runtime has (`tools.cpu_flags.KERNEL_FLAGS`).
    """

    taken_at: str
    hostname: str | None = None
    cpu_model: str | None = None
    kernel: str | None = None
    distribution: str | None = None
    cores: int | None = None
    governor: str | None = None
    clocks_mhz: tuple[float, ...] = ()
    temperature_c: float | None = None
    load_1min: float | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    uptime_s: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    cpu_flags: tuple[str, ...] = ()


Outcome = Figures | Failure | Skip


@dataclass(frozen=True, slots=True)
class LogCase:
    """What a log that another program wrote tells of one case.

    `name` is empty where only the file's name tells it, `precision` None where nothing does. `estimate` is
    the compiler's own simulation, `figures` what a board's runner measured, as of a live run. `tools` are
    the versions that the log names. A case without figures and failure is skipped, for `skip_reason`.
    """

    name: str = ""
    estimate: Figures | None = None
    figures: Figures | None = None
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    precision: Precision | None = None
    skip_reason: Note | str = "the log holds no measurement"


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A toolchain here: versions when usable, otherwise why not and the one line that helps."""

    name: str
    usable: bool
    versions: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished process. `returncode` is negative for a signal; `output` is bounded and decoded.

    `out_of_memory` is what says so of one that was killed; empty where nothing does.
    """

    argv: tuple[str, ...]
    returncode: int
    output: str
    duration_s: float
    timed_out: bool = False
    truncated: bool = False
    out_of_memory: str = ""


@dataclass(frozen=True, slots=True)
class Runner:
    """A program that measures on a board, as the board tells; `path` is empty where it has none."""

    name: str
    path: str = ""
    sha256: str = ""

    @property
    def key(self) -> str:
        """What it is called among the tools of a row."""
        return f"{self.name} on the board"

    @property
    def tools(self) -> Mapping[str, str]:
        """For the versions of a row; nothing where the board did not tell."""
        return {self.key: f"sha256 {self.sha256[:16]}"} if self.sha256 else {}


class Verdict(StrEnum):
    """How far a row's latency can be relied on; see docs/measuring.md."""

    STABLE = "stable"
    DRIFTING = "drifting"
    THROTTLED = "throttled"
    NOISY = "noisy"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Definitions:
    """Definitions (`definitions.py`) that a row rests on; the first, of a row that says none."""

    quantisation: int = 1
    throughput: int = 1


class Status(StrEnum):
    """How a job ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One row: one case on one board in one precision. `key` identifies what was asked.

    `op` is the operator that an operator case is about, as its declaration says. `figures` come
    from the board (or, for a simulating backend, from its tool: see their kind);
    `estimate` is the tool's own simulation beside them. Hashes, versions and states are the
    provenance; `log_path` is relative to the workspace. `data` are what the model was fed with.
    """

    key: str
    run_id: str
    started_at: str
    duration_s: float
    board: str
    chip: str
    backend: str
    tools: Mapping[str, str]
    case: str
    case_kind: CaseKind
    precision: Precision
    status: Status
    onnx_sha256: str | None = None
    artifact_sha256: str | None = None
    artifact_bytes: int | None = None
    opset: int | None = None
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    macs: int | None = None
    parameters: int | None = None
    operators: Mapping[str, int] = field(default_factory=dict)
    task: str = ""
    exported: Mapping[str, str] = field(default_factory=dict)
    op: str = ""
    figures: Figures | None = None
    estimate: Figures | None = None
    failure: Failure | None = None
    skip_reason: Note | str | None = None
    verdict: Verdict | None = None
    warnings: tuple[Note | str, ...] = ()
    board_before: BoardState | None = None
    board_after: BoardState | None = None
    emulated: bool = False
    protocol: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    log_path: str | None = None
    log_sha256: str | None = None
    samples_path: str | None = None
    samples_sha256: str | None = None
    npubench_version: str = ""
    definitions: Definitions = Definitions()
    data: DataUse | None = None

    @property
    def all_figures(self) -> tuple[Figures, ...]:
        """Those that there are: what was measured, then what was estimated."""
        return tuple(figures for figures in (self.figures, self.estimate) if figures is not None)
