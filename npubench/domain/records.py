"""What happened: models, artifacts, failures, results. Frozen; what is not known is None."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain import figures, notes
from npubench.domain.figures import Figures, Kind
from npubench.domain.notes import Note
from npubench.domain.specs import CaseKind, Content, ModelInputs, Precision, Preprocessing, TensorSpec

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Figures and notes, which plug-ins of earlier versions import from here."""
        for place in (figures, notes):
            if hasattr(place, name):
                return getattr(place, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
    """A failed step."""

    stage: Stage  # in which it failed
    failure_class: FailureClass  # of `failure.class`
    message: str  # one line
    operators: tuple[str, ...] = ()  # operator types that it is about
    detail: str = ""  # more for the log

    @property
    def transient(self) -> bool:
        """Whether the next run tries again: the mode that a board is in is the board's trouble, too."""
        in_wrong_mode = self.failure_class is FailureClass.WRONG_NPU_MODE and self.stage is Stage.MEASURE
        return in_wrong_mode or self.failure_class in TRANSIENT


@dataclass(frozen=True, slots=True)
class Skip:
    """A job that does not apply, and why."""

    reason: Note | str  # why it does not apply


SAME_NETWORK = "same network as"
"""Key of `OnnxModel.exported`: the case whose file this one is, because nothing that decides it differs."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """An exported model: the file by its hash and what the graph says of itself."""

    case: str  # whose network it is
    path: Path  # of the file
    sha256: str  # of the file and of what it needs beside it
    opset: int  # of the default domain
    inputs: tuple[TensorSpec, ...]  # with fixed shapes
    outputs: tuple[TensorSpec, ...]  # with fixed shapes
    operators: Mapping[str, int]  # nodes by operator type
    macs: int | None  # multiply-accumulates of convolutions and matrix products; None when a shape is unknown
    parameters: int  # elements of weights
    activation_bytes: int | None  # of all that nodes write and something reads; None when a size is unknown
    size_bytes: int  # of the file
    task: str = ""  # such as classification; empty where unknown
    preprocessing: Preprocessing | None = None  # from pixels to its inputs
    tools: Mapping[str, str] = field(default_factory=dict)  # versions of what exported it
    seed: int | None = None  # of random weights
    external: tuple[Path, ...] = ()  # files that it needs beside it
    # What the exporter did: part of the model, weights, distance from the framework.
    exported: Mapping[str, str] = field(default_factory=dict)
    # Axis by input that the file left open and called a batch.
    batch_axes: Mapping[str, int] = field(default_factory=dict)
    # What the graph and the names tell of inputs of whole numbers.
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
    """What a prepared model was fed with: what calibrated it, and what it was compared on."""

    source: DataSource  # of the data
    calibrated: int  # samples that calibrated
    evaluated: int  # samples that outputs were compared on
    held_out: bool = True  # False where these are the same samples, for want of more
    inputs: Mapping[str, str] = field(default_factory=dict)  # by name, what the numbers were
    note: Note | str = ""  # what else is to be known


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a backend made for a target: the file by its hash."""

    path: Path  # of the file
    sha256: str  # of the file
    size_bytes: int  # of the file
    backend: str  # that made it
    tools: Mapping[str, str]  # versions that made it
    precision: Precision  # of its weights
    onnx: OnnxModel  # what it was made of
    settings: Mapping[str, Any] = field(default_factory=dict)  # that decided it, JSON-ready
    extras: tuple[Path, ...] = ()  # files kept with it
    parts: tuple[Path, ...] = ()  # those of `extras` that it does not run without
    data: DataUse | None = None  # it was quantised and compared with


@dataclass(frozen=True, slots=True)
class BoardState:
    """A board at one moment; what it does not tell is None."""

    taken_at: str  # ISO 8601, UTC
    hostname: str | None = None  # as the board says
    cpu_model: str | None = None  # as the board says
    kernel: str | None = None  # its release
    distribution: str | None = None  # name and version
    cores: int | None = None  # of the processor
    governor: str | None = None  # of the first core's frequency
    clocks_mhz: tuple[float, ...] = ()  # of each core, MHz
    temperature_c: float | None = None  # the hottest zone, deg C
    load_1min: float | None = None  # mean number of runnable tasks
    memory_total_bytes: int | None = None  # of the board
    memory_available_bytes: int | None = None  # to programs
    uptime_s: float | None = None  # since it started, s
    extra: Mapping[str, str] = field(default_factory=dict)  # what else it tells, by name
    cpu_flags: tuple[str, ...] = ()  # those that decide which kernels a runtime has


Outcome = Figures | Failure | Skip

_NO_MEASUREMENT = Note(notes.NoteCode.NO_MEASUREMENT)


@dataclass(frozen=True, slots=True)
class LogCase:
    """What a log that another program wrote tells of one case."""

    name: str = ""  # empty where only the file's name tells it
    estimate: Figures | None = None  # the compiler's own simulation
    figures: Figures | None = None  # what a board's runner measured, as of a live run
    failure: Failure | None = None  # that the log tells
    warnings: tuple[str, ...] = ()  # what the tool says of them
    tools: Mapping[str, str] = field(default_factory=dict)  # versions that the log names
    precision: Precision | None = None  # None where nothing tells it
    skip_reason: Note | str = _NO_MEASUREMENT  # of a case without figures and failure


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A toolchain here: versions when usable, otherwise why not and the one line that helps."""

    name: str  # of the toolchain
    usable: bool  # here and now
    versions: Mapping[str, str] = field(default_factory=dict)  # by program
    reason: str = ""  # why it is not usable
    fix: str = ""  # the one line that helps
    command: tuple[str, ...] = ()  # the words of the command that does it, where there is one


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished process."""

    argv: tuple[str, ...]  # as it was started
    returncode: int  # negative for a signal
    output: str  # both streams, bounded and decoded
    duration_s: float  # from start to end, s
    timed_out: bool = False  # it was ended at its deadline
    truncated: bool = False  # `output` lacks its middle
    out_of_memory: str = ""  # what says so of one that was killed; empty where nothing does


@dataclass(frozen=True, slots=True)
class Runner:
    """A program that measures on a board, as the board tells."""

    name: str  # of the program
    path: str = ""  # on the board; empty where it has none
    sha256: str = ""  # of the program; empty where the board did not tell

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
    """Definitions that a row rests on; the first, of a row that says none."""

    quantisation: int = 1  # number of the definition of ONNX Runtime's quantisation
    throughput: int = 1  # number of the definition of fps


class Status(StrEnum):
    """How a job ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """One row: one case on one board in one precision.

    Hashes, versions and states are the provenance.
    """

    key: str  # identifies what was asked
    run_id: str  # of the run that made it
    started_at: str  # ISO 8601, UTC
    duration_s: float  # of the job, s
    board: str  # its name
    chip: str  # on the board
    backend: str  # or the tool of a board benchmark
    tools: Mapping[str, str]  # versions by program
    case: str  # its name
    case_kind: CaseKind  # model, operator or benchmark
    precision: Precision  # of the artifact
    status: Status  # how it ended
    onnx_sha256: str | None = None  # of the model
    artifact_sha256: str | None = None  # of what ran
    artifact_bytes: int | None = None  # its size
    opset: int | None = None  # of the model
    inputs: tuple[TensorSpec, ...] = ()  # of the model
    outputs: tuple[TensorSpec, ...] = ()  # of the model
    macs: int | None = None  # multiply-accumulates of the graph
    parameters: int | None = None  # elements of weights
    operators: Mapping[str, int] = field(default_factory=dict)  # nodes by operator type
    task: str = ""  # of the model
    exported: Mapping[str, str] = field(default_factory=dict)  # what the exporter did
    op: str = ""  # operator that an operator case is about
    figures: Figures | None = None  # of the board, or of a simulating backend's tool
    estimate: Figures | None = None  # the tool's own simulation beside them
    failure: Failure | None = None  # of a failed job
    skip_reason: Note | str | None = None  # of a skipped job
    verdict: Verdict | None = None  # how far the latency can be relied on
    warnings: tuple[Note | str, ...] = ()  # what makes the figures less sure; a text is a tool's
    board_before: BoardState | None = None  # its state
    board_after: BoardState | None = None  # its state
    emulated: bool = False  # the board is emulated: its times say nothing of a chip
    # Of the timing and settings of the artifact, JSON-ready.
    protocol: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)  # by what they decide
    command: tuple[str, ...] = ()  # line that asked for it
    log_path: str | None = None  # relative to the workspace
    log_sha256: str | None = None  # of the log
    samples_path: str | None = None  # every run's time, relative to the workspace
    samples_sha256: str | None = None  # of that file
    npubench_version: str = ""  # that made it
    definitions: Definitions = Definitions()  # that its figures rest on
    data: DataUse | None = None  # the model was fed with

    @property
    def all_figures(self) -> tuple[Figures, ...]:
        """Those that there are: what was measured, then what was estimated."""
        if self.estimate is None:
            return () if self.figures is None else (self.figures,)
        return (self.estimate,) if self.figures is None else (self.figures, self.estimate)


@dataclass(frozen=True, slots=True)
class LayerLoss:
    """A tensor of the prepared model against the same one of the FP32 graph: cosine in [-1, 1]."""

    name: str  # of the tensor
    op: str  # operator type that makes it
    cosine: float  # against FP32, in [-1, 1]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Outputs of a prepared model for a data set."""

    path: Path  # an .npy of samples x classes
    kind: Kind  # measured where the board computed them, else simulated
    artifact_sha256: str | None  # None where no artifact was run
    losses: tuple[LayerLoss, ...] = ()  # by tensor
    note: str = ""  # what was run where no artifact was


QUANTISATION = 2
"""How ONNX Runtime's models are quantised. 1: signed activations on every processor; 2: by its flags."""

THROUGHPUT = 2
"""What fps counts. 1: the leading size where all inputs and outputs share it; 2: docs/measuring.md."""

CURRENT = Definitions(QUANTISATION, THROUGHPUT)
"""What rows of today mean. A definition that changes gets the next number above, and old rows say so."""

QUANTISED_HERE = "onnxruntime"
"""The backend whose quantisation is npubench's own; every other tool brings one, and its version."""


class Definition(StrEnum):
    """Which definition; the name of its field in `records.Definitions`."""

    QUANTISATION = "quantisation"
    THROUGHPUT = "throughput"


def earlier(row: Result) -> tuple[Definition, ...]:
    """Of what the row's figures rest on, what was defined otherwise than today; nothing of a row of today."""
    return tuple(one for one in _rests_on(row) if getattr(row.definitions, one) != getattr(CURRENT, one))


def differing(one: Result, other: Result) -> tuple[Definition, ...]:
    """What figures of both rows rest on and what was defined otherwise for one than for the other."""
    mine, theirs = one.definitions, other.definitions
    shared = [found for found in _rests_on(one) if found in _rests_on(other)]
    return tuple(found for found in shared if getattr(mine, found) != getattr(theirs, found))


def _rests_on(row: Result) -> tuple[Definition, ...]:
    found = []
    if row.figures and row.backend == QUANTISED_HERE and row.precision is Precision.INT8:
        found.append(Definition.QUANTISATION)
    # What was published counts as its publisher does.
    counted = (one for one in row.all_figures if one.kind is not Kind.PUBLISHED)
    if any(one.throughput_fps is not None for one in counted):
        found.append(Definition.THROUGHPUT)
    return tuple(found)
