"""Figures of a case: times, rates, accuracy, where it ran. Frozen; what is not known is None.

A number never travels without its `Kind`: latencies live in `Figures`, which has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from npubench.domain.kinds import Kind as Kind
from npubench.domain.layers import Join, LayerTable
from npubench.domain.notes import Note
from npubench.domain.specs import SamplesFrom, TensorSpec


@dataclass(frozen=True, slots=True)
class Latency:
    """Microseconds of one inference; a percentile without enough samples is None."""

    n: int  # runs behind the figures
    mean: float  # us
    min: float | None = None  # us
    max: float | None = None  # us
    p50: float | None = None  # us, the median of all runs
    p90: float | None = None  # us
    p99: float | None = None  # us
    std: float | None = None  # us, standard deviation of all runs
    rounds_p50: tuple[float, ...] = ()  # us, the median of each round
    spread: float | None = None  # (max - min) / median of the round medians; None with one round
    outliers: int | None = None  # runs with a modified z-score above 14.8; they are in all figures


@dataclass(frozen=True, slots=True)
class WorstSlice:
    """The slice of an output that lies farthest from the reference."""

    output: str  # its name
    axis: int  # along which the slices were cut
    index: int  # of the slice on that axis
    cosine: float  # of the slice against the reference's, in [-1, 1]


@dataclass(frozen=True, slots=True)
class OutputAccuracy:
    """One output against the reference."""

    cosine: float  # in [-1, 1]
    relative_error: float  # |difference| / |reference|, 2-norms


@dataclass(frozen=True, slots=True)
class Kernels:
    """One file against the reference by two ways to run it: what lies between is the kernels' doing."""

    fused_cosine: float | None  # by this machine's fused kernels, in [-1, 1]
    unoptimised_cosine: float | None  # without optimisation, in [-1, 1]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Outputs of the prepared model against the FP32 reference on the same inputs.

    With several outputs each figure is the worst one's. Integer outputs (indices, labels) have no part in
    the real-valued figures.
    """

    cosine: float | None  # in [-1, 1]
    psnr_db: float | None  # dB, peak = range of the reference; None when identical
    max_abs: float | None  # greatest difference, in output units
    top1_agreement: float | None = None  # share of inputs with the same arg-max, classifiers only
    samples: int = 1  # inputs that were compared
    relative_error: float | None = None  # |difference| / |reference|, 2-norms
    outputs: Mapping[str, OutputAccuracy] = field(default_factory=dict)  # by name, where the tool tells
    equal: float | None = None  # share of entries of integer outputs that are equal
    equal_rounded: float | None = None  # the same of FP32 itself with inputs rounded to 8 bits
    worst_slice: WorstSlice | None = None  # None where no axis can be cut
    dead_slices: int | None = None  # slices that vary in FP32 and are constant here
    kernels: Kernels | None = None  # None where only one way was run


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
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What makes a latency a bound of the true one."""

    bound: Bound  # on which side of the true one it lies
    reason: BoundReason  # what is left out, or too much
    left_out: int | None = None  # layers that are not in the latency; None where none are counted
    layers: int | None = None  # layers in all
    share: float | None = None  # part of the NPU that ran, in 0..1, where that is the reason


@dataclass(frozen=True, slots=True)
class NpuPart:
    """What of the NPU ran, or of the processor where that runs the model."""

    mode: str = ""  # the vendor's name for it; empty where it has none
    cores: int | None = None  # cores, or threads of a processor; None where nothing tells
    halved: bool = False  # one of two halves, of which the other may run beside it


@dataclass(frozen=True, slots=True)
class Sampling:
    """What `throughput_fps` counts of a call."""

    samples_per_call: int  # samples in one call
    source: SamplesFrom  # what says so
    axis: int | None = None  # axis of `input` that they lie along; None: one sample a call
    input: str = ""  # name of that input


class RateFrom(StrEnum):
    """What a throughput was made of: calls one after another at the mean latency, or the tool's own count."""

    MEAN_LATENCY = "mean_latency"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class PlacedLayer:
    """A layer as the tool made it."""

    name: str  # the tool's
    operators: tuple[str, ...]  # operator types that it holds
    unit: str  # what runs it: NPU, CPU or custom


@dataclass(frozen=True, slots=True)
class Shares:
    """Where operators, or MACs, ran, as shares in 0..1 that add up to 1."""

    integer: float = 0.0  # in integers, on the processor
    npu: float = 0.0  # on the NPU
    cpu: float = 0.0  # left to the CPU
    floating: float = 0.0  # in float, on the processor


@dataclass(frozen=True, slots=True)
class Computed:
    """In what the graph that really ran computed."""

    operators: Shares  # of operators
    macs: Shares | None = None  # of multiply-accumulates; None of a graph without any


