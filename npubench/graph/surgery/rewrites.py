"""Rewritings of a node by others that compute the same, and their table: what each replaces and gets round.

`docs/surgery.md` shows the table; tests/unit/test_surgery_rewrites.py compares outputs before and after each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npubench.graph.surgery.graph_view import GraphView, attributes, rewrite
from npubench.graph.walk import STANDARD_DOMAINS, subgraphs

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto, NodeProto

    from npubench.graph.surgery.graph_view import Rewriting


LARGEST_CONSTANT = 16 * 2**20
"""Elements: what is evaluated becomes part of the file, and stays well below what a file may hold."""

DIFFERS_EACH_TIME = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


def decompose_hardswish(node: "NodeProto", view: GraphView) -> "Sequence[NodeProto] | None":
    """HardSwish as x * Clip(x + 3, 0, 6) / 6 (ONNX Operators.md: x * max(0, min(1, x / 6 + 0.5)))."""
    import numpy as np
    from onnx import helper

    if node.op_type != "HardSwish" or node.domain not in STANDARD_DOMAINS:
        return None
    x, out = node.input[0], node.output[0]
    if not view.is_float32(x):
        return None
    three, zero, six, sixth = (
        view.add(np.array(value, np.float32), f"{out}_{name}")
        for name, value in (("three", 3), ("zero", 0), ("six", 6), ("sixth", 1 / 6))
    )
    moved, clipped, scaled = (view.fresh(f"{out}_{part}") for part in ("moved", "clipped", "scaled"))
    return [
        helper.make_node("Add", [x, three], [moved], name=moved),
        helper.make_node("Clip", [moved, zero, six], [clipped], name=clipped),
        helper.make_node("Mul", [clipped, sixth], [scaled], name=scaled),
        helper.make_node("Mul", [x, scaled], [out], name=node.name),
    ]


def flatten_for_reshape(node: "NodeProto", view: GraphView) -> "Sequence[NodeProto] | None":
    """A Reshape to two dimensions that keeps some leading ones together, as Flatten."""
    from onnx import helper

    if node.op_type != "Reshape":
        return None
    before, after = view.shapes.get(node.input[0]), view.shapes.get(node.output[0])
    if not before or after is None or len(after) != 2 or 0 in before:
        return None
    axis = next((i for i in range(len(before) + 1) if math.prod(before[:i]) == after[0]), None)
    if axis is None:
        return None
    # With a batch of one both 0 and 1 give the shape; 1 is what exporters write and compilers look for.
    axis = 1 if before[0] == after[0] else axis
    return [helper.make_node("Flatten", [node.input[0]], list(node.output), name=node.name, axis=axis)]


def evaluate_constant(node: "NodeProto", view: GraphView) -> "Sequence[NodeProto] | None":
    """A node that does not depend on the model's inputs, or the Shape of a fixed one, as its value."""
    values = _shape(node, view) if node.op_type == "Shape" else _evaluated(node, view)
    if values is None or any(value.size > LARGEST_CONSTANT for value in values):
        return None
    if any(name in view.outputs for name in node.output):
        return None
    for name, value in zip(node.output, values, strict=True):
        view.settle(name, value)
    return []


def _shape(node: "NodeProto", view: GraphView) -> "list[np.ndarray[Any, Any]] | None":
    import numpy as np

    shape, given = view.shapes.get(node.input[0]), attributes(node)
    if shape is None:
        return None
    return [np.array(shape[given.get("start", 0) : given.get("end", None)], np.int64)]


def _evaluated(node: "NodeProto", view: GraphView) -> "list[np.ndarray[Any, Any]] | None":
    import numpy as np

    inputs = {name: view.constant(name) for name in node.input if name}
    if node.op_type == "Constant" or node.op_type in DIFFERS_EACH_TIME or any(subgraphs(node)):
        return None
    if node.domain not in STANDARD_DOMAINS or any(value is None for value in inputs.values()):
        return None
    if not all(node.output) or not node.input:
        return None
    sizes = [view.shapes[name] for name in node.output if name in view.shapes]
    if any(math.prod(shape) > LARGEST_CONSTANT for shape in sizes):
        return None
    values = _run(node, inputs, view.opset)
    return [np.asarray(value) for value in values] if values is not None else None


