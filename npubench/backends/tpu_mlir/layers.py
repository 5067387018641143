"""TPU-MLIR's operations as a table of `domain.layers`, joined to the model's nodes by what they write.

The compiler calls what an operation writes after the model's tensor and the operator that made it
(`y_Relu` of a Conv and the Relu behind it that writes y), and puts Load, Store and Cast in by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npubench.backends.tpu_mlir.log import Profile
from npubench.backends.tpu_mlir.timeline import Command, Timeline, busy, by_line
from npubench.domain import layers as domain
from npubench.domain.kinds import Kind
from npubench.domain.layers import CPU, DMA, NPU, Beside, Besides, BytesOf, Join, Layer, LayerTable
from npubench.domain.specs import Shape
from npubench.graph.layer_nodes import Joined, NodeGraph, shared_macs
from npubench.storage.json import convert

ADDED = frozenset({"Load", "Store", "Cast", "Requant", "Dequant"})
"""What it puts in to move data, or to bring them into another type; the model may have Cast of its own."""

ORDERING = frozenset({"Reshape", "Permute", "Concat", "Slice", "Pad", "Squeeze", "Unsqueeze"})
"""What it may put in to bring data into order."""

ROUNDED_US = 0.003
"""The tool cuts times off at the nanosecond, of each part of a model."""

HOST = "CPU"
"""The mode of functions that run on the host."""

LOADED = "load_"
"""What it writes before the name of what it brings into the memory of the NPU."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What an operation reads or writes."""

    name: str  # by the tool
    shape: Shape  # whole
    dtype: str  # by the tool: ui8


@dataclass(frozen=True, slots=True)
class Operation:
    """A line of the compiler's last listing."""

    line: int  # by which commands are its
    type: str  # with the dialect: tpu.Conv2D
    operands: tuple[Tensor, ...] = ()  # weights among them
    results: tuple[Tensor, ...] = ()

    @property
    def plain(self) -> str:
        """The type without the dialect."""
        return self.type.rpartition(".")[-1]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An operation that is no part of the timeline."""

    type: str  # by the tool; of one on the host, its name there
    mode: str = HOST  # of the function that it is in
    name: str = ""  # of what it writes, by the tool

    @property
    def unit(self) -> str:
        """What runs it."""
        return CPU if self.mode == HOST else NPU


def elsewhere_of(answer: Mapping[str, Any]) -> tuple[Elsewhere, ...]:
    """Those that the worker found; of earlier answers those on the host, which they name alone."""
    try:
        found = convert(answer.get("elsewhere", []), tuple[Elsewhere, ...])
    except ValueError:
        found = ()
    return found or tuple(Elsewhere(str(name)) for name in answer.get("cpu_layers", ()))


def operations_of(answer: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Those that the worker found; none of earlier answers, and none of other forms."""
    try:
        return convert(answer.get("operations", []), tuple[Operation, ...])
    except ValueError:
        return ()


def table_of(
    timeline: Timeline, profile: Profile, answer: Mapping[str, Any], graph: NodeGraph | None
) -> LayerTable | None:
    """Layers of the compiler's timeline; what it leaves to the CPU has no time. None where it tells none.

    A layer takes the cycles in which one of its commands runs. Engines run at once, so that layers overlap.
    """
    lines = by_line(timeline.commands)
    if not lines:
        return None
    operations = {one.line: one for one in operations_of(answer)}
    joined = _joined(operations.values(), graph) if graph else {}
    # What needs no command, such as a Reshape, takes no time; told where it stands for a node.
    lines |= {line: [] for line, one in joined.items() if one.nodes and line not in lines}
    held = [joined.get(line, Joined()) for line in lines]
    macs = shared_macs([one.nodes for one in held], [None] * len(held))
    clock_mhz = _clock(profile)
    layers = [
        _layer(commands, operations.get(line), one, count, clock_mhz)
        for (line, commands), one, count in zip(lines.items(), held, macs, strict=True)
    ]
    layers += [_uncounted(one, graph) for one in elsewhere_of(answer)]
    busy_cycles = busy(timeline.commands)
    overlap = busy_cycles - sum(layer.cycles or 0 for layer in layers)
    head = LayerTable(
        *(Kind.SIMULATED, domain.TPU_MLIR),
        total_us=profile.latency_us,
        total_cycles=profile.cycles,
        beside=tuple(
            Beside(what, cycles / clock_mhz if clock_mhz else None, cycles)
            for what, cycles in ((Besides.OVERLAP, overlap), (Besides.WAITING, profile.cycles - busy_cycles))
            if cycles
        ),
        clock_mhz=clock_mhz,
        bytes_of=BytesOf.TRAFFIC,
        complete=timeline.complete,
    )
    return head.holding(layers)


