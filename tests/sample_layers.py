"""A row with layers, small enough to be worked out by hand."""

from dataclasses import replace

from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.layers import CPU, NPU, RKNN, Beside, Besides, BytesOf, Join, Layer, LayerTable
from npubench.domain.records import Result, Status
from npubench.domain.specs import BoardSpec, CaseKind, Fact, Precision, TensorSpec

BOARD = BoardSpec(
    "desk", "A board", "X1", "ssh", "rknn", (Precision.INT8,),
    facts=(
        Fact("npu_tops_int8", "2", "a data sheet"),
        Fact("memory_bandwidth_GBps", "10", "a data sheet"),
    ),
)  # fmt: skip
"""Peak 1e12 MACs a second, 10 GB/s: in balance at 100 MACs a byte."""

STEM = Layer(
    "Conv:/net/stem/Conv", "ConvRelu", ("Conv", "Relu"), ("/net/stem/Conv", "/net/stem/Relu"), Join.NAMED,
    NPU, 400.0, graph_macs=20_000_000, bytes=200_000,
    input_shapes=((1, 3, 32, 32), (64, 3, 3, 3)), output_shapes=((1, 64, 16, 16),),
)  # fmt: skip
"""50 GMAC/s, a quarter of what the next reaches."""

BODY = Layer(
    "Conv:/net/body/Conv", "ConvRelu", ("Conv", "Relu"), ("/net/body/Conv",), Join.NAMED,
    NPU, 500.0, graph_macs=100_000_000, bytes=500_000, output_shapes=((1, 64, 16, 16),),
)  # fmt: skip
"""200 GMAC/s, a fifth of the peak; its bytes take 50 us at 10 GB/s."""

HEAD = Layer(
    "Conv:/net/head/Conv", "Conv", ("Conv",), ("/net/head/Conv",), Join.NAMED,
    NPU, 80.0, graph_macs=16_000_000, bytes=100_000,
)  # fmt: skip
SOFTMAX = Layer("Softmax:/net/Softmax", "Softmax", ("Softmax",), ("/net/Softmax",), Join.NAMED, CPU, 20.0)


def table(*layers, total=1000.0, beside=(), kind=Kind.SIMULATED, **changes):
    made = LayerTable(kind, RKNN, total_us=total, beside=beside, bytes_of=BytesOf.TRAFFIC, **changes)
    return made.holding(layers)


def row(layers, **changes):
    """A row of those layers, a `LayerTable` or the layers of one that adds up."""
    if not isinstance(layers, LayerTable):
        total = sum(one.time_us or 0.0 for one in layers)
        layers = table(*layers, total=total)
    base = Result(
        "key", "run", "2026-12-01T00:00:00+00:00", 1.0, "desk", "X1", "rknn", {}, "net", CaseKind.MODEL,
        Precision.INT8, Status.OK,
        inputs=(TensorSpec("input", (1, 3, 32, 32)),),
        figures=Figures(layers.kind, Latency(1, layers.total_us or 1.0), layers=layers),
    )  # fmt: skip
    return replace(base, **changes)


NET = (STEM, BODY, HEAD, SOFTMAX)
"""1000 us in all."""

NOT_COUNTED = Beside(Besides.LAYERS_NOT_COUNTED, 0.0, None, 1)
