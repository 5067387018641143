"""A user's own .onnx file: brought over with its data, dynamic inputs fixed, or refused in a line."""

import itertools
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.records import Failure, OnnxModel
from npubench.domain.specs import CaseSpec, FileSpec, Shape, TensorSpec
from npubench.exporters.apart import DEADLINE_S, describe_apart
from npubench.exporters.input_shapes import declared_outputs, fix_shapes, sizes_of_symbols, wanted_shapes
from npubench.graph.check import not_a_model
from npubench.graph.read import read
from npubench.graph.walk import bodies, dimensions, subgraphs, true_inputs
from npubench.measure.statistics import batch_axes
from npubench.storage.hashing import digest, sha256_of_file

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto


FORMAT = 2
"""Changes when the same file is brought or described differently, so that kept ones are made anew."""

RENAMED = "nodes renamed"
"""Key of `OnnxModel.exported`: how many, because names of nodes have to be unique for ONNX Runtime."""


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
        if isinstance(brought, Failure):
            return brought
        model = describe_apart(brought.path, spec.name, spec.task, log, self._deadline_s)
        if isinstance(model, Failure):
            return model
        outputs = tuple(_completed(one, brought.outputs) for one in model.outputs)
        return replace(model, outputs=outputs, batch_axes=brought.batch_axes, exported=brought.said)


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
    name = "model.onnx"
    while any(file.parts[0] == name for file in beside):
        # Its external data may have that name: a link must never be written through.
        name = f"_{name}"
    target = _vacant(workdir / name)
    axes = batch_axes((value.name, dimensions(value)) for value in true_inputs(model.graph))
    outputs = declared_outputs(model, sizes_of_symbols(model, shapes)) if shapes else {}
    renamed = rename_repeated(model)
    if shapes:
        fix_shapes(model, shapes)
    if shapes or renamed:
        target.write_bytes(model.SerializeToString(deterministic=True))
    else:
        # Copied: whoever exports the model again writes over its file, and what was kept would go with it.
        shutil.copyfile(spec.path.resolve(), target)
    for file in beside:
        # Copied, for onnx refuses external data that have several hard links.
        shutil.copyfile((spec.path.parent / file).resolve(), _vacant(workdir / file))
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


def rename_repeated(model: "ModelProto") -> int:
    """Give each node that has the name of one before it in its graph another one; how many these are.

    Branches, loops and local functions have names of their own.
    """
    return sum(_renamed(body) for body in bodies(model))


def _renamed(body: "GraphProto | FunctionProto") -> int:
    count = sum(_renamed(graph) for node in body.node for graph in subgraphs(node))
    names = Counter(node.name for node in body.node if node.name)
    # From where the last search for a name ended: many nodes may have it.
    numbers = {name: itertools.count(times) for name, times in names.items()}
    seen, taken = set[str](), set(names)
    for node in body.node:
        if node.name in seen:
            name = node.name
            node.name = next(new for n in numbers[name] if (new := f"{name}_{n}") not in taken)
            taken.add(node.name)
            count += 1
        elif node.name:
            seen.add(node.name)
    return count