def _clock(profile: Profile) -> float | None:
    """MHz: a whole number where that makes the same time."""
    if not profile.latency_us:
        return None
    clock_mhz = profile.cycles / profile.latency_us
    whole = round(clock_mhz)
    same = whole and abs(profile.cycles / whole - profile.latency_us) <= ROUNDED_US
    return float(whole) if same else clock_mhz


def _layer(
    commands: Sequence[Command],
    operation: Operation | None,
    joined: Joined,
    macs: int | None,
    clock_mhz: float | None,
) -> Layer:
    computing, moving = ([one for one in commands if one.moves is moves] for moves in (False, True))
    cycles, results = busy(commands), operation.results if operation else ()
    kind = operation.plain if operation else commands[0].type
    return Layer(
        results[0].name if results else f"{kind}_{commands[0].line}",
        kind,
        tuple(dict.fromkeys(node.operator for node in joined.nodes)),
        tuple(node.name for node in joined.nodes),
        joined.join,
        DMA if moving and not computing else NPU,
        time_us=cycles / clock_mhz if clock_mhz else None,
        cycles=cycles,
        compute_cycles=busy(computing),
        memory_cycles=busy(moving),
        graph_macs=macs,
        bytes=sum(one.bytes for one in moving),
        input_shapes=tuple(one.shape for one in operation.operands) if operation else (),
        output_shapes=tuple(one.shape for one in results),
        dtype=results[0].dtype if results else "",
    )


def _uncounted(one: Elsewhere, graph: NodeGraph | None) -> Layer:
    node = graph.makers.get(_tensor(one.name, graph)) if graph and one.name else None
    same = node is not None and node.operator.lower() == one.type.lower()
    return Layer(
        *(one.name, one.type, (node.operator,) if node and same else (one.type,)),
        nodes=(node.name,) if node and same else (),
        join=Join.NAMED if same else Join.UNKNOWN,
        unit=one.unit,
        graph_macs=node.macs if node and same else None,
    )


def _joined(operations: Iterable[Operation], graph: NodeGraph) -> dict[int, Joined]:
    """The model's nodes of each operation, in the order of the listing."""
    stands_for: dict[str, str] = {}
    return {one.line: _join(one, graph, stands_for) for one in sorted(operations, key=lambda one: one.line)}


def _join(operation: Operation, graph: NodeGraph, stands_for: dict[str, str]) -> Joined:
    """`stands_for` has the model's tensor for each of the tool's; what this one writes is added to it."""
    reads = [stands_for.get(one.name) or _tensor(one.name, graph) for one in operation.operands]
    writes = {one.name: _tensor(one.name, graph) for one in operation.results}
    first = next(iter(writes.values()), "")
    last = graph.makers.get(first)
    own = last is not None and last.operator == operation.plain
    # What writes a tensor that it reads only brings it elsewhere, or into another type.
    if not own and (operation.plain in ADDED or (first and first in reads[:1])):
        stands_for |= {name: reads[0] for name in writes if reads}
        return Joined(join=Join.ADDED)
    # Weights are called after what the operation writes, which is nothing that it reads.
    nodes = graph.between(last, {*filter(None, reads)} - set(last.outputs)) if last else ()
    if last is None or not nodes:
        ordering = operation.plain in ORDERING
        return Joined((last,), Join.PARTLY) if last and not ordering else Joined(join=_why(ordering))
    stands_for |= {name: told if told in last.outputs else last.outputs[0] for name, told in writes.items()}
    return Joined(nodes, Join.NAMED if len(nodes) == 1 else Join.FOLLOWS)


def _why(ordering: bool) -> Join:
    return Join.ADDED if ordering else Join.UNKNOWN


def _tensor(name: str, graph: NodeGraph) -> str:
    """The model's tensor that a name begins with; the whole of it is a tensor's before it is a node's."""
    name = name.removeprefix(LOADED)
    if name in graph.makers:
        return name
    told = graph.named(name)
    if told.node is not None:
        return next(iter(told.node.outputs), "")
    return told.tensor
