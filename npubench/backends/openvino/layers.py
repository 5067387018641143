"""Layers of OpenVINO: what benchmark_app counts for each operation, and the model's nodes that it stands for.

An operation that is fused into the one before it is listed as not run. Names are those of the model's nodes,
with words of OpenVINO's behind them: `conv1/WithoutBiases`.
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from npubench.domain import layers as domain
from npubench.domain.kinds import Kind
from npubench.domain.layers import Beside, Besides, Join, Layer, LayerTable
from npubench.graph.layer_nodes import Joined, Node, NodeGraph, shared_macs

REPORT = "benchmark_average_counters_report.csv"
RUNS, SECONDS = 16, 1
"""Runs that are counted at least, and how long they take at least."""

STATISTIC = "mean of {runs} runs with counters, the first one among them, apart from the measured ones"
ADDED = frozenset({"Reorder", "Convert", "FakeQuantize"})
"""What it puts in to bring data into order or into another type; the model may have such of its own."""

_HEADING = "layerName;execStatus;"
_LONGEST_MS = 1e12
_TIME = r" +(\d{1,12}(?:\.\d{1,6})?) (us|ms|s)$"
_AVERAGE = re.compile(rf"^\[ INFO \] +Average:{_TIME}", re.M)
_FIRST = re.compile(rf"^\[ INFO \] First inference took{_TIME}", re.M)
_COUNT = re.compile(r"^\[ INFO \] Count: +(\d{1,9}) iterations$", re.M)
_US = {"us": 1.0, "ms": 1e3, "s": 1e6}
_CONVERTS = re.compile(r"Convert_\d+$|.*/fq_output_\d+$")
"""Names of what brings an input into the type that is computed in."""


@dataclass(frozen=True, slots=True)
class Counter:
    """An operation of the compiled model."""

    name: str  # by OpenVINO
    runs: bool  # and is no part of another one
    type: str  # by OpenVINO: Convolution
    kernel: str  # that ran it: brgconv_avx512_bf16
    time_us: float  # of one run


def parse_counters(text: str) -> tuple[Counter, ...]:
    """The operations of the report; none of a text of another form, or of one that is cut off."""
    lines = [line.strip().removesuffix(";") for line in text.splitlines()]
    if not lines or not lines[0].startswith(_HEADING) or not any(one.startswith("Total;") for one in lines):
        return ()
    rows = [one.rsplit(";", 5) for one in lines[1:] if not one.startswith("Total;")]
    return tuple(
        Counter(name, status.rpartition(".")[-1] == "EXECUTED", kind, kernel, time_us)
        for name, status, kind, kernel, told, _ in (row for row in rows if len(row) == 6)
        if (time_us := _us(told)) is not None
    )


def _us(told: str) -> float | None:
    try:
        found = float(told)
    except ValueError:
        return None
    return found * 1000 if 0 <= found < _LONGEST_MS else None


@dataclass(frozen=True, slots=True)
class Run:
    """The runs that counters are the means of."""

    runs: int  # the first one, which is slower, among them
    mean_us: float  # of all of them


def run_of(output: str) -> Run | None:
    """What the app prints of its runs: it leaves the first out of its own mean, and counts its layers."""
    average, first, count = (one.search(output) for one in (_AVERAGE, _FIRST, _COUNT))
    if not average or not first or not count:
        return None
    runs = int(count[1])
    mean_us = float(average[1]) * _US[average[2]]
    return Run(runs + 1, (runs * mean_us + float(first[1]) * _US[first[2]]) / (runs + 1))


def table_of(
    counters: Sequence[Counter], run: Run, device: str, graph: NodeGraph | None
) -> LayerTable | None:
    """Layers of the operations that ran; None without any."""
    ran = [one for one in counters if one.runs]
    if not ran:
        return None
    held = _joined(counters, graph) if graph else [Joined()] * len(ran)
    macs = shared_macs([one.nodes for one in held], [None] * len(ran))
    layers = [_layer(one, device, joined, count) for one, joined, count in zip(ran, held, macs, strict=True)]
    outside = run.mean_us - math.fsum(one.time_us for one in ran)
    what = Besides.OVERLAP if outside < 0 else Besides.OUTSIDE_OF_LAYERS
    head = LayerTable(
        *(Kind.MEASURED, domain.OPENVINO),
        total_us=run.mean_us,
        beside=(Beside(what, outside),),
        statistic=STATISTIC.format(runs=run.runs),
    )
    return head.holding(layers)


def _layer(counter: Counter, device: str, joined: Joined, macs: int | None) -> Layer:
    return Layer(
        counter.name,
        counter.type,
        tuple(dict.fromkeys(node.operator for node in joined.nodes)),
        tuple(node.name for node in joined.nodes),
        joined.join,
        device,
        time_us=counter.time_us,
        graph_macs=macs,
        dtype=counter.kernel.rpartition("_")[-1],
    )


def _joined(counters: Sequence[Counter], graph: NodeGraph) -> list[Joined]:
    """Of each that ran. What did not is in the last one whose turn it was to make what it reads."""
    made, found = set[str](), list[Joined]()
    ran = [None if _added(one, graph) else _node(one.name, graph) for one in counters if one.runs]
    apart = {node.name for node in ran if node}
    for node, counter in zip(ran, (one for one in counters if one.runs), strict=True):
        nodes = [node] if node else []
        made |= {one.name for one in nodes}
        while nodes and (following := _fused_behind(nodes[-1], graph, apart, made)):
            nodes.append(following)
            made.add(following.name)
        if nodes:
            found.append(Joined(tuple(nodes), Join.NAMED if len(nodes) == 1 else Join.FOLLOWS))
        else:
            found.append(Joined(join=Join.ADDED if _added(counter, graph) else Join.UNKNOWN))
    return found


def _added(counter: Counter, graph: NodeGraph) -> bool:
    node = _node(counter.name, graph)
    own = node is not None and node.operator == counter.type
    return not own and (counter.type in ADDED or bool(_CONVERTS.match(counter.name)))


def _node(name: str, graph: NodeGraph) -> Node | None:
    told = graph.named(name)
    return told.node or graph.makers.get(told.tensor)


def _fused_behind(node: Node, graph: NodeGraph, apart: Collection[str], made: Collection[str]) -> Node | None:
    """What alone reads what the node writes, did not run by itself, and has all else that it reads."""
    readers = [one for tensor in node.outputs for one in graph.readers.get(tensor, ())]
    if len(readers) != 1 or readers[0].name in apart:
        return None
    makers = [graph.makers[tensor] for tensor in readers[0].inputs if tensor in graph.makers]
    there = all(one.name in made or one.operator == "Constant" for one in makers)
    return readers[0] if there else None
