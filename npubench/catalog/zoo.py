"""The index of OpenMMLab's names: models/zoo/*.tsv -> specs, for every model without a manifest entry.

Made by `python -m npubench.exporters.openmmlab.index`; one line a name: name, task, shape, mean,
deviation, colour order, clip, parted by tabs, `-` for what the config does not tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from npubench.domain.specs import ClipSampling, ModelSpec, Preprocessing, TensorSpec

FOLDER = "zoo"
OPSETS = {"mmpretrain": 17, "mmaction2": 17}
"""Attention needs 14 and later; the newest zoo models are transformers. Others at what NPUs accept."""

DEFAULT_OPSET = 13
COLUMNS = 7
Color = Literal["rgb", "bgr", "gray"]


@dataclass(frozen=True, slots=True)
class Zoo:
    """Models by name; `listed` are those that a codebase itself offers by name, in order."""

    models: dict[str, ModelSpec] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)


def read_zoo(models: Path) -> Zoo:
    """All indices below a catalogue's `models` folder. Of a name in two codebases the first counts."""
    zoo = Zoo()
    folder = models / FOLDER
    for path in sorted(folder.glob("*.tsv"), key=_order) if folder.is_dir() else ():
        first, *_ = parts = path.read_text(encoding="utf-8").split("\n\n")
        for part in parts:
            for spec in _specs(path.stem, part):
                zoo.models.setdefault(spec.name, spec)
                if part is first:
                    zoo.listed.setdefault(spec.name)
    return zoo


def _order(path: Path) -> tuple[bool, str]:
    """mmpretrain first: what its name says is a classifier is one."""
    return path.stem != "mmpretrain", path.name


def _specs(codebase: str, text: str) -> Iterator[ModelSpec]:
    for line in text.splitlines():
        columns = line.split("\t")
        if len(columns) == COLUMNS:
            yield _spec(codebase, *columns)


def _spec(
    codebase: str, name: str, task: str, shape: str, mean: str, std: str, color: str, clip: str
) -> ModelSpec:
    inputs = (TensorSpec("input", tuple(map(int, shape.split("x")))),) if shape != "-" else ()
    preprocessing = None
    if mean != "-":
        sampling = ClipSampling(*map(int, clip.split(","))) if clip != "-" else None
        preprocessing = Preprocessing(_numbers(mean), _numbers(std), cast(Color, color), "nchw", sampling)
    return ModelSpec(
        name=name,
        codebase=codebase,
        config=name,
        task="" if task == "-" else task,
        inputs=inputs,
        preprocessing=preprocessing,
        opset=OPSETS.get(codebase, DEFAULT_OPSET),
    )


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))
