"""A result as one flat JSON-ready row: the vocabulary of `npubench results`."""

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from npubench.domain.figures import Bound, Figures
from npubench.domain.layers import LayerTable
from npubench.domain.notes import Note
from npubench.domain.records import Failure, Result, earlier
from npubench.domain.specs import Precision, TensorSpec
from npubench.reporting.data.accuracy import no_accuracy_of
from npubench.reporting.data.figures import bounds_of, counts_text, latency_text, main_latency_us, whole_npu
from npubench.storage.details import details_of

Row = dict[str, Any]
_EXACT = {"bound": Bound.EXACT, "reason": None, "left_out": None, "layers": None, "share": None}

_FIGURES = (
    *("kind", "origin", "latency_us", "bounds", "throughput_fps", "throughput_from", "sampling", "load_us"),
    *("host_overhead_us", "tool_macs", "mac_utilisation", "memory_bytes", "io_bytes"),
    *("placement", "layers_on", "layers"),
    *("accuracy", "no_accuracy", "no_accuracy_why", "computed", "details", "latency", "fps_counts"),
)
"""`latency` and `fps_counts` are texts for people: `>= 30.7 ms (18 of 93 layers not counted)`."""

_TABLE = (
    *("kind", "tool", "total_us", "total_cycles", "beside", "adds_up", "difference_us", "difference_cycles"),
    *("clock_mhz", "bytes_of", "statistic", "complete"),
)

COLUMNS = (
    *("key", "run_id", "started_at", "duration_s", "board", "emulated", "chip", "backend", "tool_version"),
    *("case", "case_kind", "precision", "onnx_sha256", "artifact_sha256", "artifact_bytes", "opset"),
    *("input_shapes", "output_shapes", *_FIGURES, "macs", "parameters", "operators", "task", "op"),
    *("exported", "status", "failure", "skip_reason", "verdict", "warnings", "estimate", "prediction"),
    *("board_before", "board_after", "data", "protocol", "seeds", "command", "log_path", "log_sha256"),
    *("samples", "samples_sha256", "npubench_version", "definitions", "earlier_definitions"),
)
"""Of a row, in the order of CSV. Most are the fields of `Result` of that name."""


def row_of(result: Result) -> Row:
    """Every column of a row; what is not known is None, and what is not a finite number, too.

    Latencies are in microseconds, sizes in bytes. `kind` says where the figures come from; the
    tool's own simulation stands apart below `estimate`, with a kind of its own; so does what npubench
    itself makes of them, below `prediction`.
    """
    return {
        **{name: plain_value(getattr(result, name, None)) for name in COLUMNS},
        **(_figures(result, result.figures) if result.figures else {}),
        "tool_version": plain_value(result.tools),
        "precision": None if result.precision is Precision.NONE else result.precision.value,
        "input_shapes": _shapes(result.inputs),
        "output_shapes": _shapes(result.outputs),
        "accuracy": _accuracy(result.figures) or _accuracy(result.estimate),
        "task": result.task or None,
        "op": result.op or None,
        "failure": failure_of(result.failure) if result.failure else None,
        "estimate": _figures(result, result.estimate) if result.estimate else None,
        "prediction": _prediction(result),
        "samples": result.samples_path,
        "npubench_version": result.npubench_version or None,
        "earlier_definitions": [one.value for one in earlier(result)],
    }


def _figures(result: Result, figures: Figures) -> Row:
    word, why = no_accuracy_of(result, figures)
    main = main_latency_us(figures)
    # Exact is said of what there is; cycles without a clock may be a bound without a latency.
    bounds = bounds_of(figures) or (_EXACT if figures.latency_us is not None else None)
    return {name: plain_value(getattr(figures, name, None)) for name in _FIGURES} | {
        "accuracy": _accuracy(figures),
        "no_accuracy": word.value if word else None,
        "no_accuracy_why": str(why) or None,
        "bounds": plain_value(bounds),
        "latency": latency_text(figures, main) if main is not None else None,
        "fps_counts": counts_text(figures) or None,
        "details": plain_value(details_of(figures)),
        "layers_on": plain_value(figures.placed_layers),
        "layers": _layers(figures.layers) if figures.layers is not None else None,
    }


def _layers(table: LayerTable) -> Row:
    """Layer by layer, as programs read it; a store has them by columns."""
    told = {name: plain_value(getattr(table, name)) for name in _TABLE}
    return told | {"layers": plain_value(table.layers)}


def _accuracy(figures: Figures | None) -> Row | None:
    """With the kind of its own: a row's accuracy may come of a simulated execution, its times of a board."""
    if figures is None or figures.accuracy is None:
        return None
    return {**plain_value(figures.accuracy), "kind": figures.kind.value}


def _prediction(result: Result) -> Row | None:
    whole = whole_npu(result)
    if whole is None:
        return None
    rate = plain_value(whole.throughput_fps)
    return {"kind": whole.kind.value, "throughput_fps": rate, **details_of(whole)}


def failure_of(failure: Failure) -> Row:
    """Where and why it failed."""
    return {
        "stage": failure.stage.value,
        "class": failure.failure_class.value,
        "operators": list(failure.operators),
        "message": failure.message,
    }


def _shapes(tensors: tuple[TensorSpec, ...]) -> Row:
    return {tensor.name: list(tensor.shape) for tensor in tensors}


def plain_value(value: Any) -> Any:
    """JSON-ready: records as objects, texts of what JSON has no form for, None for what is not finite."""
    if isinstance(value, Note):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain_value(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(inner) for inner in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
