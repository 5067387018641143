"""Layers of Pulsar 2's timelines as a table of `domain.layers`, joined to nodes by their labels."""

from collections.abc import Mapping

from npubench.backends.axera.pulsar2_analyses import CYCLES_PER_US, Trace, TraceLayer
from npubench.domain.kinds import Kind
from npubench.domain.layers import DMA, NPU, PULSAR2, Beside, Besides, Join, Layer, LayerTable
from npubench.graph.layer_nodes import Joined, NodeGraph, shared_macs

MOVES = "sdma"
"""What the units are called that move data."""


def table_of(
    traces: Mapping[str, Trace], in_cycles: bool, clock_mhz: float | None, graph: NodeGraph | None
) -> LayerTable | None:
    """The layers of all subgraphs on the NPU, one after another; None without any.

    A timeline `in_cycles` has times over a declared clock alone. Layers run at once on several units: what
    they have twice, less what no unit works, is named as overlap, or what is left of it as waiting.
    """
    layers = [layer for trace in traces.values() for layer in trace.layers]
    if not layers:
        return None
    held = [_joined(layer, graph) for layer in layers]
    macs = shared_macs([one.nodes for one in held], [None] * len(held))
    span_us = sum(trace.span_us for trace in traces.values())
    clock_mhz = clock_mhz if in_cycles else None
    total_us, total_cycles = _amounts(span_us, in_cycles, clock_mhz)
    between_us, between_cycles = _amounts(
        span_us - sum(layer.time_us for layer in layers), in_cycles, clock_mhz
    )
    what = Besides.OVERLAP if (between_us or between_cycles or 0) < 0 else Besides.WAITING
    head = LayerTable(
        *(Kind.SIMULATED, PULSAR2),
        total_us=total_us,
        total_cycles=total_cycles,
        beside=(Beside(what, between_us, between_cycles),),
        clock_mhz=clock_mhz,
        statistic="the compiler's timeline",
    )
    return head.holding(
        [
            _layer(layer, joined, count, *_amounts(layer.time_us, in_cycles, clock_mhz))
            for layer, joined, count in zip(layers, held, macs, strict=True)
        ]
    )


def _amounts(told_us: float, in_cycles: bool, clock_mhz: float | None) -> tuple[float | None, int | None]:
    """Microseconds and cycles of what the file has as microseconds."""
    if not in_cycles:
        return told_us, None
    cycles = round(told_us * CYCLES_PER_US)
    return cycles / clock_mhz if clock_mhz else None, cycles


def _layer(
    layer: TraceLayer, joined: Joined, macs: int | None, time_us: float | None, cycles: int | None
) -> Layer:
    moves = bool(layer.busy_us) and all(unit.startswith(MOVES) for unit in layer.busy_us)
    return Layer(
        layer.layer,
        operators=tuple(dict.fromkeys(node.operator for node in joined.nodes)),
        nodes=tuple(node.name for node in joined.nodes),
        join=joined.join,
        unit=DMA if moves else NPU,
        time_us=time_us,
        cycles=cycles,
        graph_macs=macs,
    )


def _joined(layer: TraceLayer, graph: NodeGraph | None) -> Joined:
    told = graph.named(layer.layer) if graph else None
    node = told and graph and (told.node or graph.makers.get(told.tensor))
    # What else a label holds, the timeline does not tell.
    return Joined((node,), Join.PARTLY if told and told.rest else Join.NAMED) if node else Joined()
