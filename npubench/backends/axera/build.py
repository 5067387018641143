"""The half that both toolchains share: lay out a job's folder, build in it, believe only its files."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.backends.axera import calibration_files
from npubench.backends.axera.build_errors import failed_build, no_artifact
from npubench.backends.axera.toolchain import Bench
from npubench.domain.errors import UsageError
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CalibrationSpec
from npubench.measure.calibration import Choice, choose
from npubench.storage.files import is_regular, link_or_copy, write_new

STAMP = "start.stamp"
BUILD_LOG = "build.log"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Tar files of a job's folder by input, the samples in each, whether they are pictures, and whose."""

    files: Mapping[str, str]
    samples: int
    pictures: bool
    chosen: Choice


@dataclass(frozen=True, slots=True)
class Built:
    """Files of a build, and what else is to be known of it."""

    artifact: Path
    extras: tuple[Path, ...]
    notes: Mapping[str, Any]


class Deadline:
    """Seconds that are left of a job's time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds from now; never less than none."""
        return max(0.0, self._end - time.monotonic())


class Artifacts:
    """Which model each artifact of this process came from; tools have handed out another job's file."""

    def __init__(self) -> None:
        self._models: dict[str, OnnxModel] = {}
        self._lock = threading.Lock()

    def belongs_to_another(self, sha256: str, model: OnnxModel) -> str | None:
        """The case that this file was built for, if that is a model of other shapes, operators or weights.

        Models that are equal in these may well compile to the same bytes (a 1x1 kernel knows no
        dilation), and are left to the report's check for equal figures.
        """
        with self._lock:
            other = self._models.setdefault(sha256, model)
        return None if _outline(other) == _outline(model) else other.case


def _outline(model: OnnxModel) -> object:
    return model.inputs, model.outputs, dict(model.operators), model.parameters


def stem(model: OnnxModel) -> str:
    """The name of a job's files: safe, and of no other model."""
    return model.sha256[:16]


def lay_out(model: OnnxModel, workdir: Path) -> str:
    """Put the model into the folder; its name there. External data keeps its place beside it."""
    name = f"{stem(model)}.onnx"
    link_or_copy(model.path, workdir / name)
    for file in model.external:
        target = workdir / file.relative_to(model.path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(file, target)
    return name


def lay_out_calibration(
    model: OnnxModel, spec: CalibrationSpec, workdir: Path, arrays: calibration_files.ArrayFormat
) -> Calibration | Failure:
    """Write the calibration set; INVALID_CALIBRATION when the user's data do not fit this model."""
    try:
        chosen = choose(model.fed, spec)
        samples = chosen.calibration()
    except UsageError as error:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, str(error))
    if not samples:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, "there are no calibration samples")
    pictures = calibration_files.takes_pictures(model)
    files = {}
    for number, tensor in enumerate(model.inputs):
        name = "calibration.tar" if len(model.inputs) == 1 else f"calibration-{number}.tar"
        picture = model.preprocessing if pictures else None
        calibration_files.write_tar(workdir / name, tensor, samples, picture, arrays)
        files[tensor.name] = name
    return Calibration(files, len(samples), pictures, chosen)


def lay_out_artifact(artifact: Artifact, workdir: Path) -> Path:
    """Put a kept artifact, all that lies beside it and its model there; the path of the artifact."""
    lay_out(artifact.onnx, workdir)
    base = artifact.path.parent
    for file in (artifact.path, *artifact.extras):
        there = workdir / file.relative_to(base)
        there.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(file, there)
    return workdir / artifact.path.name


def build(
    bench: Bench, argv: list[str], output: str, workdir: Path, deadline: Deadline, log: Path
) -> Failure | None:
    """Run the build; None when `output` is there, new, and the tool's own. Keeps its words as build.log."""
    tool = argv[0].rpartition("/")[2]
    bench.mark(STAMP)
    completed = bench.run(argv, deadline.left(), log)
    failure = failed_build(tool, completed, deadline.seconds)
    if failure is not None:
        return failure
    bench.collect()
    write_new(workdir / BUILD_LOG, completed.output)
    artifact = workdir / output
    if not is_regular(artifact) or artifact.stat().st_size == 0:
        return no_artifact(tool, completed.output, output)
    if not is_new(artifact, workdir):
        message = f"{tool} left {output} as it was before this job: it is of another one"
        return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
    return None


def is_new(file: Path, workdir: Path) -> bool:
    """Whether a file was written after this job's build began."""
    return file.lstat().st_mtime >= (workdir / STAMP).lstat().st_mtime
