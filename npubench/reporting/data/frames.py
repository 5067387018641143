"""Results as one tidy pandas frame: a row a case, board and precision; what `npubench.load_results` gives.

Kinds are never mixed: every figure's column begins with its kind (`measured_p50_us` and
`simulated_p50_us` are two columns), and rows of emulated boards are marked by `emulated`.
What is not known is <NA>.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Result
from npubench.domain.specs import Precision
from npubench.reporting.data.figures import Speedup, bound_of, figures_of, gmac_per_s, kinds_of, speedups
from npubench.reporting.data.rows import failure_of, plain_value

if TYPE_CHECKING:
    import pandas as pd

WHO = {
    "case": "Name of the model, operator case or benchmark",
    "case_kind": "`model`, `operator`, `cpu`, `codec` or `benchmark`",
    "board": "Name of the board",
    "chip": "Name of its chip",
    "backend": "What prepared and ran it",
    "precision": "`fp32`, `int8` ...; <NA> of benchmarks of the board itself",
    "emulated": "Whether the board is an emulator of ours: its times mean nothing",
    "status": "`ok`, `failed` or `skipped`",
    "macs": "Multiply-accumulates of one inference",
    "parameters": "Weights of the model",
    "verdict": "How far the latency can be relied on; see docs/measuring.md",
    "failure_stage": "Where it failed",
    "failure_class": "Why it failed",
    "failure_operators": "Operators at fault, joined by blanks",
    "failure_message": "The failure in a line",
    "skip_reason": "Why there is no figure, of a skipped row",
}
"""Columns of every frame, before the figures; `PROVENANCE` follows the figures."""
FIGURES = {
    "n": "Timed samples",
    "mean_us": "Mean latency of a call",
    "p50_us": "Median latency of a call",
    "p90_us": "90th percentile",
    "p99_us": "99th percentile",
    "min_us": "Shortest call",
    "max_us": "Longest call",
    "bound": "`exact`, `lower` or `upper`: whether the latency leaves something out",
    "fps": "Samples a second",
    "samples_per_call": "Samples in a call",
    "load_us": "Time to load the artifact",
    "host_overhead_us": "Time of a call outside the device",
    "gmac_per_s": "`macs` by the typical latency, in 10^9 a second",
    "speedup": "FP32 latency by INT8 latency of the same case and board, on the INT8 row",
    "tool_macs": "Multiply-accumulates as the tool counts them",
    "mac_utilisation": "Share of the peak that the tool tells, 0 to 1",
    "memory_bytes": "Memory that the artifact takes on the device",
    "io_bytes": "Bytes read and written for an inference",
    "cosine": "Least cosine of an output to the FP32 reference",
    "relative_error": "Norm of the difference by the norm of the reference",
    "psnr_db": "Peak signal-to-noise ratio",
    "max_abs": "Greatest difference",
    "top1_agreement": "Share of samples with the reference's top-1",
    "equal": "Share of values equal to the reference's",
    "worst_slice": "Cosine of the worst slice of an output",
    "dead_slices": "Slices that are constant where the reference is not",
}
"""Figures: each column stands once a kind that any row has, `measured_p50_us` for `p50_us`."""
PROVENANCE = {
    "run_id": "The run that made the row",
    "started_at": "When the case began, ISO 8601",
    "npubench_version": "Version of npubench",
    "opset": "Opset of the model",
    "onnx_sha256": "The model that was prepared",
    "artifact_sha256": "The artifact that ran",
    "tools": "Tools with their versions, joined by commas",
    "seeds": "Seeds of weights and data",
    "command": "The command line",
    "log_path": "The raw log, in the folder of results",
    "log_sha256": "Its hash",
    "samples_path": "Every run's time",
    "samples_sha256": "Its hash",
}

_OF_LATENCY = ("mean", "p50", "p90", "p99", "min", "max")
_OF_ACCURACY = ("cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement", "equal", "dead_slices")
_WHOLE = ("macs", "parameters", "opset", "n", "samples_per_call", "tool_macs", "memory_bytes", "io_bytes")
_COUNTS = frozenset((*_WHOLE, "dead_slices"))
_TEXTS = frozenset({*WHO, *PROVENANCE, "bound"} - {"emulated"}) - _COUNTS


def frame(results: Sequence[Result]) -> "pd.DataFrame":
    """One row per result: `WHO`, `FIGURES` of each kind that is there, `PROVENANCE`."""
    import pandas as pd

    kinds = kinds_of(results)
    factors = speedups(results, kinds)
    rows = [_row(result, kinds, factors.get(id(result), {})) for result in results]
    names = (*WHO, *(f"{kind}_{name}" for kind in kinds for name in FIGURES), *PROVENANCE)
    return pd.DataFrame(
        {name: pd.array([row.get(name) for row in rows], dtype=_dtype(name)) for name in names}
    )


def _row(result: Result, kinds: Iterable[Kind], factors: Mapping[Kind, Speedup]) -> dict[str, Any]:
    failure = result.failure
    row: dict[str, Any] = {
        **{name: plain_value(getattr(result, name, None)) for name in (*WHO, *PROVENANCE)},
        "precision": None if result.precision is Precision.NONE else result.precision.value,
        "tools": ", ".join(f"{name} {version}" for name, version in result.tools.items()),
        "seeds": ", ".join(f"{name}={seed}" for name, seed in result.seeds.items()),
        "command": " ".join(result.command),
    }
    if failure is not None:
        row |= {f"failure_{name}": value for name, value in failure_of(failure).items()}
        row["failure_operators"] = " ".join(failure.operators) or None
    for kind in kinds:
        figures = figures_of(result, kind)
        own = _figures(figures) if figures else {}
        own["gmac_per_s"] = gmac_per_s(result, kind)
        own["speedup"] = factors[kind].factor if kind in factors else None
        row |= {f"{kind}_{name}": value for name, value in own.items()}
    return row


def _figures(figures: Figures) -> dict[str, Any]:
    latency, accuracy, sampling = figures.latency_us, figures.accuracy, figures.sampling
    flat: dict[str, Any] = {name: getattr(figures, name, None) for name in FIGURES}
    flat |= {f"{name}_us": getattr(latency, name, None) for name in _OF_LATENCY}
    flat |= {name: getattr(accuracy, name, None) for name in _OF_ACCURACY}
    return flat | {
        "n": latency.n if latency else None,
        "fps": figures.throughput_fps,
        "bound": bound_of(figures).value if latency else None,
        "samples_per_call": sampling.samples_per_call if sampling else None,
        "worst_slice": accuracy.worst_slice.cosine if accuracy and accuracy.worst_slice else None,
    }


def _dtype(column: str) -> Any:
    kind, _, rest = column.partition("_")
    name = rest if kind in {one.value for one in Kind} else column
    if name == "emulated":
        return "boolean"
    return "string" if name in _TEXTS else "Int64" if name in _COUNTS else "Float64"
