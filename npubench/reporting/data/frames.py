"""Results as pandas frames, for notebooks and analyses of one's own.

Kinds are never mixed: every figure's column begins with its kind (`measured_p50_us` and
`simulated_p50_us` are two columns), and rows of emulated boards are marked by `emulated`.
What is not known is <NA>.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from npubench.domain.records import Figures, Kind, Result
from npubench.domain.specs import CaseKind
from npubench.reporting.charts.pairs import figures_of, gmac_per_s, kinds_of, pairs, speedup
from npubench.reporting.data.bounds import bound_of
from npubench.reporting.data.processor_rows import COLUMNS as PROCESSOR_COLUMNS
from npubench.reporting.data.processor_rows import processor_rows
from npubench.reporting.data.ranking import missing_operators

if TYPE_CHECKING:
    import pandas as pd

_WHO = ("case", "board", "backend", "precision", "emulated", "status")
_FIGURES = (
    *("n", "mean_us", "p50_us", "p90_us", "p99_us", "min_us", "max_us", "fps", "load_us"),
    *("host_overhead_us", "gmac_per_s", "tool_macs", "mac_utilisation", "memory_bytes", "io_bytes"),
    *("cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement", "equal"),
    *("worst_slice", "dead_slices"),
)
_COUNTS = ("n", "tool_macs", "memory_bytes", "io_bytes", "dead_slices")
_PROVENANCE = (
    *("run_id", "started_at", "npubench_version", "onnx_sha256", "artifact_sha256", "log_path", "log_sha256"),
    *("samples_path", "samples_sha256"),
)


def models(results: Sequence[Result]) -> "pd.DataFrame":
    """One row per model, board and precision; `*_speedup` is FP32 over INT8 latency, on INT8 rows.

    `*_bound` is exact, lower or upper: a latency that leaves layers out is a lower bound of the true one.
    """
    return _cases([result for result in results if result.case_kind is CaseKind.MODEL])


def operators(results: Sequence[Result]) -> "pd.DataFrame":
    """One row per operator case, board and precision; columns as in `models`."""
    return _cases([result for result in results if result.case_kind is CaseKind.OPERATOR])


def failures(results: Sequence[Result]) -> "pd.DataFrame":
    """One row per failure: stage, class, operators at fault (joined by blanks), message, log_path."""
    names = (*_WHO[:-1], "case_kind", "stage", "class", "operators", "message", "log_path")
    rows = [
        {
            **_who(result),
            "case_kind": result.case_kind.value,
            "stage": result.failure.stage.value,
            "class": result.failure.failure_class.value,
            "operators": " ".join(result.failure.operators),
            "message": result.failure.message,
            "log_path": result.log_path,
        }
        for result in results
        if result.failure is not None
    ]
    return _frame(rows, dict.fromkeys(names, "string") | {"emulated": "boolean"})


def provenance(results: Sequence[Result]) -> "pd.DataFrame":
    """One row per result: hashes, versions (`tools` as `name version` joined by commas), opset, seeds."""
    rows = [
        {
            **_who(result),
            **{name: getattr(result, name) or None for name in _PROVENANCE},
            "opset": result.opset,
            "tools": ", ".join(f"{name} {version}" for name, version in result.tools.items()),
            "seeds": ", ".join(f"{name}={seed}" for name, seed in result.seeds.items()),
            "command": " ".join(result.command),
        }
        for result in results
    ]
    texts = dict.fromkeys((*_WHO, *_PROVENANCE), "string")
    return _frame(
        rows,
        texts
        | {"emulated": "boolean", "opset": "Int64"}
        | dict.fromkeys(("tools", "seeds", "command"), "string"),
    )


def missing(results: Sequence[Result]) -> "pd.DataFrame":
    """Operators that a backend lacks, by the number of models they block; `models` is comma-joined."""
    rows = [
        {
            "operator": one.operator,
            "backend": one.backend,
            "blocked": len(one.models),
            "models": ", ".join(one.models),
            "operator_cases": len(one.cases),
        }
        for one in missing_operators(results)
    ]
    texts = dict.fromkeys(("operator", "backend", "models"), "string")
    return _frame(rows, texts | {"blocked": "Int64", "operator_cases": "Int64"})


def processors(results: Sequence[Result]) -> "pd.DataFrame":
    """One row per row of the stage `cpu`, as `npubench results --cpu`; figures begin with their kind."""
    rows = processor_rows(results)
    kinds = [kind for kind in Kind if any(row["kind"] == kind for row in rows)]
    texts = ("board", "tool", "case", "row", "operation", "variant", "message", "run_id", "started_at")
    types: dict[str, Any] = dict.fromkeys(texts, "string") | {"emulated": "boolean"}
    types |= dict.fromkeys(("core", "cores_at_once", "set_bytes", "samples"), "Int64")
    figures = [name for name in PROCESSOR_COLUMNS if name not in types and name != "kind"]
    types |= {f"{kind}_{name}": "Float64" for kind in kinds for name in figures}
    for row in rows:
        row |= {f"{row['kind']}_{name}": row[name] for name in figures}
    return _frame(rows, types)


def _cases(results: Sequence[Result]) -> "pd.DataFrame":
    kinds = kinds_of(results)
    factors = _speedups(results, kinds)
    rows = []
    for result in results:
        row = {**_who(result), "status": result.status.value, "macs": result.macs}
        row["verdict"] = result.verdict.value if result.verdict else None
        for kind in kinds:
            figures = figures_of(result, kind)
            row |= {f"{kind}_{name}": value for name, value in _flat(figures).items()}
            row[f"{kind}_bound"] = bound_of(figures).value if figures and figures.latency_us else None
            sampling = figures.sampling if figures else None
            row[f"{kind}_samples_per_call"] = sampling.samples_per_call if sampling else None
            row[f"{kind}_gmac_per_s"] = gmac_per_s(result, kind)
            row[f"{kind}_speedup"] = factors.get((result.key, kind))
        rows.append(row)
    types: dict[str, Any] = dict.fromkeys(_WHO, "string") | {
        "emulated": "boolean",
        "macs": "Int64",
        "verdict": "string",
    }
    for kind in kinds:
        types |= {f"{kind}_{name}": "Int64" if name in _COUNTS else "Float64" for name in _FIGURES}
        types[f"{kind}_speedup"] = "Float64"
        types |= {f"{kind}_bound": "string", f"{kind}_samples_per_call": "Int64"}
    return _frame(rows, types)


def _speedups(results: Sequence[Result], kinds: Iterable[Kind]) -> dict[tuple[str, Kind], float]:
    found = {}
    for kind in kinds:
        for pair in pairs(results):
            factor = speedup(pair, kind)
            if factor is not None and pair.int8 is not None:
                found[pair.int8.key, kind] = factor.factor
    return found


def _who(result: Result) -> dict[str, Any]:
    return {
        "case": result.case,
        "board": result.board,
        "backend": result.backend,
        "precision": result.precision.value,
        "emulated": result.emulated,
        "status": result.status.value,
    }


def _flat(figures: Figures | None) -> dict[str, float | int | None]:
    if figures is None:
        return {}
    latency, accuracy = figures.latency_us, figures.accuracy
    flat: dict[str, float | int | None] = {"n": latency.n if latency else None, "fps": figures.throughput_fps}
    for name in ("mean", "p50", "p90", "p99", "min", "max"):
        flat[f"{name}_us"] = getattr(latency, name, None)
    for name in ("cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement", "equal"):
        flat[name] = getattr(accuracy, name, None)
    flat["worst_slice"] = accuracy.worst_slice.cosine if accuracy and accuracy.worst_slice else None
    flat["dead_slices"] = accuracy.dead_slices if accuracy else None
    for name in ("load_us", "host_overhead_us", "tool_macs", "mac_utilisation", "memory_bytes", "io_bytes"):
        flat[name] = getattr(figures, name)
    return flat


def _frame(rows: Sequence[dict[str, Any]], types: dict[str, Any]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {name: pd.array([row.get(name) for row in rows], dtype=kind) for name, kind in types.items()}
    )
