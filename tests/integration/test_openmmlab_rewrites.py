"""Rewritten layers give what the layers before them gave; run in the environment that has PyTorch."""

import json
import subprocess
from pathlib import Path

import pytest

from npubench.exporters.openmmlab import exporter
from npubench.tools.environments import installer

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
import worker_codebases
worker_codebases.prepare("mmpretrain")
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
from mmpretrain.models.backbones.hornet import GlobalLocalFilter
for height, width, own in [(14, 14, (14, 8)), (7, 7, (7, 4)), (6, 9, (6, 5)), (5, 8, (7, 4))]:
    layer = GlobalLocalFilter(8, *own).eval()
    torch.nn.init.normal_(layer.complex_weight)
    x = torch.randn(2, 8, height, width)
    before = layer(x)
    rewrites.without_fourier(torch.nn.Sequential(layer))
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
raw = worker_write.export(model, sample, "input", ["output"], 13)
def wrong(raw, path, data):
    weights = {name: torch.zeros_like(tensor) for name, tensor in raw.weights.items()}
    worker_write.write(worker_write.Raw(raw.graph, weights), path, data)
simplify = worker_write.simplify
worker_write.simplify = wrong
job = {"input": "input", "data": "linear.onnx.data"}
print(worker.simplified(raw, folder / "model.onnx", job, sample, want, model))
worker_write.PROTOBUF_LIMIT_BYTES = 0
worker.simplified(raw, folder / "large.onnx", job, sample, want, model)
worker_write.simplify, worker_write.SIMPLIFIER_LIMIT_BYTES = simplify, 0
worker.simplified(raw, folder / "beyond.onnx", job, sample, want, model)
print(sorted(file.name for file in folder.iterdir()))
"""

ASIDE = """
import sys
sys.path.insert(0, sys.argv[1])
import io, json, pathlib, tempfile
import numpy, onnx, onnxsim, torch, worker, worker_write
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(256, 256, 3, padding=1)
        self.wide = torch.nn.Conv2d(256, 512, 3, padding=1, bias=False)
        self.norm = torch.nn.BatchNorm2d(512)
        self.inner = torch.nn.Linear(512, 1024)
        self.scale = torch.nn.Parameter(torch.rand(512, 512, 2, 2) + 1)
        self.last = torch.nn.Linear(1024, 1000)
    def forward(self, x):
        x = self.norm(self.wide(self.convolution(x)))
        x = torch.nn.functional.conv2d(x, self.scale / self.scale.mean())
        return self.last(self.inner(x.flatten(2).transpose(1, 2)).mean(1))
torch.manual_seed(0)
model = worker.exported(Net().eval(), lambda inner, x: inner(x))
sample = torch.randn(1, 256, 4, 4)
want = [tensor.detach() for tensor in model(sample)]
plain = io.BytesIO()
torch.onnx.export(model, (sample,), plain, dynamo=False, opset_version=17, input_names=["x"],
                  output_names=["y"])
whole, _ = onnxsim.simplify(onnx.load_model_from_string(plain.getvalue()))
raw = worker_write.export(model, sample, "x", ["y"], 17)
folder = pathlib.Path(tempfile.mkdtemp())
same = []
for data in (None, "net.data"):
    worker_write.simplify(raw, folder / "net.onnx", data)
    same.append(float(abs(worker.run(folder / "net.onnx", "x", sample)[0] - want[0].numpy()).max()))
    onnx.checker.check_model(str(folder / "net.onnx"), full_check=True)
    have = onnx.load(folder / "net.onnx")
    for model in (whole, have):
        model.graph.initializer.sort(key=lambda tensor: tensor.name)
        for tensor in model.graph.initializer:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    same.append(have.graph.SerializeToString(deterministic=True)
                == whole.graph.SerializeToString(deterministic=True))
aside = sorted(tuple(tensor.shape) for tensor in worker_write.apart(raw).values())
print(json.dumps({"same": same, "aside": aside, "data": (folder / "net.data").stat().st_size}))
"""

JUDGED = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy, torch, worker_errors
class Nearest(torch.nn.Module):
    def forward(self, x):
        return (torch.nn.functional.one_hot(x.argmax(1), 3).to(x.dtype),)
other = [numpy.array([[0, 1, 0]], "float32")]
for sample in torch.tensor([[[1, 1 - 3e-7, 0]], [[1, 0.9, 0]]]):
    model = Nearest()
    try:
        worker_errors.check(other, list(model(sample)), model, sample)
    except worker_errors.Refused as error:
        print(type(error).__name__, error.failure_class)
"""


def test_no_rewrite_changes_an_output():
    ready = installer.install("openmmlab", print)
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
    ready = installer.install("openmmlab", print)
    folder = str(Path(exporter.__file__).parent)
    done = subprocess.run([ready.python, "-c", MISMATCH, folder], capture_output=True, text=True, check=True)
    *_, difference, files = (line for line in done.stdout.splitlines() if line[0] in "0123456789[")
    assert done.stdout.count("once more, simplified by ONNX Runtime\n") == 2
    assert done.stdout.count("bytes of weights: simplified by ONNX Runtime\n") == 1
    assert float(difference) < 1e-6
    assert files == "['beyond.onnx', 'large.onnx', 'linear.onnx.data', 'model.onnx']"


def test_an_export_that_picks_another_is_wrong_unless_rounding_picks_it_too():
    ready = installer.install("openmmlab", print)
    folder = str(Path(exporter.__file__).parent)
    done = subprocess.run([ready.python, "-c", JUDGED, folder], capture_output=True, text=True, check=True)
    verdicts = [line for line in done.stdout.splitlines() if not line.startswith("in double precision")]
    assert verdicts == ["TooNoisyError export_failed", "Refused export_mismatch"]


def test_weights_that_travel_beside_the_graph_give_the_file_that_they_would_give_inside():
    ready = installer.install("openmmlab", print)
    folder = str(Path(exporter.__file__).parent)
    done = subprocess.run([ready.python, "-c", ASIDE, folder], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    alone, same_alone, beside, same_beside = found["same"]
    assert max(alone, beside) < 1e-4
    assert same_alone is True
    assert same_beside is True
    # All but what is computed of weights alone.
    assert found["aside"] == [[256, 256, 3, 3], [512, 256, 3, 3], [512, 1024], [1000, 1024]]
    assert found["data"] == 4 * (256 * 256 * 9 + 512 * 256 * 9 + 512 * 1024 + 1000 * 1024)
