"""The row of a job, with everything that is known of how it came about."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from npubench import __version__
from npubench.domain import definitions
from npubench.domain.records import Artifact, Failure, Figures, OnnxModel, Outcome, Result, Skip, Status
from npubench.domain.specs import BenchmarkSpec, OperatorSpec, case_kind
from npubench.engine import plugins
from npubench.engine.job import JobState, note
from npubench.engine.session import RunSession
from npubench.graph.shares import of_types
from npubench.measure.stability import assess_stability
from npubench.storage.hashing import sha256_of_file
from npubench.storage.workspace import writing


def row(state: JobState, session: RunSession) -> Result:
    """The row of a job; keeps its log and samples."""
    outcome, base = state.outcome, _provenance(state, session)
    if isinstance(state.job.case, BenchmarkSpec):
        base = _of_benchmark(base, state.job.case, outcome, session)
    base = replace(base, board_before=state.before, board_after=state.after)
    if state.runner is not None:
        base = replace(base, tools={**base.tools, **state.runner.tools})
    if isinstance(outcome, Failure):
        note(
            state.log,
            f"# {outcome.stage} failed: {outcome.failure_class}: {outcome.message}\n{outcome.detail}\n",
        )
        base = replace(base, status=Status.FAILED, failure=replace(outcome, detail=""))
    elif isinstance(outcome, Skip):
        base = replace(base, status=Status.SKIPPED, skip_reason=outcome.reason)
    elif outcome is not None:
        base = _with_figures(base, outcome, state, session)
    return replace(base, log_sha256=sha256_of_file(state.log))


def _of_benchmark(base: Result, case: BenchmarkSpec, outcome: Outcome | None, session: RunSession) -> Result:
    """The row with what decided its figures: the benchmark's tool and options, no calibration, no seed."""
    told = outcome.tools if isinstance(outcome, Figures) else {}
    return replace(
        base,
        backend=case.tool,
        tools={**plugins.benchmark(case.benchmark).tools(case), **told},
        artifact_sha256=outcome.artifact_sha256 if isinstance(outcome, Figures) else None,
        protocol={"deadline_s": session.plan.request.deadline_s, **case.options},
        seeds={},
    )


def _provenance(state: JobState, session: RunSession) -> Result:
    job, model, artifact = state.job, state.model, state.artifact
    tools = {**(model.tools if model else {}), **session.plan.boards[job.board.name].tool.versions}
    seeds = {"calibration": session.plan.request.calibration.seed}
    if model and model.seed is not None:
        seeds["weights"] = model.seed
    return Result(
        key=job.key,
        run_id=session.run_id,
        started_at=state.started_at.isoformat(timespec="milliseconds"),
        duration_s=(datetime.now(UTC) - state.started_at).total_seconds(),
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
        estimate=_with_shares(state.estimate, model) if state.estimate else None,
        emulated=job.board.emulated,
        protocol=_protocol(session, artifact),
        seeds=seeds,
        command=session.command,
        log_path=session.workspace.relative(state.log),
        data=artifact.data if artifact else None,
        npubench_version=__version__,
        definitions=definitions.CURRENT,
    )


def _with_shares(figures: Figures, model: OnnxModel | None) -> Figures:
    """By the placement, where the backend does not know better in what was computed."""
    if model is None or figures.computed is not None or not figures.placement:
        return figures
    return replace(figures, computed=of_types(figures.placement, model))


def _protocol(session: RunSession, artifact: Artifact | None) -> dict[str, Any]:
    timing = session.plan.request.timing
    return {
        "warmup": timing.warmup,
        "repeat": timing.repeat,
        "min_duration_s": timing.min_duration_s,
        "rounds": timing.rounds,
        "deadline_s": session.plan.request.deadline_s,
        "calibration_sha256": session.plan.request.calibration_digest,
        **(artifact.settings if artifact else {}),
    }


def _with_figures(base: Result, figures: Figures, state: JobState, session: RunSession) -> Result:
    verdict, found = assess_stability(state.before, state.after, figures)
    warnings = (*found, base.data.note) if base.data is not None and base.data.note else found
    samples = None
    if figures.samples_us:
        samples = session.workspace.samples_file(*session.names(state.job))
        with writing(session.workspace.root):
            samples.write_text(
                json.dumps({"unit": "us", "rounds": figures.samples_us}, separators=(",", ":"))
            )
    return replace(
        base,
        figures=_with_shares(replace(figures, samples_us=()), state.model),
        verdict=verdict,
        warnings=warnings,
        samples_path=session.workspace.relative(samples) if samples else None,
        samples_sha256=sha256_of_file(samples) if samples else None,
    )
