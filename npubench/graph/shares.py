"""Where a compiler placed operators, as the shares that a row tells: of layers, and of their MACs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Computed, Shares
from npubench.domain.records import OnnxModel
from npubench.graph.macs import multiplies


@dataclass(frozen=True, slots=True)
class Placed:
    """A layer of the compiled model: its side, and of which operators of the model it is made, if known.

    `macs` are the tool's; None where it tells none.
    """

    on_npu: bool
    operators: Collection[str] = ()
    macs: int | None = None


def of_layers(layers: Sequence[Placed], model: OnnxModel) -> Computed | None:
    """Shares of the layers and of their MACs; None where nothing is known.

    Where the tool counts no MACs, those of the model are told only if all layers that multiply, or may, are
    on one side.
    """
    if not layers:
        return None
    return Computed(_shares(len(layers), sum(layer.on_npu for layer in layers)), _macs(layers, model))


def of_types(placement: Mapping[str, str], model: OnnxModel) -> Computed | None:
    """Shares from a placement by operator type, which counts as often as the model has it."""
    layers = [
        Placed(where == "NPU", (name,) if name in model.operators else ())
        for name, where in placement.items()
        for _ in range(model.operators.get(name, 1))
    ]
    return of_layers(layers, model)


def _macs(layers: Sequence[Placed], model: OnnxModel) -> Shares | None:
    told = [(layer.on_npu, layer.macs) for layer in layers if layer.macs is not None]
    if len(told) == len(layers) and any(macs for _, macs in told):
        return _shares(sum(macs for _, macs in told), sum(macs for on_npu, macs in told if on_npu))
    if model.macs == 0:
        return None
    # Of a layer that stands for no operator by name nothing is known: it may multiply.
    sides = {layer.on_npu for layer in layers if not layer.operators or any(map(multiplies, layer.operators))}
    return _shares(1, int(sides.pop())) if len(sides) == 1 else None


def _shares(total: int, on_npu: int) -> Shares:
    return Shares(npu=on_npu / total, cpu=1 - on_npu / total)
