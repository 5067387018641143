"""A board's calibration out of a run: its sweep of operators and some networks, as figures with kernels."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.figures import Figures
from npubench.domain.protocols import Fusing
from npubench.domain.records import Artifact, Failure, Result, Status
from npubench.domain.specs import (
    BoardSpec,
    CalibrationSpec,
    CaseKind,
    FileSpec,
    Precision,
    Target,
    TimingProtocol,
    case_kind,
)
from npubench.domain.text import about_file
from npubench.engine import plugins
from npubench.engine.assemble import host_opener, load_catalog
from npubench.engine.plan import Job, RunOptions
from npubench.engine.run import MEASURE, RunOutcome
from npubench.engine.session import Listener, Note, RunSession, SessionStage, run_session, unheard
from npubench.exporters.input_shapes import parse_shape_option
from npubench.graph.read import load, read
from npubench.graph.walk import infer_shapes
from npubench.predict.calibration import Calibration, calibrate, figures_sha256
from npubench.predict.designs import designs
from npubench.predict.fitting import Figure
from npubench.predict.kernels import Kernel, kernels_of, optimised_kernels

if TYPE_CHECKING:
    from onnx import ModelProto

    from npubench.domain.protocols import Backend

SWEEP, NETWORKS = "calibration", "calibration-networks"
"""Suites that a calibration runs."""

DESIGN = "processor"
QUICK = TimingProtocol(warmup=5, warmup_min_s=0.1, warmup_max_s=2.0, repeat=20, min_duration_s=0.3, rounds=3)
"""A sweep has near two hundred cases: a third of a second each, for their prices are shared."""

LEAST = 10
"""Figures without which a board has no calibration."""


def sweep_options(options: RunOptions) -> RunOptions:
    """What to run for a calibration: the sweep, and the networks that are named, or else the usual two."""
    selection = options.selection
    suites = (SWEEP,) if selection.cases else (SWEEP, NETWORKS)
    return replace(options, timing=QUICK, selection=replace(selection, suites=suites))


def fit_board(options: RunOptions, announce: Listener = unheard) -> Calibration:
    """Run what is missing of the sweep on one board, and fit to all of it. Raises NpubenchError."""
    from contextlib import nullcontext

    from npubench.engine.assemble import plan_run

    plan = plan_run(options, announce)
    stages = MEASURE, SessionStage(calibration_of, gives=Calibration, needs=(RunOutcome,))
    given = run_session(options, stages, plan, nullcontext(announce), command=("npubench.predict",))
    return given[Calibration]


def calibration_of(session: RunSession, outcome: RunOutcome) -> Calibration:
    """What is fitted to the rows of a run on one board. Raises UsageError where too few are figures."""
    rows = {row.key: row for row in outcome.rows}
    jobs = session.plan.jobs
    board = jobs[0].board
    found: dict[Precision, list[Figure]] = {}
    for job in jobs:
        time_us = time_of(rows[job.key]) if job.key in rows else None
        kernels = None if time_us is None else _kernels_of_job(job, session)
        if time_us is not None and kernels:
            is_network = case_kind(job.case) is CaseKind.MODEL
            name = job.case.path.name if isinstance(job.case, FileSpec) else job.case.name
            timed = Figure(name, "board", kernels, time_us, is_network)
            found.setdefault(job.precision, []).append(timed)
    enough = {precision: figures for precision, figures in found.items() if len(figures) >= LEAST}
    if not enough:
        most = max(map(len, found.values()), default=0)
        told = f"{most} of {len(jobs)} cases have a time and a graph, a calibration takes {LEAST}"
        raise UsageError(f"{told}: npubench results --board {board.name} --out {session.workspace.root}")
    models = tuple(
        calibrate(designs()[DESIGN], precision, figures, figures_sha256(figures))
        for precision, figures in sorted(enough.items())
    )
    kind = "simulated by its toolchain" if board.simulated else "measured"
    how = "" if board.simulated else ": the median of the best round of `npubench run`"
    figure = f"latency of one inference, {kind}{how}"
    until = max(rows[job.key].started_at for job in jobs if job.key in rows)
    made_of = f"rows of the suite {SWEEP} and of networks, {kind}"
    return Calibration(board.name, board.chip, board.backend, figure, made_of, models, until)


def time_of(row: Result) -> float | None:
    """Microseconds of one inference that a row tells; None of one that tells none."""
    if row.status is not Status.OK:
        return None
    for figures in row.all_figures:
        if found := _time_of(figures):
            return found
    return None


def _time_of(figures: Figures) -> float | None:
    latency = figures.latency_us
    if latency is not None:
        # Other work on the machine makes rounds longer, never shorter.
        return min(latency.rounds_p50, default=latency.mean if latency.p50 is None else latency.p50)
    return 1e6 / figures.throughput_fps if figures.throughput_fps else None


def _kernels_of_job(job: Job, session: RunSession) -> tuple[Kernel, ...] | None:
    """None where the artifact is gone, or its graph cannot be counted, which is said."""
    artifact = session.workspace.find_artifact(job.compile_key)
    if artifact is None:
        return None
    try:
        with session.workspace.job_folder() as folder:
            return artifact_kernels(artifact, session.plan.boards[job.board.name].backend, folder)
    except UsageError as error:
        session.announce(Note(f"{job.label} is left out: {error}"))
        return None


def artifact_kernels(artifact: Artifact, backend: "Backend", folder: Path) -> tuple[Kernel, ...]:
    """The kernels that a board launches for an artifact. Raises UsageError where they cannot be counted."""
    if not isinstance(backend, Fusing):
        return kernels_of(infer_shapes(_model(artifact.onnx.path)))
    made = backend.fused(artifact, folder, folder / "log")
    if isinstance(made, Failure):
        raise UsageError(f"{artifact.onnx.path.name}: {made.message}")
    optimised = load(made)
    if isinstance(optimised, Failure):
        raise UsageError(f"{artifact.onnx.path.name}: {optimised.message}")
    return optimised_kernels(optimised, _model(artifact.path))


def _model(path: Path) -> "ModelProto":
    source = read(path)
    if isinstance(source, Failure):
        raise UsageError(f"{path.name}: {source.message}")
    return source.model


@dataclass(frozen=True, slots=True)
class FileKernels:
    """A user's graph as kernels, and what it is known by."""

    path: Path
    sha256: str
    kernels: tuple[Kernel, ...]


def file_kernels(
    path: Path, board: BoardSpec, precisions: Sequence[Precision], shapes: Sequence[str] = ()
) -> dict[Precision, FileKernels]:
    """The kernels of a file on a board in each precision; nothing is run there.

    Raises UsageError for what is no usable model.
    """
    spec = FileSpec(path.stem, path, tuple(parse_shape_option(text) for text in shapes))
    backend = plugins.backend_of(board, host_opener(load_catalog(())))
    found: dict[Precision, FileKernels] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = plugins.exporter(spec).export(spec, folder, folder / "log")
        if isinstance(model, Failure):
            raise UsageError(about_file(path, model.message))
        for precision in precisions:
            if isinstance(backend, Fusing):
                target = Target(
                    board.chip, precision, board.backend_options, CalibrationSpec(samples=1), 600.0
                )
                place = folder / precision
                place.mkdir()
                artifact = backend.compile(model, target, place, folder / "log")
                if isinstance(artifact, Failure):
                    raise UsageError(about_file(path, artifact.message))
                kernels = artifact_kernels(artifact, backend, place)
            else:
                kernels = kernels_of(infer_shapes(_model(model.path)))
            found[precision] = FileKernels(path, model.sha256, kernels)
    return found