@dataclass(frozen=True, slots=True)
class OutputResolution:
    """What the steps of quantised outputs alone cost: no better cosine is possible."""

    steps: tuple[float, ...]  # step of each output, in output units
    greatest: float  # greatest value of FP32's outputs, in output units
    cosine: float | None  # of FP32's own outputs rounded to these steps, in [-1, 1]


@dataclass(frozen=True, slots=True)
class CodecFigures:
    """What a codec, scaler or pipeline did; None where its engine cannot tell."""

    operation: str  # decode, encode, convert, ...
    codec: str | None = None  # h264, h265, jpeg, ...
    width: int | None = None  # pixels of a frame
    height: int | None = None  # pixels of a frame
    output: tuple[int, ...] | None = None  # width and height of what comes out, pixels
    program: str = ""  # what ran
    threads: int | None = None  # of the program
    frames: int | None = None  # that were timed
    seconds: float | None = None  # that they took
    fps_by_round: tuple[float, ...] = ()  # frames a second of each round
    cpu_cores: float | None = None  # kept busy by one stream: processor time over elapsed time
    frames_checked: int | None = None  # whose number and checksum were checked before
    frames_sha256: str | None = None  # of all checked frames
    frames_sha256_expected: str | None = None  # the reference's; None where no standard says
    psnr_db: float | None = None  # least of a frame against its source, dB
    streams: int | None = None  # that held their rate at once; 0 when not even one did
    streams_proven: bool | None = None  # one more was tried and did not hold
    streams_fps: float | None = None  # the rate that they had to hold, frames a second
    streams_tried: Mapping[str, bool] | None = None  # number of streams to whether they held
    streams_cpu_cores: float | None = None  # kept busy by all of them


@dataclass(frozen=True, slots=True)
class ProcessorRow:
    """One loop of instructions, or of loads and stores, on a processor; None where it was not measured."""

    row: str  # name of the instruction, or of the memory operation
    feature: str | None = None  # of the processor that it needs
    operations: float | None = None  # of one instruction
    operation_kind: str | None = None  # float, integer, or bytes of memory
    core: int | None = None  # that ran it
    cores_at_once: int | None = None  # that ran it beside each other
    clock_mhz: float | None = None  # that dependent additions tell
    samples: int | None = None  # timed
    core_share: float | None = None  # share of the time that the core was ours, in 0..1
    throughput_ns: float | None = None  # of an instruction among independent ones
    throughput_min_ns: float | None = None  # the least sample
    throughput_max_ns: float | None = None  # the greatest sample
    throughput_spread: float | None = None  # quartile range over median
    throughput_cycles: float | None = None  # at that clock
    latency_ns: float | None = None  # of an instruction that needs the one before
    latency_min_ns: float | None = None  # the least sample
    latency_max_ns: float | None = None  # the greatest sample
    latency_spread: float | None = None  # quartile range over median
    latency_cycles: float | None = None  # at that clock
    instructions_per_ns: float | None = None  # of all cores together
    gflop_per_s: float | None = None  # floating-point operations, 1e9 a second
    gop_per_s: float | None = None  # integer operations, 1e9 a second
    gib_per_s: float | None = None  # bytes that the loop asks for, 2^30 a second
    min_gib_per_s: float | None = None  # the least sample
    max_gib_per_s: float | None = None  # the greatest sample
    spread: float | None = None  # quartile range over median of the bandwidth
    megpeak_operations: float | None = None  # of one instruction as MegPeak counts them
    megpeak_gflops: float | None = None  # what MegPeak prints for this time, 1e9 a second
    set_bytes: int | None = None  # working set of one core, all arrays together
    variant: str | None = None  # the loop that was fastest
    message: str | None = None  # what the tool says of it


