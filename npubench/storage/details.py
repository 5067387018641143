"""`details` of a row as programs read them: typed figures at the keys that they have in JSON, and the rest.

Rows of earlier versions had all of it in `Figures.details`; `upgraded` reads those as rows of today.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from npubench.domain.figures import (
    Bound,
    BoundReason,
    Bounds,
    CodecFigures,
    Figures,
    Kind,
    NpuPart,
    OutputResolution,
    ProcessorFigures,
    ProcessorRow,
    npu_part,
    part_of_npu,
)
from npubench.domain.notes import note_of
from npubench.domain.records import Result
from npubench.domain.specs import TensorSpec
from npubench.storage.json import InvalidError, convert
from npubench.storage.layers import of_old_form, old_form

_SIMPLE = {
    "npu_time_us": ("neu_us", float),
    "npu_counter": ("perf_count_total", int),
    "statistic": ("statistic", str),
    "call_means_us": ("call_means_us", tuple[float, ...]),
    "tool_throughput_fps": ("throughput_by_the_tool", float),
    "resolution": ("output_resolution", OutputResolution),
}
"""Field of `Figures` to its key among the details, and what stands there."""

_RECORDS: Mapping[str, tuple[str, type]] = {
    "codec": ("operation", CodecFigures),
    "processor": ("rows", ProcessorFigures),
}
"""Field to the key that tells such a record; all its fields stand among the details by their names."""

_TOLD = {"told_inputs": "inputs", "told_outputs": "outputs"}
_FLAGS = {"calls_overlap": "execution_devices", "counts_idle_lanes": "eu_cycles"}
"""Field to the key by which rows that lack it tell that it holds."""

_EARLIER = frozenset(
    ["npu_mode", "core_mask", "threads", "layers", *_FLAGS.values(), *_TOLD.values()]
    + [key for key, _ in (*_SIMPLE.values(), *_RECORDS.values())]
)


def details_of(figures: Figures) -> dict[str, Any]:
    """Everything that a row tells as `details`, JSON-ready but for tuples."""
    found: dict[str, Any] = {}
    if figures.npu is not None and figures.npu.mode:
        found["npu_mode"] = figures.npu.mode
    for name, (key, _) in _SIMPLE.items():
        value = getattr(figures, name)
        if value is not None and value != "" and value != ():
            found[key] = asdict(value) if isinstance(value, OutputResolution) else value
    if figures.codec is not None:
        found |= asdict(figures.codec)
    if figures.processor is not None:
        found |= _of_processor(figures.processor)
    if figures.layers is not None and (layers := old_form(figures.layers)) is not None:
        found["layers"] = layers
    return {**found, **figures.details}


def _of_processor(told: ProcessorFigures) -> dict[str, Any]:
    tables = {"rows": told.rows, "memory": told.memory}
    return known_fields(told) | {name: [known_fields(row) for row in rows] for name, rows in tables.items()}


def known_fields(row: ProcessorRow | ProcessorFigures) -> dict[str, Any]:
    """What was measured of the row, by the names of its columns."""
    return {one.name: value for one in fields(row) if (value := getattr(row, one.name)) is not None}


def upgraded(row: Result) -> Result:
    """A row of any version as one of today."""
    figures = typed(row.figures) if row.figures else None
    estimate = typed(row.estimate) if row.estimate else None
    warnings = tuple(note_of(one) if isinstance(one, str) else one for one in row.warnings)
    if figures is row.figures and estimate is row.estimate and warnings == row.warnings:
        return row
    return replace(row, figures=figures, estimate=estimate, warnings=warnings)


def typed(figures: Figures) -> Figures:
    """The figures with what their details told in its own fields; those of today are as they were."""
    # Of all tools whose counts were published there is Pulsar alone.
    counts_all = figures.kind is Kind.PUBLISHED and figures.tool_macs is not None
    if _EARLIER.isdisjoint(figures.details) and (figures.counts_idle_lanes or not counts_all):
        return figures
    left, found = dict(figures.details), dict[str, Any]()
    mode = left.get("npu_mode")
    if isinstance(mode, str) and mode and figures.npu is None:
        found["npu"] = npu_part(left.pop("npu_mode"))
        found["bounds"] = figures.bounds or part_of_npu(mode)
    elif figures.npu is None and (cores := _cores(left)):
        found["npu"] = NpuPart(cores=cores)
    for name, (key, kind) in _SIMPLE.items():
        if (value := _read(left.get(key), kind)) is not None:
            found[name] = value
            del left[key]
    for name, (key, kind) in _RECORDS.items():
        if getattr(figures, name) is None and key in left and (value := _read(left, kind)) is not None:
            found[name] = value
            left = {key: one for key, one in left.items() if key not in {one.name for one in fields(kind)}}
    for name, key in _TOLD.items():
        if key in left and not getattr(figures, name) and (tensors := _tensors(left[key])):
            found[name] = tensors
    for name, key in _FLAGS.items():
        if key in left and not getattr(figures, name):
            found[name] = True
    if counts_all:
        found["counts_idle_lanes"] = True
    if figures.bounds is None and not found.get("bounds"):
        bounds = _bounds(figures, left, found.get("statistic", figures.statistic))
        found |= {"bounds": bounds} if bounds else {}
    if figures.layers is None and (layers := of_old_form(left.get("layers"), figures)) is not None:
        found["layers"] = layers
        del left["layers"]
    return replace(figures, details=left, **found) if found else figures


def _read(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    try:
        return convert(value, kind)
    except InvalidError:
        # What somebody else's program wrote there stays as it is.
        return None


def _cores(details: Mapping[str, Any]) -> int | None:
    mask, threads = details.get("core_mask"), details.get("threads")
    if mask is not None:
        if isinstance(mask, str):
            named = re.search(r"\d(?:_\d)*$", mask)
            return len(named[0].split("_")) if named else None
        return mask.bit_count() if type(mask) is int and mask > 0 else None
    return threads if type(threads) is int and threads > 0 else None


def _tensors(listed: Any) -> tuple[TensorSpec, ...]:
    tables = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, (list, tuple)) else []
    named = [(str(one.get("name", "")), one.get("shape")) for one in tables]
    return tuple(
        TensorSpec(name, tuple(int(dim) for dim in shape))
        for name, shape in named
        if isinstance(shape, (list, tuple)) and all(isinstance(dim, int) for dim in shape)
    )


def _bounds(figures: Figures, details: Mapping[str, Any], statistic: str) -> Bounds | None:
    layers = details.get("layers")
    if not isinstance(layers, (list, tuple)) or figures.latency_us is None:
        return None
    rows = [one for one in layers if isinstance(one, Mapping)]
    if "a lower bound" in statistic:
        left_out = sum(one.get("cycles_total") is None for one in rows)
        return Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, left_out, len(rows))
    if "take no time in it" in statistic:
        left_out = sum(one.get("target") != "NPU" for one in rows)
        return Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU, left_out, len(rows))
    return None
