"""Times of a row that checks relate to each other: each of one kind, with what it is the time of.

What a board measured is `measured` and what was published as such; what a compiler simulated is its own
simulation and what was published as such. The two never stand in for each other.
"""

from dataclasses import dataclass
from enum import StrEnum

from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.records import Result, Status
from npubench.measure.reliability import one_program
from npubench.reporting.data.figures import left_out_of
from npubench.reporting.data.formatting import significant

_OK = Status.OK
_MEASURED, _SIMULATED = Kind.MEASURED, Kind.SIMULATED


class Part(StrEnum):
    """What a time of a board is of: the whole call, the NPU's part, or a sample where only a rate is told."""

    CALL = "call"
    NPU = "npu"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class BoardTime:
    """A time on a board."""

    part: Part  # what the time is of
    us: float  # microseconds
    printed: float  # the number that was told: us, or samples a second


def measured_of(row: Result) -> Figures | None:
    """Figures that a board gave; None of an emulated board, whose times are no performance of a chip."""
    if row.status is not _OK or row.emulated:
        return None
    figures = row.figures
    return figures if figures is not None and _MEASURED in (figures.kind, figures.origin) else None


def simulated_of(row: Result) -> Figures | None:
    """Figures that a compiler simulated, wherever they stand."""
    found = reversed(row.all_figures) if row.status is _OK else ()
    return next((figures for figures in found if _SIMULATED in (figures.kind, figures.origin)), None)


def board_times(row: Result) -> tuple[BoardTime, ...]:
    """Times that a board gave: of the call, and of the NPU's part where it is told apart.

    Of a published row there is one, and a table means the same by it throughout.
    """
    figures = measured_of(row)
    if figures is None:
        return ()
    call, part = typical_us(figures.latency_us), figures.npu_time_us
    if figures.kind is Kind.PUBLISHED and call is not None:
        return (BoardTime(Part.CALL, call, call),)
    npu = () if part is None or part <= 0 else (BoardTime(Part.NPU, part, part),)
    if call is None:
        rate = figures.throughput_fps
        return npu if npu or not rate or rate <= 0 else (BoardTime(Part.RATE, 1e6 / rate, rate),)
    return (BoardTime(Part.CALL, call, call), *npu)


def is_exact(figures: Figures) -> bool:
    """Whether the time is the time: one that leaves something out stands in no relation to others.

    A time of a part of the NPU is whole in itself: what it is held against is of that part, too.
    """
    return left_out_of(figures) is None


def typical_us(latency: Latency | None) -> float | None:
    """The median, else the mean; None where there is neither or it is no time."""
    if latency is None:
        return None
    time = latency.mean if latency.p50 is None else latency.p50
    return time if time > 0 else None


def samples_per_call(figures: Figures) -> int:
    """Samples that `throughput_fps` counts a call; 1 where nothing says so."""
    return figures.sampling.samples_per_call if figures.sampling else 1


def call_us(figures: Figures) -> float | None:
    """Microseconds of one call: the latency, else what the throughput says."""
    time = typical_us(figures.latency_us)
    if time is None and figures.throughput_fps and figures.throughput_fps > 0:
        time = samples_per_call(figures) * 1e6 / figures.throughput_fps
    return time


def us(value_us: float, digits: int = 3) -> str:
    """Microseconds, or another figure, as tools print them: no thousands set apart."""
    return significant(value_us, digits, separator="")


def plain(name: str) -> str:
    """A network's name as publishers write it differently: `YOLOX_s`, `yolox-s`."""
    return name.casefold().replace("_", "-").removesuffix(".onnx")


def are_one_network(one: Result, other: Result) -> bool:
    """Whether two rows are, or by their names may be, of the same program."""
    return one.case == other.case or one_program({one.case: one, other.case: other}, simulated=False)
