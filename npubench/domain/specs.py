"""What is asked: cases, boards and how to measure. What happened is in `records`.

All are frozen and hashable by content through `hashing.digest`, which is how npubench knows
that a thing has been done already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

Shape = tuple[int, ...]
Options = Mapping[str, Any]


class Precision(StrEnum):
    """Number format that the backend is asked to prepare a model in; `none` where there is no model."""

    FP32 = "fp32"
    INT8 = "int8"
    NONE = "none"


class CaseKind(StrEnum):
    """What a case benchmarks."""

    MODEL = "model"
    OPERATOR = "operator"
    CPU = "cpu"
    CODEC = "codec"
    BENCHMARK = "benchmark"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A named tensor of fixed shape; `dtype` is a numpy name such as `float32`."""

    name: str
    shape: Shape
    dtype: str = "float32"


class SamplesFrom(StrEnum):
    """What says how many samples one call holds; `tool`: what the tool counts as a batch of its own."""

    SYMBOLIC_AXIS = "symbolic_axis"
    MANIFEST = "manifest"
    OPTION = "option"
    TOOL = "tool"
    LEADING_SIZE = "leading_size"
    ONE_A_CALL = "one_a_call"


@dataclass(frozen=True, slots=True)
class BatchAxes:
    """Where somebody says that the samples of a call lie: an axis by the name of the input.

    The name "" is any input that has the axis. None as the axis: samples do not lie along that input, and
    for "": the call is one sample.
    """

    axes: tuple[tuple[str, int | None], ...]
    source: SamplesFrom


NO_IDENTITY = {"identity": False}
"""Metadata of a field that decides nothing of what is made: it has no part in `hashing.digest`."""


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """An initializer: given `values` (row-major), or seeded normal numbers scaled by 1/sqrt(fan-in)."""

    tensor: TensorSpec
    values: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One ONNX node. Empty `domain` is the standard one."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Options = field(default_factory=dict)
    domain: str = ""


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """A small graph declared in ops/*.toml, built by onnx.helper alone."""

    name: str
    op: str
    opset: int
    inputs: tuple[TensorSpec, ...]
    weights: tuple[WeightSpec, ...]
    nodes: tuple[NodeSpec, ...]
    outputs: tuple[str, ...]
    seed: int = 0
    batch: BatchAxes | None = field(default=None, metadata=NO_IDENTITY)


@dataclass(frozen=True, slots=True)
class ClipSampling:
    """How a video becomes one view: `clips` of `frames` frames, every `interval`th; `crops` of each."""

    frames: int
    interval: int
    clips: int
    crops: int = 1


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes the network's input; mean and std in `color` order, on 0..255 pixels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    color: Literal["rgb", "bgr", "gray"]
    layout: Literal["nchw", "nhwc"] = "nchw"
    clip: ClipSampling | None = None


BUILT = "npubench"
"""The codebase of networks that npubench builds itself."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model of an OpenMMLab codebase, or of `BUILT`, whose `config` is the network's name.

    `config` is a name or the path of a file; `inputs` and `preprocessing` may be empty, then the config's
    own count. `weights` is `random` (seeded), `auto` (OpenMMLab's own) or a checkpoint path. `exports` says
    which part of the model the file holds, where it is not all of it.
    """

    name: str
    codebase: str
    config: str
    task: str
    inputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing | None
    opset: int
    weights: str = "random"
    seed: int = 0
    exports: str = ""
    batch: BatchAxes | None = field(default=None, metadata=NO_IDENTITY)


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A user's own .onnx file; `shapes` fixes dynamic inputs: name (or "" for the only one) to shape."""

    name: str
    path: Path
    shapes: tuple[tuple[str, Shape], ...] = ()
    task: str = ""
    batch: BatchAxes | None = field(default=None, metadata=NO_IDENTITY)


@dataclass(frozen=True, slots=True)
class BenchmarkSpec:
    """What a board benchmark (entry point `benchmark`) measures besides models; it needs no ONNX file.

    `tool` is the program that measures, the row's `backend`. `options` hold everything else that
    decides the figures, JSON-ready.
    """

    name: str
    kind: CaseKind
    benchmark: str
    tool: str
    options: Options = field(default_factory=dict)


