"""Builds graphs and counts them: `worker.py OUT PATTERN...`; runs in the environment of `requirements.txt`.

A line of JSON for each graph, as it is made. No weights are fetched: only shapes count.
"""

import fnmatch
import json
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "npubench/exporters/openmmlab")]

import worker_codebases  # noqa: E402
import worker_rewrites  # noqa: E402
import worker_write  # noqa: E402

SMALL_BYTES = 16 * 1024


def main(out: Path, patterns: list[str]) -> None:
    """Append to `out` what it does not hold yet of the graphs whose name fits a pattern."""
    prepare()
    from tests.network_graphs.recipes import recipes

    done = {json.loads(line)["name"] for line in out.read_text().splitlines()} if out.exists() else set()
    every = list(recipes())
    twice = [name for name, count in Counter(one.graph for one in every).items() if count > 1]
    if twice:
        raise SystemExit(f"two recipes of one name: {', '.join(twice)}")
    for recipe in every:
        if recipe.graph in done or not any(fnmatch.fnmatch(recipe.graph, one) for one in patterns):
            continue
        done.add(recipe.graph)
        started = time.monotonic()
        try:
            line = counted(recipe)
        except Exception as error:  # noqa: BLE001 - one network that does not build is no reason to stop
            print(f"FAILED {recipe.graph}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            if "--trace" in sys.argv:
                traceback.print_exc()
            continue
        with out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        took = time.monotonic() - started
        macs, weights = int(line["macs"] or 0) / 1e9, int(line["parameters"] or 0) / 1e6
        print(
            f"{recipe.graph}: {macs:.4g} GMACs, {weights:.4g} M, {took:.1f} s {line['uncounted']}", flush=True
        )


def prepare() -> None:
    """Packages that look for compiled operators or the network while they are imported."""
    import torch

    warnings.filterwarnings("ignore")
    worker_codebases.define_torchvision_schemas()
    box = "(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, int sampling_ratio, bool aligned) -> Tensor"
    torch.library.define("torchvision::roi_align", box)
    torch.backends.mha.set_fastpath_enabled(False)
    torch.set_num_threads(1)


def counted(recipe):
    """The features of a recipe's graph as a line of graphs.csv."""
    from npubench.graph.features import features_of
    from npubench.published.graphs import line_of

    features = features_of(graph_of(recipe), recipe.graph, recipe.origin)
    if recipe.shape != features.shape and len(recipe.shape) == len(features.shape):
        raise ValueError(f"the graph's input is {features.shape}")
    uncounted = " ".join(f"{name}:{count}" for name, count in features.uncounted.items())
    return {**line_of(features), "uncounted": uncounted}


def graph_of(recipe):
    """The graph as onnxsim leaves it, its large weights without their numbers."""
    import torch

    built = recipe.build(recipe.shape)
    model, samples = built if isinstance(built, tuple) else (built, (torch.zeros(recipe.shape),))
    if hasattr(model, "graph") and hasattr(model, "opset_import"):
        return model
    model = worker_rewrites.without_sync(model.eval()).eval()
    with torch.no_grad():
        torch.manual_seed(0)
        # Weights that start as zeros, or become so behind such a normalisation, would be taken for one tensor.
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point() and tensor.is_leaf:
                tensor.requires_grad_(False)
                tensor.uniform_(0.01, 1.0)
    model = Tensors(model)
    with torch.no_grad(), worker_rewrites.fixed_shapes():
        raw = export(model, samples)
    return simplified(raw)


def Tensors(model):  # noqa: N802 - a class whose base is only known where torch is
    """The model with all tensors that it gives, however they are packed, as one tuple."""
    import torch

    def tensors(value):
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict):
            yield from (found for one in value.values() for found in tensors(one))
        elif isinstance(value, (list, tuple)):
            yield from (found for one in value for found in tensors(one))

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *inputs):
            return tuple(dict.fromkeys(tensors(self.model(*inputs))))

    return Whole().eval()


def export(model, samples, opset=17):
    """As worker_write.export, with any number of inputs."""
    import io

    import onnx
    import torch

    written = io.BytesIO()
    with worker_write.weights_kept() as weights:
        torch.onnx.export(
            model, samples, written, dynamo=False, export_params=False, opset_version=opset,
            input_names=[f"input{place}" for place in range(len(samples))],
        )  # fmt: skip
    return worker_write.Raw(onnx.load_model_from_string(written.getvalue()), weights)


def simplified(raw):
    """Constants folded; large weights that nothing is folded of are left without their data."""
    import onnxsim

    aside = worker_write.apart(raw)
    inside = {name: tensor for name, tensor in raw.weights.items() if name not in aside}
    graph = worker_write.with_weights(raw.graph, inside)
    try:
        if aside:
            with tempfile.TemporaryDirectory() as folder:
                graph = worker_write.merged(graph, aside, Path(folder))
        else:
            graph, _unchecked = onnxsim.simplify(graph)
    except Exception as error:  # noqa: BLE001 - the graph as it was exported counts the same products
        print(f"not simplified: {str(error)[:100]}", flush=True)
    graph = worker_write.without_inputs(graph, set(aside))
    for name, tensor in aside.items():
        entry = worker_write.unfilled(name, worker_write.array(tensor))
        graph.graph.initializer.append(entry)
    return graph


if __name__ == "__main__":
    main(Path(sys.argv[1]), [one for one in sys.argv[2:] if not one.startswith("--")] or ["*"])
