"""A user's own .onnx file: brought over with its data, dynamic inputs fixed, or refused in a line."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from npubench.exporters.apart import DEADLINE_S, describe_apart
from npubench.exporters.file_kinds import not_a_model
from npubench.exporters.input_shapes import fix_shapes, wanted_shapes
from npubench.filesystem import link_or_copy
from npubench.identity import digest, sha256_of_file
from npubench.onnx_model import read
from npubench.records import Failure, OnnxModel
from npubench.specs import CaseSpec, FileSpec


class FileExporter:
    """Exporter of `FileSpec`. Reading a file ends after `deadline_s`."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s

    def version(self, spec: CaseSpec) -> str:
        """Hash of the file and of its external data; for one that cannot be used, what is wrong with it."""
        path = _file_spec(spec).path
        if problem := not_a_model(path):
            return digest(problem.message)
        source = read(path)
        try:
            if isinstance(source, Failure):
                return digest(sha256_of_file(path), source.message)
            return digest([sha256_of_file(file) for file in (path, *source.external)])
        except OSError as error:
            return digest("unreadable", str(error))

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        """Bring the file to `workdir/model.onnx`, its external data beside it."""
        spec = _file_spec(spec)
        outcome: Path | OnnxModel | Failure = bring(spec, workdir)
        if isinstance(outcome, Path):
            outcome = describe_apart(outcome, spec.name, spec.task, log, self._deadline_s)
        if isinstance(outcome, Failure):
            with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(f"{spec.path}: {outcome.message}\n{outcome.detail}\n")
        return outcome


def _file_spec(spec: CaseSpec) -> FileSpec:
    if not isinstance(spec, FileSpec):
        raise TypeError(f"{type(spec).__name__} is not a file")
    return spec


def bring(spec: FileSpec, workdir: Path) -> Path | Failure:
    """Bring the model to `workdir` with its external data and its shapes fixed; the path there."""
    if problem := not_a_model(spec.path):
        return problem
    source = read(spec.path)
    if isinstance(source, Failure):
        return source
    shapes = wanted_shapes(source.model, spec)
    if isinstance(shapes, Failure):
        return shapes
    beside = [file.relative_to(spec.path.parent) for file in source.external]
    target = _vacant(workdir / _free_name(beside))
    if shapes:
        fix_shapes(source.model, shapes)
        target.write_bytes(source.model.SerializeToString(deterministic=True))
    else:
        link_or_copy(spec.path.resolve(), target)
    for name in beside:
        # Copied, for onnx refuses external data that have several hard links.
        shutil.copyfile((spec.path.parent / name).resolve(), _vacant(workdir / name))
    return target


def _vacant(path: Path) -> Path:
    """The path with nothing there: writing over a hard link would change the user's own file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def _free_name(beside: Sequence[Path]) -> str:
    """A name for the model that none of its external data has: a link must never be written through."""
    name = "model.onnx"
    while any(file.parts[0] == name for file in beside):
        name = f"_{name}"
    return name