@dataclass(frozen=True, slots=True)
class ProcessorFigures:
    """Peaks of a processor: times of instructions, and bandwidths."""

    mode: str = ""  # one_core, each_core, all_cores or memory
    rows: tuple[ProcessorRow, ...] = ()  # instructions
    memory: tuple[ProcessorRow, ...] = ()  # bandwidths by working set
    core: int | None = None  # the only one that ran
    megpeak_bandwidth_gib_per_s: float | None = None  # MegPeak's copy of 100 MiB, 2^30 bytes a second


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one kind, never two: the board's own, or a tool's."""

    kind: Kind  # where they come from
    latency_us: Latency | None = None  # of one call
    throughput_fps: float | None = None  # samples a second; see `sampling` and `throughput_from`
    load_us: float | None = None  # time to load the model
    host_overhead_us: float | None = None  # time of a call outside the device
    tool_macs: int | None = None  # multiply-accumulates by the tool's count
    mac_utilisation: float | None = None  # by the tool, in 0..1
    counts_idle_lanes: bool = False  # `tool_macs` counts multipliers that narrow convolutions leave idle, too
    memory_bytes: int | None = None  # that the run needs
    io_bytes: int | None = None  # memory traffic of one inference
    placement: Mapping[str, str] = field(default_factory=dict)  # operator type to NPU, CPU (any) or custom
    accuracy: Accuracy | None = None  # against FP32
    artifact_sha256: str | None = None  # what the board says it ran
    samples_us: tuple[tuple[float, ...], ...] = ()  # every run's time, one tuple a round
    interrupted_us: tuple[tuple[float, ...], ...] = ()  # of runs that another program interrupted
    interrupted_share: float | None = None  # of all runs, those interrupted, in 0..1; None: not watched
    crowded_share: float | None = None  # of its processors, what other programs wanted; None: not watched
    details: Mapping[str, Any] = field(default_factory=dict)  # what else the tool told, for people alone
    tools: Mapping[str, str] = field(default_factory=dict)  # versions that only the board could tell
    origin: Kind | None = None  # of a published figure: what it was for its publisher
    spread: float | None = None  # of repeats as a share of the median, where no latency tells it
    bounds: Bounds | None = None  # None of an exact latency
    no_accuracy: NoAccuracy | None = None  # why there is no cosine
    no_accuracy_why: Note | str = ""  # the same as a note, or as the tool says it
    sampling: Sampling | None = None  # what `throughput_fps` counts
    computed: Computed | None = None  # where the operators ran
    throughput_from: RateFrom | None = None  # what `throughput_fps` was made of; None in older rows
    layers_on: tuple[PlacedLayer, ...] = ()  # where layers run, of a tool that tells no `layers`
    layers: LayerTable | None = None  # what the tool tells of each; None where it tells nothing
    no_layers: str = ""  # why there are none, of a tool that tells them otherwise
    npu: NpuPart | None = None  # what of the NPU ran; None where there is no choice
    npu_time_us: float | None = None  # of one call, what the NPU itself took
    npu_counter: int | None = None  # the NPU's own performance counter, of one call
    statistic: str = ""  # what the latency is, where it is not of single runs
    call_means_us: tuple[float, ...] = ()  # mean of each call of the tool, where it tells no single runs
    calls_overlap: bool = False  # the tool keeps several calls in flight
    tool_throughput_fps: float | None = None  # samples a second by the tool, beside npubench's own
    resolution: OutputResolution | None = None  # what the steps of the outputs alone cost
    told_inputs: tuple[TensorSpec, ...] = ()  # inputs of what ran, as the board's runner lists them
    told_outputs: tuple[TensorSpec, ...] = ()  # outputs of what ran, as the board's runner lists them
    codec: CodecFigures | None = None  # of a case of the stage codec
    processor: ProcessorFigures | None = None  # of a case of the stage cpu

    @property
    def placed_layers(self) -> tuple[PlacedLayer, ...]:
        """Layers with where they run, inputs and outputs apart; empty where the tool tells none."""
        if self.layers is None:
            return self.layers_on
        return tuple(
            PlacedLayer(one.name, one.operators or ((one.original,) if one.original else ()), one.unit)
            for one in self.layers.layers
            if one.join is not Join.END
        )

    @property
    def npu_mode(self) -> str:
        """The vendor's name for the part of the NPU that ran; empty where there is none."""
        return self.npu.mode if self.npu else ""


HALVES = ("111", "112", "1_1")
"""Modes of the AX620A in which one half of the NPU runs."""

CORES = {"AX650": 3, "AX620E": 2}
"""Cores of the families that Pulsar 2 builds for by their number (NPU1, NPU2, NPU3)."""


def npu_part(mode: str | None) -> NpuPart | None:
    """What of the NPU runs in AXera's mode of that name; None of no mode."""
    if not mode:
        return None
    if mode in HALVES:
        return NpuPart(mode, 1, halved=True)
    cores = int(mode[3:]) if mode.startswith("NPU") and mode[3:].isdecimal() and len(mode) == 4 else None
    return NpuPart(mode, cores)


def part_of_npu(mode: str | None, family: str = "") -> Bounds | None:
    """The bound that a latency in this mode is: the whole NPU takes as long at most. None of a whole one."""
    part = npu_part(mode)
    share = 0.5 if part and part.halved else None
    cores = CORES.get(family)
    if part and cores and part.cores and not part.halved and part.cores < cores:
        share = part.cores / cores
    return None if share is None else Bounds(Bound.UPPER, BoundReason.PART_OF_NPU, share=share)
