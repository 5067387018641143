"""Inputs and outputs of what TPU-MLIR made: by the SDK's model_tool, or by what its cmodel gave.

The compiler calls an output by the model's name, the operator that makes it and the type that it leaves as
(`y_Conv_f32` of `y`); inputs keep their names.
"""

import re
from typing import Any

_LINE = re.compile(
    r"(?P<side>input|output): (?P<name>.+), \[(?P<shape>[0-9, ]*)\], (?P<dtype>\w+)(?:, scale: .*)?"
)
Tensors = dict[str, list[dict[str, Any]]]


def of_bmodel(info: str, wanted: Tensors) -> dict[str, Any] | None:
    """By the lines of `model_tool --info`; None where it lists nothing, or several networks or stages."""
    found: Tensors = {"inputs": [], "outputs": []}
    if len(re.findall(r"^stage [0-9]+\b", info, re.M)) != 1:
        return None
    for line in info.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            shape = [int(size) for size in match["shape"].split(",") if size.strip()]
            one = {"name": match["name"], "shape": shape, "dtype": match["dtype"]}
            found[f"{match['side']}s"].append(one)
    if not found["outputs"]:
        return None
    return {"inputs": found["inputs"], "outputs": by_the_models_names(found["outputs"], wanted["outputs"])}


def of_cvimodel(info: str, shapes: dict[str, Any], wanted: Tensors) -> dict[str, Any]:
    """By the arrays that its cmodel gave, which are the outputs; of the inputs model_tool tells the names."""
    line = re.search(r"^ {4}inputs +: (.+)$", info, re.M)
    # A comma within a name would make two of it.
    alone = line is not None and not any("," in str(one["name"]) for one in wanted["inputs"])
    names = line[1].strip().split(",") if line and alone else None
    inputs = None if names is None else [{"name": name, "shape": None, "dtype": None} for name in names]
    told = [{"name": name, "shape": list(shape), "dtype": None} for name, shape in shapes.items()]
    return {"inputs": inputs, "outputs": by_the_models_names(told, wanted["outputs"])}


def by_the_models_names(told: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the names that the model has; without any where one of them is of no output of the model."""
    names = sorted((str(one["name"]) for one in wanted), key=len, reverse=True)
    found = []
    for one in told:
        own = next(
            (name for name in names if one["name"] == name or one["name"].startswith(f"{name}_")), None
        )
        if own is None:
            return [{**other, "name": None} for other in told]
        # Each name once: `y_1` begins like `y`.
        names.remove(own)
        found.append({**one, "name": own})
    return found