def _run(node: "NodeProto", inputs: dict[str, Any], opset: int) -> list[Any] | None:
    """Outputs by ONNX's reference evaluator; None where it has no implementation."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    feeds = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in inputs.items()
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
    graph = helper.make_graph([node], "constant", feeds, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        return list(ReferenceEvaluator(model).run(None, inputs))
    except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        return None


def fold_normalisation(node: "NodeProto", view: GraphView) -> "Sequence[NodeProto] | None":
    """Conv and BatchNormalization as one Conv, where nothing else reads what the Conv writes.

    y = scale (w * x + b - mean) / sqrt(variance + epsilon) + shift, so w' = w k and b' = (b - mean) k + shift
    with k = scale / sqrt(variance + epsilon) (ONNX Operators.md, BatchNormalization, inference).
    """
    import numpy as np
    from onnx import helper

    if node.op_type != "BatchNormalization" or len([name for name in node.output if name]) != 1:
        return None
    conv = view.maker(node.input[0])
    given = attributes(node)
    if conv is None or conv.op_type != "Conv" or not view.is_read_once(node.input[0]):
        return None
    if given.get("training_mode", 0) or given.get("spatial", 1) != 1:
        return None
    numbers = [view.constant(name) for name in node.input[1:5]]
    weight, bias = _weights(conv, view)
    if weight is None or bias is None or any(one is None for one in numbers):
        return None
    scale, shift, mean, variance = (np.asarray(one, np.float64) for one in numbers)
    factor = scale / np.sqrt(variance + given.get("epsilon", 1e-5))
    folded = (weight * factor.reshape(-1, *[1] * (weight.ndim - 1))).astype(weight.dtype)
    moved = ((bias - mean) * factor + shift).astype(weight.dtype)
    names = [view.add(folded, f"{node.output[0]}_weight"), view.add(moved, f"{node.output[0]}_bias")]
    made = helper.make_node("Conv", [conv.input[0], *names], list(node.output), name=conv.name)
    made.attribute.extend(conv.attribute)
    return [made]


def gemm_for_pointwise(node: "NodeProto", view: GraphView) -> "Sequence[NodeProto] | None":
    """A 1x1 Conv over N x C x 1 x 1 as Flatten, Gemm and Reshape: whatever its stride, one place is read."""
    import numpy as np
    from onnx import helper

    if node.op_type != "Conv":
        return None
    given, shape = attributes(node), view.shapes.get(node.input[0], ())
    weight, bias = _weights(node, view)
    if len(shape) != 4 or shape[2:] != (1, 1) or weight is None or bias is None:
        return None
    padded = any(given.get("pads", ())) or given.get("auto_pad", b"NOTSET") not in {b"NOTSET", b"VALID"}
    if weight.shape[2:] != (1, 1) or given.get("group", 1) != 1 or padded:
        return None
    flat, product = (view.fresh(f"{node.output[0]}_{part}") for part in ("flat", "product"))
    matrix = view.add(weight.reshape(weight.shape[:2]), f"{node.output[0]}_matrix")
    added = view.add(bias, f"{node.output[0]}_bias")
    target = view.add(np.array([shape[0], weight.shape[0], 1, 1], np.int64), f"{node.output[0]}_shape")
    return [
        helper.make_node("Flatten", [node.input[0]], [flat], name=flat, axis=1),
        helper.make_node("Gemm", [flat, matrix, added], [product], name=product, transB=1),
        helper.make_node("Reshape", [product, target], list(node.output), name=node.name),
    ]


def _weights(conv: "NodeProto", view: GraphView) -> "tuple[np.ndarray[Any, Any] | None, ...]":
    """Weight and bias of a Conv, zeros where it has no bias; None for what is no constant."""
    import numpy as np

    weight = view.constant(conv.input[1])
    if weight is None or weight.dtype not in (np.float32, np.float64):
        return None, None
    if len(conv.input) > 2 and conv.input[2]:
        return weight, view.constant(conv.input[2])
    return weight, np.zeros(weight.shape[0], weight.dtype)


NEVER_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softplus", "Softmax", "Abs", "Exp"})


def pad_before_pooling(node: "NodeProto", view: GraphView) -> "Sequence[NodeProto] | None":
    """A padded two-dimensional MaxPool in two nodes.

    What is padded must never be a window's greatest element, and should not widen the range that a
    quantiser sees: zeros where the data are not negative; else elements mirrored at the edge, which every
    window that holds them holds already as long as twice the padding is less than the kernel; else the
    least number that there is.
    """
    import numpy as np
    from onnx import helper

    pads = _pads(node)
    if pads is None or view.opset < 11 or not view.is_float32(node.input[0]):
        return None
    top, left, bottom, right = pads
    padded = view.fresh(f"{node.output[0]}_padded")
    amounts = view.add(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), f"{padded}_amounts")
    before = view.maker(node.input[0])
    zeros = before is not None and before.op_type in NEVER_NEGATIVE
    if not zeros and _can_mirror(node, pads, view):
        pad = helper.make_node("Pad", [node.input[0], amounts], [padded], name=padded, mode="reflect")
    else:
        value = view.add(np.array(0 if zeros else -np.inf, np.float32), f"{padded}_value")
        pad = helper.make_node("Pad", [node.input[0], amounts, value], [padded], name=padded)
    pool = helper.make_node("MaxPool", [padded], list(node.output), name=node.name)
    pool.attribute.extend(one for one in node.attribute if one.name not in {"pads", "auto_pad"})
    return [pad, pool]


def _pads(node: "NodeProto") -> list[int] | None:
    """Top, left, bottom, right of a MaxPool that can be rewritten; None for any other node."""
    if node.op_type != "MaxPool" or len([name for name in node.output if name]) != 1:
        return None
    given: dict[str, Any] = attributes(node)
    pads, kernel = list(given.get("pads", ())), list(given["kernel_shape"])
    # With ceil_mode a window may hang over an edge that there is no padding on.
    spread = given.get("ceil_mode", 0) or any(step != 1 for step in given.get("dilations", ()))
    if len(pads) != 4 or not any(pads) or spread:
        return None
    return pads if all(pad < kernel[i % 2] for i, pad in enumerate(pads)) else None


def _can_mirror(node: "NodeProto", pads: Sequence[int], view: GraphView) -> bool:
    kernel, shape = attributes(node)["kernel_shape"], view.shapes.get(node.input[0], ())
    if len(shape) != 4:
        return False
    return all(2 * pad < kernel[i % 2] and pad < shape[2 + i % 2] for i, pad in enumerate(pads))


PULSAR_LIST = "Pulsar's list of ONNX operators for AX620A (toolchain of August 2023)"


@dataclass(frozen=True, slots=True)
class Restriction:
    """A limit of a toolchain that a rewrite gets round, and where it is told."""

    backend: str
    limit: str
    source: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One entry: it takes `replaces` away (empty: any operator) and makes nodes of the types in `makes`."""

    name: str
    replaces: str
    makes: tuple[str, ...]
    restrictions: tuple[Restriction, ...]
    rewriting: "Rewriting"

    def apply(self, model: "ModelProto") -> "tuple[ModelProto, int]":
        """The model rewritten, and how many nodes were replaced; the model itself where none was."""
        return rewrite(model, self.rewriting)


