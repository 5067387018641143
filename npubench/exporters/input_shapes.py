"""Fixing the dynamic inputs of a user's model by `--shape`."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from npubench.errors import UsageError
from npubench.onnx_model import static_shape, true_inputs
from npubench.records import Failure, FailureClass, Stage
from npubench.specs import FileSpec, Shape

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


def parse_shape_option(text: str) -> tuple[str, Shape]:
    """`input=1x3x224x224`, or `1x3x224x224` for an only input, as (name, shape). Raises UsageError."""
    name, separator, dims = text.rpartition("=")
    if not re.fullmatch(r"[1-9]\d*([x,][1-9]\d*)*", dims) or (separator and not name):
        raise UsageError(f"--shape {text}: not a shape: write it as --shape input=1x3x224x224")
    return name, tuple(int(dim) for dim in re.split("[x,]", dims))


def wanted_shapes(model: "ModelProto", spec: FileSpec) -> Mapping[str, Shape] | Failure:
    """Shapes to set, by input name; empty when the file is static already and nothing was asked."""
    inputs = {value.name: value for value in true_inputs(model.graph)}
    given = _named(spec.shapes, list(inputs))
    if isinstance(given, Failure):
        return given
    for name, shape in given.items():
        if problem := _contradiction(inputs[name], shape):
            return problem
    dynamic = [v for n, v in inputs.items() if n not in given and _is_dynamic(v)]
    if dynamic:
        hint = " ".join(f"--shape {value.name}={_suggested(value)}" for value in dynamic)
        return _refused(
            f"{spec.path.name} has dynamic shapes at {', '.join(map(_described, dynamic))}: fix them,"
            f" such as {hint}",
        )
    return {n: s for n, s in given.items() if s != static_shape(inputs[n])}


def _named(shapes: tuple[tuple[str, Shape], ...], names: list[str]) -> dict[str, Shape] | Failure:
    """The given shapes that concern this model; a name that another file of the run has is no error here."""
    named = {}
    for name, shape in shapes:
        if name in names:
            named[name] = shape
        elif not name and len(names) == 1:
            named[names[0]] = shape
        elif not name:
            return _refused(
                f"--shape without a name, but the inputs are {', '.join(map(repr, names))}: name one, such as"
                f" --shape {names[0] if names else 'input'}=1x3x224x224",
            )
        else:
            near = get_close_matches(name, names, n=1, cutoff=0.3)
            hint = f"did you mean {near[0]!r}?" if near else f"the inputs are {', '.join(map(repr, names))}"
            return _refused(f"--shape {name}: no input of that name: {hint}")
    return named


def _contradiction(value: "ValueInfoProto", shape: Shape) -> Failure | None:
    declared = static_shape(value)
    if not value.type.tensor_type.HasField("shape"):
        return None
    if len(declared) != len(shape):
        message = f"--shape {value.name}: {len(shape)} dimensions for the model's {_described(value)}"
        return _refused(message)
    for want, have in zip(shape, declared, strict=True):
        if have is not None and have != want and have > 0:
            message = f"--shape {value.name}: {want} where the model has {have} fixed: {_described(value)}"
            return _refused(message)
    return None


def _is_dynamic(value: "ValueInfoProto") -> bool:
    if value.type.WhichOneof("value") != "tensor_type":
        return False
    tensor = value.type.tensor_type
    return not tensor.HasField("shape") or any(dim is None or dim <= 0 for dim in static_shape(value))


def _described(value: "ValueInfoProto") -> str:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return f"{value.name!r} (no shape at all)"
    dims = [str(dim.dim_value) if dim.dim_value > 0 else dim.dim_param or "?" for dim in tensor.shape.dim]
    return f"{value.name!r} [{', '.join(dims)}]"


def _suggested(value: "ValueInfoProto") -> str:
    dims = static_shape(value) or (1, 3, 224, 224)
    usual = {2: 224, 3: 224} if len(dims) == 4 else {}
    return "x".join(str(dim) if dim and dim > 0 else str(usual.get(i, 1)) for i, dim in enumerate(dims))


def fix_shapes(model: "ModelProto", shapes: Mapping[str, Shape]) -> None:
    """Set input shapes and drop every shape that was derived from the old ones."""
    for value in true_inputs(model.graph):
        if value.name in shapes:
            dims = value.type.tensor_type.shape.dim
            del dims[:]
            for size in shapes[value.name]:
                dims.add().dim_value = size
    del model.graph.value_info[:]
    for output in model.graph.output:
        if output.type.WhichOneof("value") == "tensor_type" and None in static_shape(output):
            output.type.tensor_type.ClearField("shape")


def _refused(message: str) -> Failure:
    return Failure(Stage.EXPORT, FailureClass.DYNAMIC_SHAPE, message)
