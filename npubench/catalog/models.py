"""Models: manifests (models/*.toml), and the index of OpenMMLab's names for all without an entry."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from npubench.domain.specs import (
    BatchAxes,
    ClipSampling,
    ModelSpec,
    Preprocessing,
    SamplesFrom,
    TensorSpec,
)
from npubench.storage.toml import Tell
from npubench.storage.validate import KeyPath

if TYPE_CHECKING:
    from npubench.catalog.schema import ModelDefaults, ModelTable


OPSET = 13
"""Used where a manifest names none: what every toolchain of the boards accepts."""


def model_spec(
    tell: Tell, at: KeyPath, codebase: str, defaults: "ModelDefaults", table: "ModelTable"
) -> ModelSpec | None:
    """The model at the key `at`, completed by the defaults; None when something is missing, which is told."""
    from npubench.catalog.schema import ModelDefaults

    values = {
        name: _first(getattr(table, name), getattr(defaults, name))
        for name in ModelDefaults.__struct_fields__
    }
    wrong: dict[str, str] = {}
    for name in ("task", "input_shape"):
        if values[name] is None:
            wrong[name] = "is missing: add it here or to [defaults]"
    mean, std = values["mean"], values["std"]
    if len(mean or ()) != len(std or ()):
        key = "mean" if table.mean is not None or table.std is None else "std"
        wrong[key] = "'mean' and 'std' go together and hold one number a channel each"
    axis = values["batch_axis"]
    if isinstance(axis, int) and values["input_shape"] and axis >= len(values["input_shape"]):
        count = len(values["input_shape"])
        wrong["batch_axis"] = f"the input has {count} dimensions: use 0 to one less, or 'none'"
    for key, message in wrong.items():
        tell((*at, key), message)
    if wrong:
        return None
    shape = tuple(values["input_shape"])
    return ModelSpec(
        name=table.name,
        codebase=codebase,
        config=table.config or table.name,
        task=values["task"],
        inputs=(TensorSpec(values["input_name"] or "input", shape),),
        preprocessing=_preprocessing(values),
        opset=_first(values["opset"], OPSET),
        seed=_first(values["seed"], 0),
        exports=values["exports"] or "",
        batch=_batch(axis),
    )


def _batch(axis: int | str | None) -> BatchAxes | None:
    if axis is None:
        return None
    return BatchAxes((("", axis if isinstance(axis, int) else None),), SamplesFrom.MANIFEST)


def _preprocessing(values: dict[str, Any]) -> Preprocessing | None:
    if values["mean"] is None:
        return None
    mean, std = tuple(values["mean"]), tuple(values["std"])
    clip = values["clip"]
    sampling = clip and ClipSampling(clip.frames, clip.interval, clip.clips, clip.crops)
    return Preprocessing(mean, std, values["color"] or "rgb", values["layout"] or "nchw", sampling)


def _first(value: Any, default: Any) -> Any:
    return default if value is None else value


FOLDER = "zoo"
OPSETS = {"mmpretrain": 17, "mmaction2": 17}
"""Attention needs 14 and later; the newest zoo models are transformers. Others at what NPUs accept."""

DEFAULT_OPSET = 13
COLUMNS = 7
Color = Literal["rgb", "bgr", "gray"]


@dataclass(frozen=True, slots=True)
class Zoo:
    """Models by name, out of (codebase, line) by name; `listed` are those that a codebase itself offers.

    A specification is made when its name is asked for: the index has thousands, a run takes a few.
    """

    lines: dict[str, tuple[str, str]] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)

    def model(self, name: str) -> ModelSpec | None:
        """The model of that name; None where the index has none."""
        if name not in self.lines:
            return None
        codebase, line = self.lines[name]
        return _spec(codebase, *line.split("\t"))

    def add(self, other: "Zoo") -> None:
        """Lay another index over this one."""
        self.lines.update(other.lines)
        self.listed.update(other.listed)


def read_zoo(models: Path) -> Zoo:
    """All indices below a catalogue's `models` folder. Of a name in two codebases the first counts."""
    zoo = Zoo()
    folder = models / FOLDER
    for path in sorted(folder.glob("*.tsv"), key=_order) if folder.is_dir() else ():
        first, *_ = parts = path.read_text(encoding="utf-8").split("\n\n")
        for part in parts:
            lines = [line for line in part.splitlines() if line.count("\t") == COLUMNS - 1]
            for line in lines:
                name = line.partition("\t")[0]
                zoo.lines.setdefault(name, (path.stem, line))
                if part is first:
                    zoo.listed.setdefault(name)
    return zoo


def _order(path: Path) -> tuple[bool, str]:
    """mmpretrain first: what its name says is a classifier is one."""
    return path.stem != "mmpretrain", path.name


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
