"""What is asked, and what that means to run: in what order, and what is done already. Pure records."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from npubench import __version__
from npubench.domain.protocols import Backend
from npubench.domain.records import THROUGHPUT, ToolInfo
from npubench.domain.specs import (
    SIMULATION,
    BenchmarkSpec,
    BoardSpec,
    CalibrationSpec,
    CaseSpec,
    FileSpec,
    Options,
    Precision,
    TimingAsked,
    TimingProtocol,
    declared_batch,
    titled,
)
from npubench.storage.hashing import digest

RESULT_FORMAT = 1
"""Part of every key: a change of what a row means makes every case new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything of a run that decides its figures, besides cases and boards."""

    timing: TimingProtocol | TimingAsked = field(default_factory=TimingAsked)
    """How long to measure: the same on every board, or what differs from each board's own."""
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)
    """Data to quantise with and to compare outputs on."""
    calibration_digest: str = ""  # what identifies these data by their content; planning fills it in
    deadline_s: float = 600.0  # seconds that one stage of one case may take

    def timing_on(self, board: BoardSpec) -> TimingProtocol:
        """How long to measure on a board."""
        if isinstance(self.timing, TimingProtocol):
            return self.timing
        return self.timing.over(board.timing.over(TimingProtocol()))


@dataclass(frozen=True, slots=True)
class PlannedBoard:
    """A board with its toolchain."""

    spec: BoardSpec  # what its catalogue file says
    backend: Backend
    """Its toolchain, bound to the board's options: two boards may use one with different options."""
    tool: ToolInfo  # what was found of the toolchain here


@dataclass(frozen=True, slots=True)
class Job:
    """One case on one board in one precision."""

    key: str  # changes with anything that could change the row
    export_key: str  # changes with anything that could change the ONNX file; empty for a board benchmark
    compile_key: str  # changes with anything that could change the artifact; empty for a board benchmark
    board: BoardSpec  # where it is measured or simulated
    case: CaseSpec  # what is measured
    precision: Precision  # the number format to prepare it in
    done: str | None  # status of its final row of an earlier run; None: it is to be run
    timing: TimingProtocol = field(default_factory=TimingProtocol)  # how long it is measured

    @property
    def label(self) -> str:
        """What a person calls it."""
        return f"{titled(self.case.name, self.precision)} on {self.board.name}"

    @property
    def backend(self) -> str:
        """What measures: the board's toolchain, or the tool of a board benchmark."""
        return self.case.tool if isinstance(self.case, BenchmarkSpec) else self.board.backend


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, where, and how."""

    jobs: tuple[Job, ...] = ()  # in the order they start
    request: Request = field(default_factory=Request)  # how to measure
    boards: Mapping[str, PlannedBoard] = field(default_factory=dict)  # the boards of the jobs by name
    refused: int = 0  # words, boards and catalogue files that could not be used

    @property
    def todo(self) -> tuple[Job, ...]:
        """What has no final row yet."""
        return tuple(job for job in self.jobs if job.done is None)


def build(
    cases: Sequence[tuple[CaseSpec, str]],
    boards: Sequence[tuple[BoardSpec, ToolInfo]],
    precisions: Collection[Precision],
    request: Request,
    finished: Mapping[str, str],
) -> Plan:
    """Cross boards, cases (each with its exporter's version) and precisions.

    `precisions` narrows what a board declares; empty means all of them.
    """
    jobs: dict[str, Job] = {}
    for board, tool in boards:
        wanted = [p for p in board.precisions if not precisions or p in precisions]
        for case, exporter_version in cases:
            for precision in wanted:
                job = _job(board, tool, case, exporter_version, precision, request, finished)
                jobs.setdefault(job.key, job)
    return Plan(tuple(jobs.values()), request)


def benchmark_job(
    board: BoardSpec, case: BenchmarkSpec, tools: Mapping[str, str], finished: Mapping[str, str]
) -> Job:
    """The job of a case of a board benchmark, with the versions that decide its figures."""
    key = digest(RESULT_FORMAT, __version__, case, tools, board.name, board.chip)
    return Job(key, "", "", board, case, Precision.NONE, finished.get(key))


def _job(
    board: BoardSpec,
    tool: ToolInfo,
    case: CaseSpec,
    exporter_version: str,
    precision: Precision,
    request: Request,
    finished: Mapping[str, str],
) -> Job:
    # A user's file is known by its content (the exporter's version), not by where it lies.
    known = replace(case, path=Path()) if isinstance(case, FileSpec) else case
    export_key = digest(RESULT_FORMAT, known, exporter_version)
    quantised = request.calibration_digest if precision is not Precision.FP32 else None
    made_by = board.chip, board.backend, board.backend_options, tool.versions
    compile_key = digest(__version__, export_key, *made_by, precision, quantised)
    # A simulation takes no time protocol, and is never the answer for a board that is measured.
    protocol = request.timing_on(board)
    timing = SIMULATION if board.simulated else protocol
    # Where samples lie decides neither file nor artifact, but what a second of them is.
    batch = declared_batch(case)
    key = digest(compile_key, board.name, timing, THROUGHPUT, *([batch] if batch else []))
    return Job(key, export_key, compile_key, board, case, precision, finished.get(key), protocol)


DEFAULT_OUT = Path("npubench-out")
DEFAULT_STAGES = "ops,models"


@dataclass(frozen=True, slots=True)
class CaseOptions:
    """Which cases, and what is said of them."""

    cases: tuple[str, ...] = ()  # names, globs, or paths of .onnx files; nothing is the suite `default`
    suites: tuple[str, ...] = ()  # named sets of cases
    shapes: tuple[str, ...] = ()  # NAME=1x3x224x224: fixes a dynamic input of files
    batch_axes: tuple[str, ...] = ()  # [NAME=]AXIS or `none`: where the samples of a call lie
    checkpoints: tuple[str, ...] = ()  # CASE=FILE: weights of models
    task: str = ""  # task of files, such as `classification`
    seed: int = 0  # moves seeded weights and data
    catalog_folders: tuple[Path, ...] = ()  # the user's own catalogues


@dataclass(frozen=True, slots=True)
class RunOptions(Request):
    """What `run`, `export`, `convert` and `accuracy` are asked: cases, boards, and how."""

    selection: CaseOptions = field(default_factory=CaseOptions)  # which cases
    out: Path = DEFAULT_OUT  # the workspace: models, artifacts, logs, results.db
    boards: tuple[str, ...] = ("local",)  # names of boards
    precisions: tuple[str, ...] = ()  # only these; nothing is all that a board declares
    simulate: bool = False  # rows hold the toolchain's simulation, no board is connected to
    stages: str = DEFAULT_STAGES
    """Kinds of cases, set apart by commas: `ops`, `models`, and names of board benchmarks."""
    benchmark_options: Mapping[str, Options] = field(default_factory=dict)
    """Options by the name of a board benchmark."""
    wait_s: float | None = None  # seconds to wait for a board that another run holds; None: without end
    workers: int | None = None  # exports and conversions at once; None: half of the processors
    fresh: bool = False  # do everything again, whatever is there
