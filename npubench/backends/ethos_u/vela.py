"""Vela's CSV files: a summary of one row, and a row for everything that the NPU or the CPU is to do.

Memory is in KiB, times are in seconds, the clock in Hz (vela/npu_performance.py and stats_writer.py).
Headings differ by version: before Vela 4 the operator is `TFLite_operator`, and there is no `Target`, for
only what runs on the NPU is listed. `Op Cycles` are what a row adds to the network's; `NPU` and the `AC`
columns what computing and each memory alone would take.
"""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BYTES_PER_KIB = 1024


@dataclass(frozen=True, slots=True)
class Layer:
    """A row: the LiteRT operator it came from, where what Vela made of it runs, and what that takes."""

    original: str  # LiteRT's operator; None where the rest of the row tells, or Vela made it
    target: str  # NPU or CPU
    name: str  # of the tensor that it writes
    cycles: int
    macs: int
    made: str = ""  # Vela's own operator: Conv2D, and Relu for the activation behind it
    compute_cycles: int | None = None  # of the NPU alone; None where there is no such column
    memory_cycles: int | None = None  # of the slowest memory alone
    utilisation: float | None = None  # of the NPU's multipliers, in 0..1


@dataclass(frozen=True, slots=True)
class PerLayer:
    """The rows of the per-layer file, and whether it ends with a whole one."""

    layers: tuple[Layer, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Summary:
    """Vela's model of one inference at the clock of its system configuration."""

    inference_us: float
    core_clock_mhz: float
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    macs: int
    cycles_total: int
    cycles_npu: int


def parse_layers(text: str) -> tuple[Layer, ...]:
    """Rows of the per-layer file, by its header; none where the header is another one."""
    return parse_per_layer(text).layers


def parse_per_layer(text: str) -> PerLayer:
    """The same, and whether the file is whole; what follows a row that is none is left out."""
    layers: list[Layer] = []
    for row in _rows(text):
        try:
            layers.append(_layer(row))
        except (KeyError, ValueError, TypeError, OverflowError):
            return PerLayer(tuple(layers), complete=False)
    return PerLayer(tuple(layers))


_ORIGINAL = ("Original Operator", "TFLite_operator", "TFLite Operator", "TOSA_operator")
_ACCESSES = ("SRAM AC", "DRAM AC", "OnFlash AC", "OffFlash AC")
_UTILISATION = ("Util% (MAC)", "Util%")


def _layer(row: Mapping[str, Any]) -> Layer:
    """Raises KeyError, ValueError, TypeError or OverflowError of what is no row, such as half of one."""
    original = row[next((name for name in _ORIGINAL if name in row), _ORIGINAL[0])]
    cycles, macs = _whole(row["Op Cycles"]), _whole(row["MAC Count"])
    accesses = [_whole(row[name]) for name in _ACCESSES if name in row]
    shares = [float(row[name]) / 100 for name in _UTILISATION if name in row]
    name = row["Name"]
    if not isinstance(name, str) or min(cycles, macs) < 0:
        raise ValueError("half a row")
    return Layer(
        *(original, row.get("Target", "NPU"), name, cycles, macs),
        made=row.get("NNG Operator", ""),
        compute_cycles=_whole(row["NPU"]) if "NPU" in row else None,
        memory_cycles=max(accesses, default=None),
        # Vela writes 100 % where there is nothing to divide by.
        utilisation=shares[0] if shares and cycles and macs else None,
    )


def parse_summary(text: str) -> Summary | None:
    """The row of the summary; None where there is none, or not these columns."""
    rows = _rows(text)
    if len(rows) != 1:
        return None
    try:
        values = {key: float(value) for key, value in rows[0].items() if key in _COLUMNS}
        if set(values) != _COLUMNS or not all(map(math.isfinite, values.values())):
            return None
    except (ValueError, TypeError):
        return None
    return Summary(
        inference_us=values["inference_time"] * 1e6,
        core_clock_mhz=values["core_clock"] / 1e6,
        sram_bytes=round(values["sram_memory_used"] * BYTES_PER_KIB),
        dram_bytes=round(values["dram_memory_used"] * BYTES_PER_KIB),
        flash_bytes=round(
            (values["on_chip_flash_memory_used"] + values["off_chip_flash_memory_used"]) * BYTES_PER_KIB
        ),
        macs=round(values["nn_macs"]),
        cycles_total=round(values["cycles_total"]),
        cycles_npu=round(values["cycles_npu"]),
    )


_COLUMNS = {
    *("inference_time", "core_clock", "sram_memory_used", "dram_memory_used", "on_chip_flash_memory_used"),
    *("off_chip_flash_memory_used", "nn_macs", "cycles_total", "cycles_npu"),
}


def _rows(text: str) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    except csv.Error:
        return []


def _whole(text: str) -> int:
    return round(float(text))
