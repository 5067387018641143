"""In what a model was computed, what comes out of it for a data set, and what its layers lose.

In what: the graph that ONNX Runtime makes of it has the weights and the attributes, a profile of its runs the
shapes and types that really occurred; neither has both. Operators that only move or index (`Shape`, masks,
64-bit integers) count as neither.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npubench.backends.onnxruntime.profile import Kernel, profile_runs, read_runs, tensors
from npubench.domain.specs import Shape, TensorSpec
from npubench.graph.macs import macs_of_nodes
from npubench.graph.walk import all_graphs, all_nodes, numpy_dtype, operator_name
from npubench.measure.onnx_session import open_session
from npubench.measure.outputs import similarity

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


OPTIMISED, WEIGHTS, PROFILE = "optimised.onnx", "optimised.bin", "profile"
SMALL_BYTES = 1024
"""Weights above this are written beside the graph, which is then quickly read, and may be of any size."""

INTEGERS = frozenset({"int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2"})
FLOATS = frozenset({"float", "float16", "bfloat16", "double"})
FLOAT_INSIDE = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearSoftmax"})
"""They compute in float, whichever side of them is integer."""

INTEGER_INSIDE = frozenset(
    {
        *("ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"),
        *("QAttention", "DynamicQuantizeLSTM"),
    }
)
"""They multiply integers, and give floats or 32 bits out."""


@dataclass(frozen=True, slots=True)
class _Ran:
    """One run of a node: types and shapes of its inputs, packed weights left out, and of its outputs."""

    node: "NodeProto"
    inputs: tuple[tuple[str, Shape], ...]
    outputs: tuple[tuple[str, Shape], ...]


def profiled(model: Path, feeds: Mapping[str, Any], scratch: Path, options: Any) -> None:
    """Leave the optimised graph and a profile of runs in `scratch`. Raises what ONNX Runtime raises.

    `options` are a session's, with the threads that it was measured with.
    """
    keep_graph(options, scratch / OPTIMISED)
    profile_runs(model, feeds, scratch / PROFILE, options)


def keep_graph(options: Any, path: Path) -> None:
    """Have a session write the graph that it made, its weights beside it."""
    options.optimized_model_filepath = str(path)
    entry = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{entry}file_name", WEIGHTS)
    options.add_session_config_entry(f"{entry}min_size_in_bytes", str(SMALL_BYTES))


def computed(scratch: Path, fed: Mapping[str, Shape]) -> dict[str, Any] | None:
    """The fields of `records.Computed` for what `profiled` left in `scratch`; None where nothing computes.

    `fed` has the shapes of the inputs. Raises ValueError for a profile of other nodes.
    """
    import onnx

    graph = onnx.load(scratch / OPTIMISED, load_external_data=False)
    first_run = read_runs(profile_in(scratch))[0]
    runs = list(_joined(graph, first_run.kernels))
    first = {id(run.node): run for run in runs}.values()
    shares = [is_integer for run in first if (is_integer := _is_integer(run)) is not None]
    if not shares:
        return None
    macs = _macs(graph, runs, fed)
    return {"operators": _shares(sum(shares) / len(shares)), "macs": None if macs is None else _shares(macs)}


def _shares(integer: float) -> dict[str, float]:
    return {"integer": integer, "floating": 1 - integer}


def profile_in(scratch: Path) -> str:
    """The text of the profile that `profiled` left. Raises ValueError where there is not one."""
    (profile,) = scratch.glob(f"{PROFILE}*.json")
    return profile.read_text(encoding="utf-8", errors="replace")


def _joined(graph: "ModelProto", kernels: Iterable[Kernel]) -> Iterator[_Ran]:
    """Each run of a node with that node of the optimised graph.

    Names need not be unique; nodes of one name and operator run in the order in which they stand.
    """
    nodes: defaultdict[tuple[str, str], list[NodeProto]] = defaultdict(list)
    for node in all_nodes(graph.graph):
        nodes[node.name, node.op_type].append(node)
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)
    for kernel in kernels:
        key = _key(kernel, nodes)
        found = nodes[key]
        node = found[seen[key] % len(found)]
        seen[key] += 1
        yield _Ran(node, tensors(kernel, "input"), tensors(kernel, "output"))


def _key(kernel: Kernel, nodes: Mapping[tuple[str, str], Any]) -> tuple[str, str]:
    """A node without a name is profiled under its operator and its number."""
    for key in ((kernel.name, kernel.operator), ("", kernel.operator)):
        if key in nodes:
            return key
    told = f"{kernel.name!r} ({kernel.operator})"
    raise ValueError(f"the profile has a node {told} that the optimised graph has not")


def _is_integer(run: _Ran) -> bool | None:
    """Whether a node computed in integers; None of one that computes no values."""
    operator = run.node.op_type
    if operator in INTEGER_INSIDE:
        return True
    if operator in FLOAT_INSIDE:
        return False
    if not run.outputs or operator in {"If", "Loop", "Scan", "Cast", "Constant"}:
        return None
    dtype = run.outputs[0][0]
    return dtype in INTEGERS if dtype in INTEGERS | FLOATS else None


def _macs(graph: "ModelProto", runs: Iterable[_Ran], fed: Mapping[str, Shape]) -> float | None:
    """Share of the MACs that were computed in integers; None where there are none, or not all are known."""
    weights = {tensor.name: tuple(tensor.dims) for one in all_graphs(graph) for tensor in one.initializer}
    shapes: dict[str, Shape] = {**fed, **weights}
    integer = total = 0
    for run in runs:
        for names in (run.node.input, [name for name in run.node.input if name not in weights]):
            shapes |= _named(names, run.inputs)
        shapes |= _named(run.node.output, run.outputs)
        if run.node.op_type in {"If", "Loop", "Scan"}:
            # What stands in their bodies has its own runs.
            continue
        macs = macs_of_nodes([run.node], shapes)
        if macs is None:
            print(f"MACs of {operator_name(run.node)} are not known")  # noqa: T201 - for the log
            return None
        total += macs
        integer += macs if _is_integer(run) else 0
    return integer / total if total else None


def _named(names: Iterable[str], tensors: Sequence[tuple[str, Shape]]) -> dict[str, Shape]:
    """Shapes by name, where there is one for each that is given."""
    given = [name for name in names if name]
    fitting = zip(given, tensors, strict=True) if len(given) == len(tensors) else ()
    return {name: shape for name, (_, shape) in fitting}


Outputs = Sequence[Sequence[Any]]
COMPARED = 8
"""Samples at most: without optimisation a model may take ten times as long."""


def kernels(fused: Outputs, unoptimised: Outputs, reference: Outputs) -> dict[str, float | None]:
    """The fields of `records.Kernels`: cosines of both against the reference over the same samples."""
    found = (similarity(one, reference) for one in (fused, unoptimised))
    cosines = [one.figures["cosine"] if one.figures else None for one in found]
    return dict(zip(("fused_cosine", "unoptimised_cosine"), cosines, strict=True))


LAYER_SAMPLES = 8


def outputs_of(model: Path, tensor: TensorSpec, samples: Path, target: Path) -> None:
    """Write the first output for all samples, samples x what it is without batch, as .npy."""
    session = open_session(model)
    name = session.get_outputs()[0].name
    found = [session.run([name], {tensor.name: batch})[0] for batch in _batches(tensor, samples)]
    total = len(np.load(samples, mmap_mode="r"))
    # A model of one sample a call may give its scores without an axis for it.
    calls = [
        one[None] if tensor.shape[0] == 1 and one.shape[:1] != (1,) else one for one in map(np.asarray, found)
    ]
    np.save(target, np.concatenate(calls)[:total])


def layer_losses(
    quantised: Path, reference: Path, tensor: TensorSpec, samples: Path, scratch: Path
) -> list[dict[str, Any]]:
    """Name, operator and cosine of every tensor that both graphs have, over the first samples.

    The graphs are given all their tensors as outputs, by ONNX Runtime's own debugging tool.
    """
    from onnxruntime.quantization.qdq_loss_debug import (
        collect_activations,
        create_activation_matching,
        modify_model_output_intermediate_tensors,
    )

    feeds = [{tensor.name: batch} for batch in islice(_batches(tensor, samples), LAYER_SAMPLES)]
    collected = []
    for number, model in enumerate((quantised, reference)):
        opened = scratch / f"all-outputs-{number}.onnx"
        modify_model_output_intermediate_tensors(str(model), str(opened))
        collected.append(collect_activations(str(opened), feeds))
    matched = create_activation_matching(*collected)
    makers = _makers(reference)
    return [
        {"name": makers[name][0] or name, "op": makers[name][1], "cosine": cosine}
        for name, pair in matched.items()
        if name in makers
        and "float" in pair
        and (cosine := _cosine(pair["post_qdq"], pair["float"])) is not None
    ]


def _batches(tensor: TensorSpec, samples: Path) -> Iterator[np.ndarray[Any, Any]]:
    """Samples by the model's batch, the last one filled up with its own last sample."""
    data = np.load(samples, mmap_mode="r", allow_pickle=False)
    size = tensor.shape[0]
    for start in range(0, len(data), size):
        batch = np.asarray(data[start : start + size], dtype=numpy_dtype(tensor.dtype))
        missing = size - len(batch)
        yield np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch


def _makers(model: Path) -> Mapping[str, tuple[str, str]]:
    """Tensor -> name and operator of the node that makes it."""
    import onnx

    graph = onnx.load(model, load_external_data=False).graph
    return {output: (node.name, node.op_type) for node in graph.node for output in node.output}


def _cosine(ours: Any, theirs: Any) -> float | None:
    a, b = (np.concatenate([np.asarray(x, dtype=np.float64).ravel() for x in one]) for one in (ours, theirs))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    if a.shape != b.shape or not norm or not np.isfinite(norm):
        return None
    return min(1.0, float(a @ b) / norm)
