"""Vela's CSV files: a summary of one row, and a row for everything that the NPU or the CPU is to do.

Memory is in KiB, times are in seconds, the clock in Hz (vela/npu_performance.py and stats_writer.py).
"""

import csv
import io
import math
from dataclasses import dataclass

BYTES_PER_KIB = 1024


@dataclass(frozen=True, slots=True)
class Layer:
    """A row: the LiteRT operator it came from, where what Vela made of it runs, and what that takes."""

    original: str
    target: str
    name: str
    cycles: int
    macs: int


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
    try:
        return tuple(
            Layer(
                *(row["Original Operator"], row["Target"], row["Name"]),
                *(_whole(row["Op Cycles"]), _whole(row["MAC Count"])),
            )
            for row in _rows(text)
        )
    except (KeyError, ValueError, TypeError, OverflowError):
        return ()


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
        return list(csv.DictReader(io.StringIO(text)))
    except csv.Error:
        return []


def _whole(text: str) -> int:
    return round(float(text))
