"""Inputs and outputs of what a tool made, against the model's: none may be lost, added or renamed unseen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.records import Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import Shape, TensorSpec
from npubench.graph.walk import numpy_dtype, true_inputs

if TYPE_CHECKING:
    from onnx import ValueInfoProto


UNKNOWN = -1
"""A dimension that the graph does not tell; (-1,) is a shape of which not even the rank is known."""
LONGEST = 300


@dataclass(frozen=True, slots=True)
class ToolTensor:
    """A tensor as a tool tells of it; None is what it does not tell. `dtype` is a numpy name."""

    name: str | None = None
    shape: Shape | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """All inputs and all outputs, in the tool's order; None where it does not tell of them at all."""

    inputs: tuple[ToolTensor, ...] | None = None
    outputs: tuple[ToolTensor, ...] | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a tool always changes, so that it is no fault; of each the reason, empty where it is not borne.

    `layout`: channels go last (or first). `rank`: axes of one entry come or go. `unnamed`: names are not the
    model's, so tensors are told apart by their place. `dtypes` are the types that a type of the model may
    become, for `dtypes_why`. `spelt` makes one spelling of the model's names and the tool's.
    """

    layout: str = ""
    rank: str = ""
    unnamed: str = ""
    dtypes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dtypes_why: str = ""
    spelt: Callable[[str], str] = str


EXACT = Tolerance()


def signature_of(listed: Mapping[str, Any] | None) -> Signature:
    """A signature out of JSON: lists of name, shape and dtype below `inputs` and `outputs`."""

    def tensor(one: Mapping[str, Any]) -> ToolTensor:
        shape = one.get("shape")
        return ToolTensor(
            one.get("name"), None if shape is None else tuple(map(int, shape)), one.get("dtype")
        )

    sides = ((listed or {}).get(side) for side in ("inputs", "outputs"))
    return Signature(*(None if side is None else tuple(map(tensor, side)) for side in sides))


def converted(tool: str, model: OnnxModel, listed: Signature, tolerance: Tolerance = EXACT) -> Failure | None:
    """OUTPUT_MISMATCH where what a tool made has other inputs or outputs than the model; else None."""
    found = difference(model.inputs, model.outputs, listed, tolerance)
    message = f"{tool} made another model of it: {found}"[:LONGEST]
    return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, message) if found else None


def ran_another(
    runner: str, model: OnnxModel, listed: Signature, tolerance: Tolerance = EXACT
) -> Failure | None:
    """WRONG_ARTIFACT where a board's runner tells of other tensors than the artifact's; else None."""
    found = difference(model.inputs, model.outputs, listed, tolerance)
    message = f"{runner} ran another model than this job's: {found}"[:LONGEST]
    return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message) if found else None


def difference(
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    listed: Signature,
    tolerance: Tolerance = EXACT,
) -> str | None:
    """What differs, tensor by tensor, beyond what the tool always changes; None where nothing does.

    What the tool does not tell is not checked.
    """
    found = [
        problem
        for kind, wanted, have in (("input", inputs, listed.inputs), ("output", outputs, listed.outputs))
        if have is not None
        for problem in _problems(kind, wanted, have, tolerance)
    ]
    return "; ".join(found) or None


def _problems(
    kind: str, wanted: Sequence[TensorSpec], have: Sequence[ToolTensor], of: Tolerance
) -> Iterator[str]:
    by_name = not of.unnamed and all(one.name is not None for one in have)
    pairs = _paired(wanted, have, of, by_name)
    lost = [spec for spec, listed in pairs if listed is None and spec is not None]
    new = [listed for spec, listed in pairs if spec is None and listed is not None]
    if by_name and len(lost) == len(new) == 1 and not any(_unlike(lost[0], new[0], of)):
        yield f"the {kind} {lost[0].name} is called {new[0].name}"
        return
    for spec in lost:
        count = f"{len(have)} of {len(wanted)}" if len(have) < len(wanted) else f"{len(have)}"
        what = _words(spec.shape, spec.dtype)
        yield f"the {kind} {spec.name} ({what}) is missing: {count} {kind}s are there"
    for one in new:
        name = one.name or "without a name"
        yield f"there is an {kind} {name} ({_words(one.shape, one.dtype)}) which the model does not have"
    for wanted_one, listed_one in pairs:
        if wanted_one is not None and listed_one is not None:
            yield from (
                f"the {kind} {wanted_one.name} is {what}" for what in _unlike(wanted_one, listed_one, of)
            )


_Pairs = list[tuple[TensorSpec | None, ToolTensor | None]]


def _paired(wanted: Sequence[TensorSpec], have: Sequence[ToolTensor], of: Tolerance, by_name: bool) -> _Pairs:
    """By name; else by place where there are as many, or each with the next that fits, to tell a lost one."""
    if not by_name and len(wanted) == len(have):
        return list(zip(wanted, have, strict=True))

    def fits(spec: TensorSpec, one: ToolTensor) -> bool:
        return of.spelt(one.name or "") == of.spelt(spec.name) if by_name else not any(_unlike(spec, one, of))

    left = list(have)
    pairs: _Pairs = []
    for spec in wanted:
        place = next((at for at, one in enumerate(left) if fits(spec, one)), None)
        pairs.append((spec, None if place is None else left.pop(place)))
    return [*pairs, *((None, one) for one in left)]


def _unlike(spec: TensorSpec, listed: ToolTensor, of: Tolerance) -> Iterator[str]:
    if listed.shape is not None and not _same_shape(spec.shape, listed.shape, of):
        yield f"{_words(listed.shape)} and not {_words(spec.shape)}"
    if listed.dtype not in (None, spec.dtype, *of.dtypes.get(spec.dtype, ())):
        yield f"{listed.dtype} and not {spec.dtype}"


def _same_shape(wanted: Shape, have: Shape, of: Tolerance) -> bool:
    if wanted == (UNKNOWN,):
        return True
    turned = [wanted]
    if of.layout and len(wanted) > 2:
        turned += [(wanted[0], *wanted[2:], wanted[1]), (wanted[0], wanted[-1], *wanted[1:-1])]
    return any(_same(one, have) or (bool(of.rank) and _same(_bare(one), _bare(have))) for one in turned)


def _same(wanted: Shape, have: Shape) -> bool:
    pairs = zip(wanted, have, strict=False)
    return len(wanted) == len(have) and all(one == other or UNKNOWN in (one, other) for one, other in pairs)


def _bare(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _words(shape: Shape | None, dtype: str | None = "") -> str:
    size = "of a shape that is not told" if shape is None else "x".join(map(str, shape)) or "a scalar"
    return f"{dtype} {size}".strip() if dtype else size


def signature_of_file(path: Path) -> Signature:
    """What the graph of an ONNX file takes and gives; nothing is told by a file that is no such graph."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, ValueError, OSError):
        return Signature()
    if not graph.node:
        return Signature()
    return Signature(*(tuple(map(_tensor_of_value, side)) for side in (true_inputs(graph), graph.output)))


def _tensor_of_value(value: "ValueInfoProto") -> ToolTensor:
    import onnx

    of = value.type.tensor_type
    shape = None
    if of.HasField("shape"):
        shape = tuple(one.dim_value if one.HasField("dim_value") else UNKNOWN for one in of.shape.dim)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(of.elem_type).name if of.elem_type else None
    except KeyError:
        dtype = None
    return ToolTensor(value.name, shape, dtype)


def unfed(model: OnnxModel, tool: str) -> Failure | None:
    """Why a tool cannot be given data for the model: its files of samples are of numpy's own types."""
    for tensor in model.inputs:
        if numpy_dtype(tensor.dtype).isbuiltin != 1:
            message = f"input '{tensor.name}' is {tensor.dtype}, which {tool} is not fed with here: "
            message += "put a Cast from float32 before it, and export it again"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)
    return None
