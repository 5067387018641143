"""What a command is asked, as frozen records: the command line and the Python API fill them alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from npubench.domain.specs import CalibrationSpec, Options, TimingProtocol

DEFAULT_OUT = Path("npubench-out")
DEFAULT_STAGES = "ops,models"


@dataclass(frozen=True, slots=True)
class CaseOptions:
    """Which cases, and what is said of them."""

    cases: tuple[str, ...] = ()
    """Names, globs, or paths of .onnx files; nothing is the suite `default`."""
    suites: tuple[str, ...] = ()
    """Named sets of cases."""
    shapes: tuple[str, ...] = ()
    """NAME=1x3x224x224: fixes a dynamic input of files."""
    batch_axes: tuple[str, ...] = ()
    """[NAME=]AXIS or `none`: where the samples of a call lie."""
    checkpoints: tuple[str, ...] = ()
    """CASE=FILE: weights of models."""
    task: str = ""
    """Task of files, such as `classification`."""
    seed: int = 0
    """Moves seeded weights and data."""
    catalog_folders: tuple[Path, ...] = ()
    """The user's own catalogues."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run`, `export`, `convert` and `accuracy` are asked: cases, boards, and how."""

    selection: CaseOptions = field(default_factory=CaseOptions)
    """Which cases."""
    out: Path = DEFAULT_OUT
    """The workspace: models, artifacts, logs, results.db."""
    boards: tuple[str, ...] = ("local",)
    """Names of boards."""
    precisions: tuple[str, ...] = ()
    """Only these; nothing is all that a board declares."""
    simulate: bool = False
    """Rows hold the toolchain's simulation, no board is connected to."""
    stages: str = DEFAULT_STAGES
    """Kinds of cases, set apart by commas: `ops`, `models`, and names of board benchmarks."""
    benchmark_options: Mapping[str, Options] = field(default_factory=dict)
    """Options by the name of a board benchmark."""
    timing: TimingProtocol = field(default_factory=TimingProtocol)
    """How long to measure."""
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)
    """Data to quantise with and to compare outputs on."""
    deadline_s: float = 600.0
    """Seconds that one stage of one case may take."""
    wait_s: float | None = None
    """Seconds to wait for a board that another run holds; None: without end."""
    workers: int | None = None
    """Exports and conversions at once; None: half of the processors."""
    fresh: bool = False
    """Do everything again, whatever is there."""
