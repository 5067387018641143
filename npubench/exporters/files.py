"""A user's own .onnx file: brought over with its data, dynamic inputs fixed, or refused in a line."""

import shutil
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import CaseSpec, FileSpec, Shape, TensorSpec
from npubench.exporters.apart import DEADLINE_S, describe_apart
from npubench.exporters.input_shapes import (
    declared_outputs,
    fix_shapes,
    quoted,
    sizes_of_symbols,
    wanted_shapes,
    written,
)
from npubench.graph.check import LONGEST_MESSAGE, LONGEST_NAME, invalid, refused, shown
from npubench.graph.read import read
from npubench.graph.walk import bodies, dimensions, subgraphs, true_inputs
from npubench.measure.statistics import batch_axes
from npubench.storage.files import link_or_copy
from npubench.storage.hashing import digest, sha256_of_file

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto


FORMAT = 2
"""Changes when the same file is brought or described differently, so that kept ones are made anew."""

RENAMED = "nodes renamed"
"""Key of `OnnxModel.exported`: how many, because names of nodes have to be unique for ONNX Runtime."""


PROTOBUF_LIMIT_BYTES = 2**31 - 1
"""A protobuf message ends below 2 GiB (protobuf.dev, "Proto Limits")."""

SNIFFED_BYTES = 512
GIT_LFS = b"version https://git-lfs"
OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive or a PyTorch checkpoint",
    b"\x80\x02": "a pickle, such as a PyTorch checkpoint",
    b"\x1f\x8b": "gzip-compressed",
    b"\x89HDF": "an HDF5 file, such as a Keras model",
    b"\x7fELF": "a program",
}


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
                return digest(FORMAT, sha256_of_file(path), source.message)
            return digest(FORMAT, [sha256_of_file(file) for file in (path, *source.external)])
        except OSError as error:
            return digest("unreadable", str(error))

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        """Bring the file to `workdir/model.onnx`, its external data beside it."""
        spec = _file_spec(spec)
        brought = bring(spec, workdir)
        outcome: OnnxModel | Failure
        if isinstance(brought, Failure):
            outcome = brought
        else:
            outcome = describe_apart(brought.path, spec.name, spec.task, log, self._deadline_s)
            if isinstance(outcome, OnnxModel):
                outputs = tuple(_completed(one, brought.outputs) for one in outcome.outputs)
                axes, said = brought.batch_axes, brought.said
                outcome = replace(outcome, outputs=outputs, batch_axes=axes, exported=said)
        if isinstance(outcome, Failure):
            with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(f"{spec.path}: {outcome.message}\n{outcome.detail}\n")
        return outcome


def _file_spec(spec: CaseSpec) -> FileSpec:
    if not isinstance(spec, FileSpec):
        raise TypeError(f"{type(spec).__name__} is not a file")
    return spec


@dataclass(frozen=True, slots=True)
class Brought:
    """The file, the open axes that it called a batch, what fixing them says of its outputs; what was done."""

    path: Path
    batch_axes: Mapping[str, int]
    outputs: Mapping[str, Shape] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


def bring(spec: FileSpec, workdir: Path) -> Brought | Failure:
    """Bring the model to `workdir` with its external data and its shapes fixed."""
    if problem := not_a_model(spec.path):
        return problem
    source = read(spec.path)
    if isinstance(source, Failure):
        return source
    model = source.model
    shapes = wanted_shapes(model, spec)
    if isinstance(shapes, Failure):
        return shapes
    beside = [file.relative_to(spec.path.parent) for file in source.external]
    target = _vacant(workdir / _free_name(beside))
    axes = batch_axes((value.name, dimensions(value)) for value in true_inputs(model.graph))
    outputs = declared_outputs(model, sizes_of_symbols(model, shapes)) if shapes else {}
    renamed = rename_repeated(model)
    if shapes:
        fix_shapes(model, shapes)
    if shapes or renamed:
        target.write_bytes(model.SerializeToString(deterministic=True))
    else:
        link_or_copy(spec.path.resolve(), target)
    for name in beside:
        # Copied, for onnx refuses external data that have several hard links.
        shutil.copyfile((spec.path.parent / name).resolve(), _vacant(workdir / name))
    said = {RENAMED: f"{renamed} that had the name of another"} if renamed else {}
    return Brought(target, axes, outputs, said)


def _completed(tensor: TensorSpec, declared: Mapping[str, Shape]) -> TensorSpec:
    """An output with sizes that its open dimensions' names tell where the graph tells none."""
    known = declared.get(tensor.name, ())
    if tensor.shape == (-1,) and len(known) > 1:
        return replace(tensor, shape=known)
    if len(known) != len(tensor.shape):
        return tensor
    dims = tuple(size if mine == -1 else mine for mine, size in zip(tensor.shape, known, strict=True))
    return replace(tensor, shape=dims)


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