def _of_pulsar(limit: str, source: str = PULSAR_LIST) -> tuple[Restriction, ...]:
    return (Restriction("pulsar", limit, source),)


REWRITES = (
    Rewrite(
        "constants evaluated",
        "",
        (),
        _of_pulsar(
            "Range, Not and other operators of shape arithmetic are missing",
            f"{PULSAR_LIST}, and the operators that its models failed with",
        ),
        evaluate_constant,
    ),
    Rewrite(
        "BatchNormalization folded into Conv",
        "BatchNormalization",
        ("Conv",),
        _of_pulsar("BatchNormalization must follow a Conv"),
        fold_normalisation,
    ),
    Rewrite(
        "HardSwish decomposed",
        "HardSwish",
        ("Add", "Clip", "Mul"),
        _of_pulsar("HardSwish is not in the list; Add, Clip and Mul are"),
        decompose_hardswish,
    ),
    Rewrite(
        "Flatten for Reshape",
        "Reshape",
        ("Flatten",),
        _of_pulsar("Reshape takes 3-D and 4-D inputs only; Flatten goes before a linear layer"),
        flatten_for_reshape,
    ),
    Rewrite(
        "padded MaxPool as Pad and MaxPool",
        "MaxPool",
        ("Pad", "MaxPool"),
        (
            Restriction(
                "ethos-u",
                "onnx2tf pads a MaxPool with minus infinity (PADV2), which the quantizer cannot represent",
                "onnx2tf 2.6.9 with ai-edge-quantizer 0.10.0, tests/integration/test_toolchains.py",
            ),
        ),
        pad_before_pooling,
    ),
    Rewrite(
        "Gemm for 1x1 Conv",
        "Conv",
        ("Flatten", "Gemm", "Reshape"),
        _of_pulsar(
            "of a Conv kernel width x height x input channels is at most 65535, and the output's width a"
            " multiple of the stride"
        ),
        gemm_for_pointwise,
    ),
)
