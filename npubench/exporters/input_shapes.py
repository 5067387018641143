"""Fixing the dynamic inputs of a user's model by `--shape`."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass
from npubench.domain.specs import CaseSpec, FileSpec, Shape
from npubench.graph.check import near_input, not_a_model, refused, shown
from npubench.graph.read import read
from npubench.graph.walk import (
    all_graphs,
    dimensions,
    has_rank,
    is_dynamic,
    is_tensor,
    static_shape,
    true_inputs,
)

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

EXAMPLE = "1x3x224x224"
LARGEST_DIM = 2**31 - 1
_SHAPE = re.compile(r"[0-9]{1,10}([x,][0-9]{1,10})*")


def parse_shape_option(text: str) -> tuple[str, Shape]:
    """`input=1x3x224x224`, or `1x3x224x224` for an only input (name ""), as name and shape.

    Commas do as well as x. Raises UsageError.
    """
    name, separator, dims = text.rpartition("=")
    if _SHAPE.fullmatch(dims) and (name or not separator):
        shape = tuple(int(dim) for dim in re.split("[x,]", dims))
        if all(0 < dim <= LARGEST_DIM for dim in shape):
            return name, shape
    raise UsageError(f"--shape {shown(text)}: not a shape: write it as --shape input={EXAMPLE}")


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
            hint = near_input(name, everyone, f"there are {', '.join(map(_quoted, everyone))}")
            what = (
                f"{shown(name)}: no file has an input of that name"
                if name
                else "without a name: no file has one input"
            )
            raise UsageError(f"--shape {what}: {hint}: write --shape NAME={_written(shape)}")
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


def wanted_shapes(model: "ModelProto", spec: FileSpec) -> Mapping[str, Shape] | Failure:
    """Shapes to set, by input name; empty when the file is static already and nothing else was asked."""
    inputs = {value.name: value for value in true_inputs(model.graph)}
    given = _named(spec.shapes, list(inputs))
    if isinstance(given, Failure):
        return given
    for name, shape in given.items():
        if problem := _contradiction(inputs[name], shape):
            return problem
    dynamic = [value for name, value in inputs.items() if name not in given and is_dynamic(value)]
    if dynamic:
        hint = " ".join(_option(value, len(inputs)) for value in dynamic)
        return _refused(
            f"{shown(spec.path.name)} has dynamic shapes, input {', '.join(map(_described, dynamic))}:"
            f" fix them, such as {hint}"
        )
    return {name: shape for name, shape in given.items() if shape != static_shape(inputs[name])}


def fix_shapes(model: "ModelProto", shapes: Mapping[str, Shape]) -> None:
    """Set input shapes; every other shape that the file tells came of the old ones, and is dropped.

    What they are now follows from the graph alone. Ranks stay: they do not change with a size.
    """
    given = {value.name: value for value in true_inputs(model.graph) if value.name in shapes}
    for name, value in given.items():
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        for size in shapes[name]:
            dims.add().dim_value = size
    for graph in all_graphs(model):
        del graph.value_info[:]
        # A branch or the body of a loop declares shapes of its own.
        for declared in (*graph.output, *(graph.input if graph is not model.graph else ())):
            for dim in declared.type.tensor_type.shape.dim if has_rank(declared) else ():
                dim.Clear()
    for function in model.functions:
        del function.value_info[:]


def sizes_of_symbols(model: "ModelProto", shapes: Mapping[str, Shape]) -> Mapping[str, int]:
    """What the given shapes say of each named open dimension; none for a name with two sizes."""
    sizes: dict[str, int | None] = {}
    for value in true_inputs(model.graph):
        for dim, size in zip(dimensions(value), shapes.get(value.name, ()), strict=False):
            if isinstance(dim, str):
                sizes[dim] = size if sizes.get(dim, size) == size else None
    return {name: size for name, size in sizes.items() if size is not None}


def declared_outputs(model: "ModelProto", sizes: Mapping[str, int]) -> Mapping[str, Shape]:
    """Outputs as far as the file tells them, -1 elsewhere: for operators through which nothing is inferred.

    Where an output names open dimensions its numbers are fixed ones; where it has none although an input was
    open, they came of one size of that input and are not believed.
    """
    found = {}
    for output in model.graph.output:
        dims = dimensions(output)
        open_ones = any(isinstance(dim, str) for dim in dims)
        found[output.name] = tuple(
            sizes.get(dim, -1) if isinstance(dim, str) else dim if dim and open_ones else -1 for dim in dims
        )
    return found


def _named(shapes: Sequence[tuple[str, Shape]], names: list[str]) -> dict[str, Shape] | Failure:
    """The given shapes by the input that each is for."""
    named: dict[str, Shape] = {}
    listed = f"the inputs are {', '.join(map(_quoted, names))}" if names else "it has no inputs"
    for name, shape in shapes:
        if not name and len(names) != 1:
            return _refused(f"--shape without a name: {listed}: write --shape NAME={_written(shape)}")
        target = name or names[0]
        if target not in names:
            hint = near_input(target, names, listed)
            return _refused(f"--shape {shown(target)}: no input of that name: {hint}")
        if named.setdefault(target, shape) != shape:
            both = f"{_written(named[target])} and {_written(shape)}"
            return _refused(f"--shape {shown(target)}: given as {both}: give one of them")
    return named


def _contradiction(value: "ValueInfoProto", shape: Shape) -> Failure | None:
    option = f"--shape {shown(value.name)}={_written(shape)}"
    if not is_tensor(value):
        return _refused(f"{option}: this input is no tensor: npubench runs numeric tensors only")
    if not all(0 < dim <= LARGEST_DIM for dim in shape):
        return _refused(f"{option}: a dimension is at least 1: write it as --shape input={EXAMPLE}")
    if not has_rank(value):
        return None
    declared = static_shape(value)
    if len(declared) != len(shape):
        return _refused(
            f"{option}: {len(shape)} dimensions where the model has {len(declared)}: {_described(value)}"
        )
    for wanted, have in zip(shape, declared, strict=True):
        if have and have != wanted:
            return _refused(f"{option}: {wanted} where the model has {have} fixed: {_described(value)}")
    return None


def _described(value: "ValueInfoProto") -> str:
    if not has_rank(value):
        return f"'{shown(value.name)}' (of no declared rank)"
    words = ", ".join(shown(str(dim or "?")) for dim in dimensions(value))
    return f"'{shown(value.name)}' [{words}]"


def _option(value: "ValueInfoProto", inputs: int) -> str:
    """The option to give, ready for a shell; without the name where nobody could type it."""
    shape = _written(_usual(value))
    if value.name == shown(value.name):
        return f"--shape {shlex.quote(f'{value.name}={shape}')}"
    return f"--shape {shape}" if inputs == 1 else f"--shape NAME={shape}"


def _usual(value: "ValueInfoProto") -> Shape:
    """Fixed dimensions as they are; of the open ones, those of an image's height and width 224, others 1."""
    if not has_rank(value):
        return 1, 3, 224, 224
    dims = static_shape(value)
    channels_last = len(dims) == 4 and dims[3] in (1, 3, 4) and dims[1] not in (1, 3, 4)
    image = {1: 224, 2: 224} if channels_last else {1: 3, 2: 224, 3: 224}
    usual = image if len(dims) == 4 else {}
    return tuple(dim or usual.get(place, 1) for place, dim in enumerate(dims))


def _quoted(name: str) -> str:
    return f"'{shown(name)}'"


def _written(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _refused(message: str) -> Failure:
    return refused(FailureClass.DYNAMIC_SHAPE, message)