CaseSpec = OperatorSpec | ModelSpec | FileSpec | BenchmarkSpec


def case_kind(spec: CaseSpec) -> CaseKind:
    """Operators are operators; models and files count as models."""
    if isinstance(spec, BenchmarkSpec):
        return spec.kind
    return CaseKind.OPERATOR if isinstance(spec, OperatorSpec) else CaseKind.MODEL


def declared_batch(spec: CaseSpec) -> BatchAxes | None:
    """What the manifest or the command line says of the samples in one call of a case."""
    return spec.batch if isinstance(spec, (OperatorSpec, ModelSpec, FileSpec)) else None


def titled(case: str, precision: Precision) -> str:
    """What a person calls a case: its name, with the precision where there is one."""
    return case if precision is Precision.NONE else f"{case} [{precision}]"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a chip, or of a module or board with it, with the place it was taken from."""

    field: str
    value: str  # as the source has it
    source: str
    about: str = ""  # chip, module or board; empty: as its field says
    condition: str = ""  # under which it holds, or which product it is of
    date: str = ""  # of the source
    unit: str = ""  # of a value that is a bare number


SIMULATION = "simulation"
"""The transport of a board that is not there: nothing is connected to, rows hold the tool's simulation."""


@dataclass(frozen=True, slots=True)
class BoardSpec:
    """A board: its chip and facts, how it is reached, and the toolchain for it.

    `shares_host` says that it is the machine npubench runs on, so nothing else may run while it
    measures. `emulated` keeps its figures out of comparisons. `benchmark_options` are by benchmark.
    `timing` is how long to measure where nobody says otherwise.
    """

    name: str
    title: str
    chip: str
    transport: str
    backend: str
    precisions: tuple[Precision, ...]
    backend_options: Options = field(default_factory=dict)
    transport_options: Options = field(default_factory=dict)
    benchmark_options: Options = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    shares_host: bool = False
    emulated: bool = False
    timing: "TimingAsked" = field(default_factory=lambda: TimingAsked())

    @property
    def simulated(self) -> bool:
        """Whether rows hold what the toolchain simulates, and no board is asked."""
        return self.transport == SIMULATION


@dataclass(frozen=True, slots=True)
class TimingProtocol:
    """How long to measure: per round at least `repeat` runs and `min_duration_s` over all rounds."""

    warmup: int = 10
    warmup_min_s: float = 1.0
    warmup_max_s: float = 30.0
    repeat: int = 64
    min_duration_s: float = 3.0
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class TimingAsked:
    """What is said of a `TimingProtocol`, by a board's file or on the command line; None: nothing."""

    warmup: int | None = None
    warmup_min_s: float | None = None
    warmup_max_s: float | None = None
    repeat: int | None = None
    min_duration_s: float | None = None
    rounds: int | None = None

    def over(self, below: TimingProtocol) -> TimingProtocol:
        """The protocol with what is said here."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(below, **{name: value for name, value in said.items() if value is not None})


class ContentKind(StrEnum):
    """What the numbers of an input are; `values` is any whole number of the range."""

    NUMBERS = "normal numbers"
    PIXELS = "pixels"
    INDICES = "indices"
    MASK = "mask"
    PADDING = "padding"
    LENGTHS = "lengths"
    POSITIONS = "positions"
    FLAGS = "flags"
    VALUES = "values"


@dataclass(frozen=True, slots=True)
class Content:
    """What an input holds: whole numbers `low`..`high`, both included; `why` says what shows it."""

    kind: ContentKind
    low: int
    high: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """A model's inputs with what is known of their content, by name; images take `preprocessing`."""

    tensors: tuple[TensorSpec, ...]
    contents: Mapping[str, Content] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None


@dataclass(frozen=True, slots=True)
class CalibrationSpec:
    """Data for post-training quantisation: `path` (arrays or images, a file or a folder), or seeded numbers.

    Outputs are compared on samples of `evaluation`, which is like `path`; without it some of `path` are held
    out for that.
    """

    path: Path | None = None
    seed: int = 0
    samples: int = 8
    evaluation: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a backend compiles for."""

    chip: str
    precision: Precision
    options: Options
    calibration: CalibrationSpec
    deadline_s: float
