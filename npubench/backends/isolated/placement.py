"""Rows of a compiler's table as where the model's operators run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npubench.domain.figures import PlacedLayer
from npubench.domain.records import OnnxModel
from npubench.graph.shares import Placed, of_layers


@dataclass(frozen=True, slots=True)
class Row:
    """A layer, the model's operators that it stands for, and the tool's own word for it, if it has one.

    `added`: the tool put it in to bring data into order, so it multiplies nothing. `macs` are the tool's.
    """

    name: str
    on_npu: bool
    operators: tuple[str, ...]
    own: tuple[str, ...]
    added: bool = False
    macs: int | None = None

    @property
    def unit(self) -> str:
        """Where it runs, as rows of results call it."""
        return "NPU" if self.on_npu else "CPU"


def placed(rows: Sequence[Row], model: OnnxModel) -> dict[str, Any]:
    """`placement`, `computed` and `layers_on` of a model's figures.

    An operator type is on the CPU where any row of it is. The tool's words count where it made something else
    of the whole model. Rows that the tool made itself, without a word, compute nothing.
    """
    by_model = any(row.operators for row in rows)
    placement: dict[str, str] = {}
    for row in rows:
        for name in row.operators if by_model else row.own:
            if placement.get(name) != "CPU":
                placement[name] = row.unit
    computing = [
        Placed(row.on_npu, row.operators or (row.own if row.added else ()), row.macs)
        for row in rows
        if row.own
    ]
    layers = tuple(PlacedLayer(row.name, row.operators or row.own, row.unit) for row in rows)
    return {"placement": placement, "computed": of_layers(computing, model), "layers_on": layers}


def without_layers(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same of figures that tell the layers themselves, which tell where each runs."""
    return {name: one for name, one in found.items() if name != "layers_on"}