def rename_repeated(model: "ModelProto") -> int:
    """Give each node that has the name of one before it in its graph another one; how many these are.

    Branches, loops and local functions have names of their own.
    """
    return sum(_renamed(body) for body in bodies(model))


def _renamed(body: "GraphProto | FunctionProto") -> int:
    count = sum(_renamed(graph) for node in body.node for graph in subgraphs(node))
    names = Counter(node.name for node in body.node if node.name)
    if all(times == 1 for times in names.values()):
        return count
    seen: set[str] = set()
    for node in body.node:
        if node.name in seen:
            node.name = _free(node.name, names)
            names[node.name] += 1
            count += 1
        elif node.name:
            seen.add(node.name)
    return count


def _free(name: str, taken: Counter[str]) -> str:
    # From where the last search for this name ended: many nodes may have it.
    taken[name] += 1
    while (found := f"{name}_{taken[name] - 1}") in taken:
        taken[name] += 1
    return found


def spread_shapes(cases: Sequence[CaseSpec]) -> tuple[CaseSpec, ...]:
    """Of several files, each with the shapes of inputs that it has; one file keeps all that were given.

    A shape without a name goes to files of one input. A file that cannot be read keeps all: its own failure
    says why. Raises UsageError for a shape that no file has an input for.
    """
    files = [case for case in cases if isinstance(case, FileSpec)]
    if len(files) < 2 or not files[0].shapes:
        return tuple(cases)
    inputs = {file.path: names for file in files if (names := _input_names(file)) is not None}
    for name, shape in files[0].shapes if len(inputs) == len(files) else ():
        if not any(_is_for(name, names) for names in inputs.values()):
            everyone = sorted({one for names in inputs.values() for one in names})
            near = get_close_matches(name[:LONGEST_NAME], everyone, n=1, cutoff=0.3) if name else []
            hint = (
                f"did you mean '{shown(near[0])}'?"
                if near
                else f"there are {', '.join(map(quoted, everyone))}"
            )
            what = (
                f"{shown(name)}: no file has an input of that name"
                if name
                else "without a name: no file has one input"
            )
            raise UsageError(f"--shape {what}: {hint}: write --shape NAME={written(shape)}")
    return tuple(
        replace(case, shapes=tuple(one for one in case.shapes if _is_for(one[0], inputs[case.path])))
        if isinstance(case, FileSpec) and case.path in inputs
        else case
        for case in cases
    )


def _input_names(file: FileSpec) -> tuple[str, ...] | None:
    source = None if not_a_model(file.path) else read(file.path)
    if source is None or isinstance(source, Failure):
        return None
    return tuple(value.name for value in true_inputs(source.model.graph))


def _is_for(name: str, inputs: Sequence[str]) -> bool:
    return name in inputs if name else len(inputs) == 1


def not_a_model(path: Path) -> Failure | None:
    """Why the path cannot be a model; None when its bytes may be one. Pipes and devices are not opened."""
    name = shown(str(path), LONGEST_MESSAGE // 2)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            return invalid(f"{name} is {kind}: give the path of an .onnx file")
        with path.open("rb") as stream:
            start = stream.read(SNIFFED_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return refused(FailureClass.NOT_FOUND, f"{name} does not exist: correct the path")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return invalid(f"{name} cannot be read ({reason}): correct the path or its permissions")
    if kind := _other_kind(start):
        return invalid(f"{name} {kind}")
    if status.st_size > PROTOBUF_LIMIT_BYTES:
        return invalid(f"{name} is over 2 GiB: export it with external data (save_as_external_data of onnx)")
    return None


def _other_kind(start: bytes) -> str:
    if not start:
        return "is empty: export or download it again"
    if start.startswith(GIT_LFS):
        return "is a git-lfs pointer, not the model itself: run `git lfs pull` in its repository"
    for magic, kind in OTHER_FORMATS.items():
        if start.startswith(magic):
            return f"is {kind}, not ONNX: export the model to ONNX first"
    text = _as_text(start)
    if text.lower().lstrip("\ufeff \t\r\n").startswith(("<!doctype", "<html", "<?xml", "<head", "<!--")):
        return "is a web page, not a model: download the file itself"
    return "is text, not an ONNX model: export the model to ONNX first" if text else ""


def _as_text(start: bytes) -> str:
    """The bytes as text; empty when they are none. A character may be cut at the end."""
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    text = start.decode(encoding, "ignore")
    if len(text.encode(encoding)) < len(start) - 3 or not all(
        c.isprintable() or c in "\t\r\n\f\ufeff" for c in text
    ):
        return ""
    return text
