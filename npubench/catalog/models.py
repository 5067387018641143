"""Models: manifests (models/*.toml), and the index of OpenMMLab's names for all without an entry."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from npubench.domain.errors import CatalogError
from npubench.domain.specs import (
    BatchAxes,
    ClipSampling,
    ModelSpec,
    Preprocessing,
    SamplesFrom,
    TensorSpec,
)
from npubench.storage.json import KeyPath
from npubench.storage.toml import Tell

if TYPE_CHECKING:
    from npubench.catalog.schema import ModelDefaults, ModelTable


OPSET = 13
"""Used where nothing names one: what every toolchain of the boards accepts."""


def model_spec(
    tell: Tell, at: KeyPath, codebase: str, defaults: "ModelDefaults", table: "ModelTable"
) -> ModelSpec | None:
    """The model at the key `at`, completed by the defaults; None when something is missing, which is told."""
    from npubench.catalog.schema import ModelDefaults

    fields = ModelDefaults.__struct_fields__
    values = {
        name: value
        for one in (defaults, table)
        for name in fields
        if (value := getattr(one, name)) is not None
    }
    missing = [name for name in ("task", "input_shape") if name not in values]
    wrong = dict.fromkeys(missing, "is missing: add it here or to [defaults]")
    if len(values.get("mean", ())) != len(values.get("std", ())):
        key = "mean" if table.mean is not None or table.std is None else "std"
        wrong[key] = "'mean' and 'std' go together and hold one number a channel each"
    axis, count = values.get("batch_axis"), len(values.get("input_shape", ()))
    if isinstance(axis, int) and count and axis >= count:
        wrong["batch_axis"] = f"the input has {count} dimensions: use 0 to one less, or 'none'"
    for key, message in wrong.items():
        tell((*at, key), message)
    if wrong:
        return None
    lies_along = (("", axis if isinstance(axis, int) else None),)
    return ModelSpec(
        name=table.name,
        codebase=codebase,
        config=table.config or table.name,
        task=values["task"],
        inputs=(TensorSpec(values.get("input_name", "input"), tuple(values["input_shape"])),),
        preprocessing=_preprocessing(values),
        opset=values.get("opset", OPSET),
        seed=values.get("seed", 0),
        exports=values.get("exports", ""),
        batch=None if axis is None else BatchAxes(lies_along, SamplesFrom.MANIFEST),
    )


def _preprocessing(values: dict[str, Any]) -> Preprocessing | None:
    if "mean" not in values:
        return None
    mean, std, clip = tuple(values["mean"]), tuple(values["std"]), values.get("clip")
    sampling = clip and ClipSampling(clip.frames, clip.interval, clip.clips, clip.crops)
    return Preprocessing(mean, std, values.get("color", "rgb"), values.get("layout", "nchw"), sampling)


FOLDER = "zoo"
OPSETS = {"mmpretrain": 17, "mmaction2": 17}
"""Attention needs 14 and later; the newest zoo models are transformers. Others at what NPUs accept."""

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
    # mmpretrain first: what its name says is a classifier is one.
    try:
        paths = sorted(folder.glob("*.tsv"), key=lambda path: (path.stem != "mmpretrain", path.name))
        texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{folder}: the index of names cannot be read: {error}") from error
    for path, text in texts:
        first, *_ = parts = text.split("\n\n")
        for part in parts:
            lines = [line for line in part.splitlines() if line.count("\t") == COLUMNS - 1]
            for line in lines:
                name = line.partition("\t")[0]
                zoo.lines.setdefault(name, (path.stem, line))
                if part is first:
                    zoo.listed.setdefault(name)
    return zoo


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
        opset=OPSETS.get(codebase, OPSET),
    )


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))
