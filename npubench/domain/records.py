"""What happened: models, artifacts, figures, failures, results. Frozen; missing figures are None.

A number never travels without its `Kind`: latencies live in `Figures`, which has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from npubench.domain.failures import TRANSIENT as TRANSIENT
from npubench.domain.failures import Failure as Failure
from npubench.domain.failures import FailureClass as FailureClass
from npubench.domain.failures import Stage as Stage
from npubench.domain.specs import CaseKind, Content, ModelInputs, Precision, Preprocessing, TensorSpec
from npubench.domain.specs import SamplesFrom as SamplesFrom


class Kind(StrEnum):
    """Where a figure comes from."""

    MEASURED = "measured"
    SIMULATED = "simulated"
    PREDICTED = "predicted"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Skip:
    """A job that does not apply, and why."""

    reason: str


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
    note: str = ""


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
class Latency:
    """Microseconds per inference over `n` runs; a percentile without enough samples is None.

    `spread` is (max - min) / median of the round medians, None with one round.
    """

    n: int
    mean: float
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    std: float | None = None
    rounds_p50: tuple[float, ...] = ()
    spread: float | None = None
    outliers: int | None = None


@dataclass(frozen=True, slots=True)
class WorstSlice:
    """The slice of an output that lies farthest from the reference: `index` along `axis` of `output`."""

    output: str
    axis: int
    index: int
    cosine: float


@dataclass(frozen=True, slots=True)
class OutputAccuracy:
    """One output: cosine in [-1, 1]; `relative_error` is |difference| / |reference|, 2-norms."""

    cosine: float
    relative_error: float


@dataclass(frozen=True, slots=True)
class Kernels:
    """Cosines of one file against the reference: by this machine's fused kernels, and without optimisation.

    What they lie apart is the kernels' doing, not the quantisation's.
    """

    fused_cosine: float | None
    unoptimised_cosine: float | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Outputs of the prepared model against the FP32 reference on the same inputs.

    cosine in [-1, 1]; psnr in dB, peak = range of the reference (None when identical);
    max_abs in output units; top1_agreement the share of inputs with the same arg-max, classifiers only.
    With several outputs each figure is the worst one's; `outputs` has them by name, where the tool tells.
    Integer outputs (indices, labels) have no part in these: `equal` is the share of their entries that are
    equal, `equal_rounded` the share that FP32 itself keeps when only its inputs are rounded to 8 bits.
    `dead_slices` vary in FP32 and are constant here; None, as `worst_slice`, where no axis can be cut.
    """

    cosine: float | None
    psnr_db: float | None
    max_abs: float | None
    top1_agreement: float | None = None
    samples: int = 1
    relative_error: float | None = None
    outputs: Mapping[str, OutputAccuracy] = field(default_factory=dict)
    equal: float | None = None
    equal_rounded: float | None = None
    worst_slice: WorstSlice | None = None
    dead_slices: int | None = None
    kernels: Kernels | None = None


class NoAccuracy(StrEnum):
    """Why a row has no cosine to rely on: never one dash for several reasons.

    An output that is all zeros, or constant, where FP32's is not is a wrong result and worse than any cosine.
    """

    IS_REFERENCE = "is_reference"
    NOT_COMPARED = "not_compared"
    ALL_ZEROS = "all_zeros"
    CONSTANT = "constant"
    NO_OUTPUTS = "no_outputs"


class Bound(StrEnum):
    """How a latency stands to the true one: `lower` means that the true one is at least this long."""

    EXACT = "exact"
    LOWER = "lower"
    UPPER = "upper"


class BoundReason(StrEnum):
    """What a figure that is only a bound leaves out, or holds too much of."""

    LAYERS_NOT_COUNTED = "layers_not_counted"
    LAYERS_ON_CPU = "layers_on_cpu"
    PART_OF_NPU = "part_of_npu"


@dataclass(frozen=True, slots=True)
class Bounds:
    """`left_out` of `layers` are not in the latency; None where the reason counts no layers.

    `share` in 0..1 is the part of the NPU that ran, where that is the reason.
    """

    bound: Bound
    reason: BoundReason
    left_out: int | None = None
    layers: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """Samples in one call, what says so, and the axis of `input` they lie along (None: one sample a call)."""

    samples_per_call: int
    source: SamplesFrom
    axis: int | None = None
    input: str = ""


class RateFrom(StrEnum):
    """What a throughput was made of: calls one after another at the mean latency, or the tool's own count."""

    MEAN_LATENCY = "mean_latency"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class PlacedLayer:
    """A layer as the tool made it: its name, the operator types that it holds, and the unit that runs it."""

    name: str
    operators: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Shares:
    """Where operators, or MACs, ran, as shares in 0..1 that add up to 1."""

    integer: float = 0.0
    npu: float = 0.0
    cpu: float = 0.0
    floating: float = 0.0


@dataclass(frozen=True, slots=True)
class Computed:
    """In what the graph that really ran computed; `macs` is None of a graph without any."""

    operators: Shares
    macs: Shares | None = None


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


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one kind, never two: the board's own, or a tool's.

    `origin` says of a published figure what it was for its publisher: measured or simulated.
    `artifact_sha256` is what the board says it ran. `samples_us` holds every run's time, one tuple
    a round. `placement` maps an operator type to NPU, CPU or custom: CPU where any layer of it is there.
    `layers_on` has the layers one by one, where the tool tells them. `details` is whatever else
    the tool reported, JSON-ready. `tools` are versions that only the board could tell.
    `spread` says how far repeats lay apart where there is no latency to tell it, as a share of the median.
    `bounds` is None of an exact latency. `no_accuracy` says why there is no cosine, `no_accuracy_why` in a
    sentence. `sampling` says what `throughput_fps` counts, `throughput_from` what it was made of (None in
    older rows), `computed` where the operators ran.
    """

    kind: Kind
    latency_us: Latency | None = None
    throughput_fps: float | None = None
    load_us: float | None = None
    host_overhead_us: float | None = None
    tool_macs: int | None = None
    mac_utilisation: float | None = None
    memory_bytes: int | None = None
    io_bytes: int | None = None
    placement: Mapping[str, str] = field(default_factory=dict)
    accuracy: Accuracy | None = None
    artifact_sha256: str | None = None
    samples_us: tuple[tuple[float, ...], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    origin: Kind | None = None
    spread: float | None = None
    bounds: Bounds | None = None
    no_accuracy: NoAccuracy | None = None
    no_accuracy_why: str = ""
    sampling: Sampling | None = None
    computed: Computed | None = None
    throughput_from: RateFrom | None = None
    layers_on: tuple[PlacedLayer, ...] = ()


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
    skip_reason: str = "the log holds no measurement"


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
    skip_reason: str | None = None
    verdict: Verdict | None = None
    warnings: tuple[str, ...] = ()
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
