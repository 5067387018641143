"""The row of a job, with everything that is known of how it came about."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from npubench import __version__
from npubench.domain import definitions
from npubench.domain.records import Artifact, Failure, Figures, OnnxModel, Result, Skip, Status
from npubench.domain.specs import BenchmarkSpec, OperatorSpec, case_kind
from npubench.engine import board_benchmark
from npubench.engine.context import Context, Measured, Prepared, note
from npubench.graph.shares import of_types
from npubench.measure.stability import judge
from npubench.storage.hashing import sha256_of_file
from npubench.storage.workspace import writing


def row(prepared: Prepared, measured: Measured | None, context: Context) -> Result:
    """The row of a job; keeps its log and samples."""
    outcome = prepared.failure or (measured.outcome if measured else None)
    base = _provenance(prepared, context)
    if isinstance(prepared.job.case, BenchmarkSpec):
        base = board_benchmark.provenance(base, prepared.job.case, outcome, context)
    if measured:
        base = replace(base, board_before=measured.before, board_after=measured.after)
        if measured.runner is not None:
            base = replace(base, tools={**base.tools, **measured.runner.tools})
    if isinstance(outcome, Failure):
        note(
            prepared.log,
            f"# {outcome.stage} failed: {outcome.failure_class}: {outcome.message}\n{outcome.detail}\n",
        )
        base = replace(base, status=Status.FAILED, failure=replace(outcome, detail=""))
    elif isinstance(outcome, Skip):
        base = replace(base, status=Status.SKIPPED, skip_reason=outcome.reason)
    elif isinstance(outcome, Figures) and measured:
        base = _with_figures(base, outcome, measured, prepared, context)
    return replace(base, log_sha256=sha256_of_file(prepared.log))


def _provenance(prepared: Prepared, context: Context) -> Result:
    job, model, artifact = prepared.job, prepared.model, prepared.artifact
    tools = {**(model.tools if model else {}), **context.tools[job.board.name].versions}
    seeds = {"calibration": context.request.calibration.seed}
    if model and model.seed is not None:
        seeds["weights"] = model.seed
    return Result(
        key=job.key,
        run_id=context.run_id,
        started_at=prepared.started_at.isoformat(timespec="milliseconds"),
        duration_s=(datetime.now(UTC) - prepared.started_at).total_seconds(),
        board=job.board.name,
        chip=job.board.chip,
        backend=job.board.backend,
        tools={**tools, **(artifact.tools if artifact else {})},
        case=job.case.name,
        case_kind=case_kind(job.case),
        precision=job.precision,
        status=Status.OK,
        onnx_sha256=model.sha256 if model else None,
        artifact_sha256=artifact.sha256 if artifact else None,
        artifact_bytes=artifact.size_bytes if artifact else None,
        opset=model.opset if model else None,
        inputs=model.inputs if model else (),
        outputs=model.outputs if model else (),
        macs=model.macs if model else None,
        parameters=model.parameters if model else None,
        operators=model.operators if model else {},
        task=model.task if model else "",
        exported=model.exported if model else {},
        op=job.case.op if isinstance(job.case, OperatorSpec) else "",
        estimate=_with_shares(prepared.estimate, model) if prepared.estimate else None,
        emulated=job.board.emulated,
        protocol=_protocol(context, artifact),
        seeds=seeds,
        command=context.command,
        log_path=context.workspace.relative(prepared.log),
        data=artifact.data if artifact else None,
        npubench_version=__version__,
        definitions=definitions.CURRENT,
    )


def _with_shares(figures: Figures, model: OnnxModel | None) -> Figures:
    """By the placement, where the backend does not know better in what was computed."""
    if model is None or figures.computed is not None or not figures.placement:
        return figures
    return replace(figures, computed=of_types(figures.placement, model))


def _protocol(context: Context, artifact: Artifact | None) -> dict[str, Any]:
    timing = context.request.timing
    return {
        "warmup": timing.warmup,
        "repeat": timing.repeat,
        "min_duration_s": timing.min_duration_s,
        "rounds": timing.rounds,
        "deadline_s": context.request.deadline_s,
        "calibration_sha256": context.request.calibration_digest,
        **(artifact.settings if artifact else {}),
    }


def _with_figures(
    base: Result, figures: Figures, measured: Measured, prepared: Prepared, context: Context
) -> Result:
    verdict, warnings = judge(measured.before, measured.after, figures)
    if base.data is not None and base.data.note:
        warnings = (*warnings, base.data.note)
    job = prepared.job
    samples = None
    if figures.samples_us:
        samples = context.workspace.samples_file(
            context.run_id, job.board.name, job.case.name, job.precision, job.key[:8]
        )
        with writing(context.workspace.root):
            samples.write_text(
                json.dumps({"unit": "us", "rounds": figures.samples_us}, separators=(",", ":"))
            )
    return replace(
        base,
        figures=_with_shares(replace(figures, samples_us=()), prepared.model),
        verdict=verdict,
        warnings=warnings,
        samples_path=context.workspace.relative(samples) if samples else None,
        samples_sha256=sha256_of_file(samples) if samples else None,
    )
