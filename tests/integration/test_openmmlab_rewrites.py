"""Rewritten layers give what the layers before them gave; run in the environment that has PyTorch."""

import json
import subprocess
from pathlib import Path

import pytest

from npubench import environments
from npubench.exporters.openmmlab import exporter

pytestmark = pytest.mark.openmmlab

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch, worker_rewrites as rewrites
import torch.nn.functional as functional
plain = functional.adaptive_avg_pool2d
found = {}
for size, shape in [
    ((1, 1), (2, 3, 7, 9)), ((2, 3), (2, 3, 4, 6)), ((2, 3), (1, 3, 7, 9)), (6, (1, 4, 64, 64)), ((3, 3), (1, 2, 2, 2)),
    ((None, 5), (1, 2, 6, 11)), ((7, 9), (2, 3, 7, 9)),
]:
    x = torch.randn(shape)
    found[str((size, shape))] = float((rewrites.adaptive_average_pool(x, size) - plain(x, size)).abs().max())
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Sequential(torch.nn.SyncBatchNorm(4)))
model[1][0].running_mean.uniform_(-1, 1); model[1][0].running_var.uniform_(0.5, 2)
model.eval()
x = torch.randn(2, 3, 5, 5)
before = model(x)
after = rewrites.without_sync(model)
found["sync"] = float((after(x) - before).detach().abs().max())
found["left"] = sum(type(part).__name__ == "SyncBatchNorm" for part in after.modules())
import worker_stack
worker_stack.prepare("mmpretrain")
from mmpretrain.models.backbones.repvgg import RepVGGBlock
block = RepVGGBlock(8, 8, se_cfg=dict(ratio=2, divisor=1)).eval()
x = torch.randn(1, 8, 6, 6)
before = block(x)
block.switch_to_deploy()
rewrites.keep_excitation(torch.nn.Sequential(block))
found["excitation"] = float((block(x) - before).detach().abs().max())
with rewrites.fixed_shapes():
    inside = functional.adaptive_avg_pool2d is plain
found["replaced"] = not inside and functional.adaptive_avg_pool2d is plain
class Windows(torch.nn.Module):
    def forward(self, x):
        batch, channels, height, width = x.shape
        return x.view(batch, channels, height // 2, 2, x.size(-1)).flatten(2).reshape(x.size()[0], -1)
windows, x = Windows(), torch.randn(1, 2, 4, 6)
before = windows(x)
plain_graph = str(torch.jit.trace(windows, x).graph)
with rewrites.fixed_shapes():
    graph = str(torch.jit.trace(windows, x).graph)
    found["sizes"] = float((windows(x) - before).abs().max())
found["computed"] = ["aten::size" in one for one in (plain_graph, graph, str(torch.jit.trace(windows, x).graph))]
import worker_fourier
from mmpretrain.models.backbones.hornet import GlobalLocalFilter
for height, width, own in [(14, 14, (14, 8)), (7, 7, (7, 4)), (6, 9, (6, 5)), (5, 8, (7, 4))]:
    layer = GlobalLocalFilter(8, *own).eval()
    torch.nn.init.normal_(layer.complex_weight)
    x = torch.randn(2, 8, height, width)
    before = layer(x)
    worker_fourier.without_fourier(torch.nn.Sequential(layer))
    found[f"filter {height}x{width}"] = float((layer(x) - before).detach().abs().max() / before.detach().abs().max())
    found["fourier"] = "fft" in str(torch.jit.trace(layer, x).graph)
from mmpretrain.models.utils.attention import ShiftWindowMSA
class Sized(torch.nn.Module):
    def __init__(self, layer, size):
        super().__init__()
        self.layer, self.size = layer, (size, size)
    def forward(self, x):
        return self.layer(x, self.size)
masked = []
for size, window, shift in [(8, 4, 2), (7, 14, 7)]:
    layer = Sized(ShiftWindowMSA(8, 2, window, shift, pad_small_map=True).eval(), size)
    tokens = torch.randn(1, size * size, 8)
    before = layer(tokens)
    graphs = [str(torch.jit.trace(layer, tokens).inlined_graph)]
    with rewrites.fixed_shapes():
        traced = torch.jit.trace(layer, tokens)
    graphs.append(str(traced.inlined_graph))
    found[f"windows of {window} in {size}"] = float((traced(tokens) - before).detach().abs().max())
    masked.append(["masked_fill" in graph for graph in graphs])
found["masked"] = masked
print(json.dumps(found))
"""

MISMATCH = """
import sys
sys.path.insert(0, sys.argv[1])
import pathlib, tempfile
import onnx, torch, worker, worker_write
model = worker.exported(torch.nn.Linear(64, 64), lambda inner, x: inner(x))
sample = torch.randn(1, 64)
want = [tensor.detach() for tensor in model(sample)]
folder = pathlib.Path(tempfile.mkdtemp())
raw = worker_write.export(model, sample, "input", ["output"], 13, folder / "raw")
def wrong(raw, path):
    changed = onnx.load_model_from_string(raw)
    for initializer in changed.graph.initializer:
        initializer.raw_data = bytes(len(initializer.raw_data))
    onnx.save(changed, path)
worker_write.simplify = wrong
job = {"input": "input", "data": "linear.onnx.data"}
print(worker.simplified(raw, folder / "model.onnx", job, sample, want, model))
worker_write.PROTOBUF_LIMIT_BYTES = 0
worker.simplified(raw, folder / "large.onnx", job, sample, want, model)
print(sorted(file.name for file in folder.iterdir()))
"""

JUDGED = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy, torch, worker_check
class Nearest(torch.nn.Module):
    def forward(self, x):
        return (torch.nn.functional.one_hot(x.argmax(1), 3).to(x.dtype),)
other = [numpy.array([[0, 1, 0]], "float32")]
for sample in torch.tensor([[[1, 1 - 3e-7, 0]], [[1, 0.9, 0]]]):
    model = Nearest()
    try:
        worker_check.check(other, list(model(sample)), model, sample)
    except worker_check.Refused as error:
        print(type(error).__name__, error.failure_class)
"""


def test_no_rewrite_changes_an_output():
    ready = environments.install("openmmlab", print)
    folder = str(Path(exporter.__file__).parent)
    done = subprocess.run([ready.python, "-c", SCRIPT, folder], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("replaced") is True
    assert found.pop("left") == 0
    assert found.pop("computed") == [True, False, True]
    assert found.pop("fourier") is False
    assert found.pop("masked") == [[True, False], [True, False]]
    assert len(found) == 16
    assert all(difference < 1e-6 for difference in found.values()), found


def test_what_the_simplifier_computes_otherwise_is_simplified_by_the_runtime():
    ready = environments.install("openmmlab", print)
    folder = str(Path(exporter.__file__).parent)
    done = subprocess.run([ready.python, "-c", MISMATCH, folder], capture_output=True, text=True, check=True)
    *_, difference, files = (line for line in done.stdout.splitlines() if line[0] in "0123456789[")
    assert done.stdout.count("once more, simplified by ONNX Runtime\n") == 2
    assert float(difference) < 1e-6
    assert files == "['large.onnx', 'linear.onnx.data', 'model.onnx']"


def test_an_export_that_picks_another_is_wrong_unless_rounding_picks_it_too():
    ready = environments.install("openmmlab", print)
    folder = str(Path(exporter.__file__).parent)
    done = subprocess.run([ready.python, "-c", JUDGED, folder], capture_output=True, text=True, check=True)
    verdicts = [line for line in done.stdout.splitlines() if not line.startswith("in double precision")]
    assert verdicts == ["TooNoisyError export_failed", "Refused export_mismatch"]
