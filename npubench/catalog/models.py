"""Model manifests: models/*.toml -> specs."""

from typing import TYPE_CHECKING, Any

from npubench.catalog.lines import KeyPath
from npubench.catalog.source import Problem, Source
from npubench.domain.specs import (
    BatchAxes,
    ClipSampling,
    ModelSpec,
    Preprocessing,
    SamplesFrom,
    TensorSpec,
)

if TYPE_CHECKING:
    from npubench.catalog.schema import ModelDefaults, ModelTable

OPSET = 13
"""Used where a manifest names none: what every toolchain of the boards accepts."""


def model_spec(
    source: Source,
    at: KeyPath,
    codebase: str,
    defaults: "ModelDefaults",
    table: "ModelTable",
    problems: list[Problem],
) -> ModelSpec | None:
    """The model at the key `at`, completed by the defaults; None when `problems` got what is missing."""
    from npubench.catalog.schema import ModelDefaults

    values = {
        name: _first(getattr(table, name), getattr(defaults, name)) for name in ModelDefaults.model_fields
    }
    before = len(problems)
    for name in ("task", "input_shape"):
        if values[name] is None:
            message = "is missing: add it here or to [defaults]"
            problems.append(source.problem((*at, name), message))
    mean, std = values["mean"], values["std"]
    if len(mean or ()) != len(std or ()):
        message = "'mean' and 'std' go together and hold one number a channel each"
        key = (*at, "mean") if table.mean is not None or table.std is None else (*at, "std")
        problems.append(source.problem(key, message))
    axis = values["batch_axis"]
    if isinstance(axis, int) and values["input_shape"] and axis >= len(values["input_shape"]):
        message = f"the input has {len(values['input_shape'])} dimensions: use 0 to one less, or 'none'"
        problems.append(source.problem((*at, "batch_axis"), message))
    if len(problems) > before:
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
    clip = values["clip"] and ClipSampling(**values["clip"].model_dump())
    return Preprocessing(mean, std, values["color"] or "rgb", values["layout"] or "nchw", clip)


def _first(value: Any, default: Any) -> Any:
    return default if value is None else value
