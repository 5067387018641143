"""A user's own .onnx file: copied with its external data, dynamic inputs fixed, or refused in a line."""

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.exporters.input_shapes import fix_shapes, wanted_shapes
from npubench.filesystem import link_or_copy
from npubench.identity import digest, sha256_of_file
from npubench.onnx_model import (
    describe,
    external_files,
    external_locations,
    load,
)
from npubench.records import Failure, FailureClass, OnnxModel, Stage
from npubench.specs import CaseSpec, FileSpec

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

PROTOBUF_LIMIT_BYTES = 2**31 - 1
_SNIFFED_BYTES = 512


class FileExporter:
    """Exporter of `FileSpec`."""

    def version(self, spec: CaseSpec) -> str:
        """Hash of the file and its external data; for a file that cannot be read, what is wrong with it."""
        path = _file_spec(spec).path
        problem = _unusable(path)
        if problem:
            return f"unusable: {problem.failure_class}"
        hashes = [sha256_of_file(path)]
        model = load(path)
        if not isinstance(model, Failure) and not _external_problem(model, path):
            hashes += [sha256_of_file(file) for file in external_files(model, path.parent)]
        return digest(hashes)

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        """Bring the file to `workdir/model.onnx`, its external data beside it."""
        spec = _file_spec(spec)
        outcome = _export(spec, workdir)
        if isinstance(outcome, Failure):
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"{spec.path}: {outcome.message}\n{outcome.detail}\n")
        return outcome


def _export(spec: FileSpec, workdir: Path) -> OnnxModel | Failure:
    problem = _unusable(spec.path)
    if problem:
        return problem
    model = load(spec.path)
    if isinstance(model, Failure):
        return model
    problem = _external_problem(model, spec.path)
    if problem:
        return problem
    shapes = wanted_shapes(model, spec)
    if isinstance(shapes, Failure):
        return shapes
    target = workdir / "model.onnx"
    if shapes:
        fix_shapes(model, shapes)
        target.write_bytes(model.SerializeToString(deterministic=True))
    else:
        link_or_copy(spec.path.resolve(), target)
    for location in external_locations(model):
        copy = workdir / location
        copy.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy((spec.path.parent / location).resolve(), copy)
    return describe(target, spec.name, task=spec.task)


def _file_spec(spec: CaseSpec) -> FileSpec:
    if not isinstance(spec, FileSpec):
        raise TypeError(f"{type(spec).__name__} is not a file")
    return spec


def _unusable(path: Path) -> Failure | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            return _invalid(f"{path} is {kind}: give the path of an .onnx file")
        with path.open("rb") as stream:
            start = stream.read(_SNIFFED_BYTES)
    except FileNotFoundError:
        return _failure(FailureClass.NOT_FOUND, f"{path} does not exist: correct the path")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return _invalid(f"{path} cannot be read ({reason}): correct the path or its permissions")
    if status.st_size > PROTOBUF_LIMIT_BYTES:
        return _invalid(
            f"{path} is over 2 GiB: save it with external data (onnx.save, save_as_external_data)"
        )
    return _not_onnx(path, start)


def _not_onnx(path: Path, start: bytes) -> Failure | None:
    if not start:
        return _invalid(f"{path} is empty: export or download it again")
    if start.startswith(b"version https://git-lfs"):
        return _invalid(f"{path} is a git-lfs pointer, not the model: run `git lfs pull` in its repository")
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return _invalid(f"{path} is a web page, not a model: download the raw file")
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x1f\x8b")):
        return _invalid(f"{path} is an archive or a checkpoint, not ONNX: export the model to ONNX first")
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in start)
    if printable == len(start):
        return _invalid(f"{path} is text, not an ONNX model: export the model to ONNX first")
    return None


def _external_problem(model: "ModelProto", path: Path) -> Failure | None:
    """External data must lie below the model's own folder, links resolved, and be long enough."""
    folder = path.parent.resolve()
    for location in external_locations(model):
        named = Path(location)
        try:
            file = (folder / named).resolve()
        except (OSError, ValueError, RuntimeError):
            return _external(
                f"{path.name} names {location!r} as external data, which is no path: export it again"
            )
        if named.is_absolute() or ".." in named.parts or not file.is_relative_to(folder):
            return _external(
                f"{path.name} wants external data at {location!r}, outside its folder: not read;"
                " keep the data beside the model"
            )
        if not file.is_file():
            return _external(f"{path.name} needs the file {location!r} beside it: put it there")
    return _too_short(model, folder, path)


def _too_short(model: "ModelProto", folder: Path, path: Path) -> Failure | None:
    for tensor in _external_tensors(model):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        try:
            end = int(entries.get("offset", 0)) + int(entries.get("length", 0))
        except ValueError:
            return _external(
                f"{path.name}: offset or length of {tensor.name!r} is no number: export it again"
            )
        if end > (folder / entries["location"]).stat().st_size:
            return _external(
                f"{path.name}: {entries['location']!r} ends before the data of {tensor.name!r}: copy it again"
            )
    return None


def _external_tensors(model: "ModelProto") -> "list[TensorProto]":
    return [tensor for tensor in model.graph.initializer if tensor.data_location == tensor.EXTERNAL]


def _invalid(message: str) -> Failure:
    return _failure(FailureClass.INVALID_MODEL, message)


def _external(message: str) -> Failure:
    return _failure(FailureClass.EXTERNAL_DATA, message)


def _failure(failure_class: FailureClass, message: str) -> Failure:
    return Failure(Stage.EXPORT, failure_class, message)
