"""The exporter of the networks that npubench builds itself."""

from dataclasses import replace
from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import BUILT, CaseSpec, ModelSpec
from npubench.domain.text import did_you_mean
from npubench.graph.check import refused
from npubench.graph.read import describe

if TYPE_CHECKING:
    import onnx

FORMAT = 1
"""Changes when the same spec is built differently, so that kept files are made anew."""

LEAST_OPSET = 13
"""Split has had the sizes of its parts as an input since then (ONNX Operators.md)."""

WEIGHTS = "random weights, built by npubench"


class BuiltExporter:
    """Exporter of a `ModelSpec` of the codebase `npubench`; its config names the network."""

    def version(self, spec: CaseSpec) -> str:  # noqa: ARG002 - the protocol's
        """The writer's format and the libraries that decide bytes and random numbers."""
        tools = (f"{name} {version}" for name, version in _tools().items())
        return ", ".join((f"built {FORMAT}", *tools))

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:  # noqa: ARG002
        """Write `workdir/model.onnx`: one image in, logits out."""
        if not isinstance(spec, ModelSpec):
            raise TypeError(f"{type(spec).__name__} is not a model")
        if failure := _refused(spec):
            return failure
        path = workdir / "model.onnx"
        path.write_bytes(build(spec).SerializeToString(deterministic=True))
        made = describe(
            path, spec.name, task=spec.task, preprocessing=spec.preprocessing, tools=_tools(), seed=spec.seed
        )
        return made if isinstance(made, Failure) else replace(made, exported={"weights": WEIGHTS})


def build(spec: ModelSpec) -> "onnx.ModelProto":
    """The graph of a spec that the exporter does not refuse."""
    from npubench.exporters.built.builder import Builder, Value
    from npubench.exporters.built.networks import CLASSES, NETWORKS

    (tensor,) = spec.inputs
    data = Value(tensor.name, *tensor.shape[1:])
    graph = Builder(spec.seed)
    output = NETWORKS[spec.config](graph, data)
    return graph.model(spec.config, data, (output, CLASSES), spec.opset, BUILT)


def _refused(spec: ModelSpec) -> Failure | None:
    from onnx import defs

    from npubench.exporters.built.networks import NETWORKS

    if spec.config not in NETWORKS:
        told = f"npubench builds no network called {spec.config!r:.80}{did_you_mean(spec.config, NETWORKS)}"
        return refused(FailureClass.NOT_FOUND, f"{told}: there are {', '.join(NETWORKS)}")
    if spec.weights != "random":
        told = "it is built with random weights and takes no checkpoint"
        return refused(FailureClass.EXPORT_FAILED, f"{spec.name}: {told}: name OpenMMLab's model of it")
    shape = spec.inputs[0].shape if len(spec.inputs) == 1 else ()
    if len(shape) != 4 or shape[:2] != (1, 3) or min(shape) < 1 or min(shape[2:]) < LEAST_SIZE:
        given = "x".join(map(str, shape))
        told = f"an input of 1x3xHxW with at least {LEAST_SIZE} pixels a side is needed, not {given}"
        return refused(FailureClass.EXPORT_FAILED, f"{spec.name}: {told}: correct its input_shape")
    newest = defs.onnx_opset_version()
    if not LEAST_OPSET <= spec.opset <= newest:
        told = f"opset {spec.opset} cannot be built: use {LEAST_OPSET} to {newest}"
        return refused(FailureClass.UNSUPPORTED_OPSET, f"{spec.name}: {told}")
    return None


LEAST_SIZE = 32
"""Pixels: every network here halves its input five times."""


@cache
def _tools() -> dict[str, str]:
    return {name: installed_version(name) for name in ("onnx", "numpy")}
