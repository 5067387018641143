"""Inputs and outputs of a .rknn file, as it tells of them itself.

A file of this toolkit ends with a JSON object that joins its tensors to inputs and outputs, in order, and
holds a Python dictionary `attrs` with the shape and the type that each had in the model.
"""

import ast
import json
from pathlib import Path
from typing import Any

GRAPH = b'{"connection"'
ATTRIBUTES = b"{'attrs'"


def tensors_of(path: str) -> dict[str, Any] | None:
    """`inputs` and `outputs`, each a list of name, shape and dtype; None of a file of another format."""
    data = Path(path).read_bytes()
    try:
        graph, _ = json.JSONDecoder().raw_decode(data[data.rindex(GRAPH) :].decode("utf-8", "replace"))
        tables = {
            kind: {one["tensor_id"]: one for one in graph[kind]} for kind in ("norm_tensor", "const_tensor")
        }
        known = _attributes(data)
        return {
            f"{side}s": [
                _tensor(tables[end["right"]][end["right_tensor_id"]], known)
                for end in sorted(graph["graph"], key=lambda one: one["left_tensor_id"])
                if end["left"] == side
            ]
            for side in ("input", "output")
        }
    except (ValueError, KeyError, TypeError) as error:
        print(f"the .rknn file does not tell its tensors: {type(error).__name__}: {error}")  # noqa: T201 - for the log
        return None


def _attributes(data: bytes) -> dict[str, Any]:
    start = data.find(ATTRIBUTES)
    if start < 0:
        return {}
    try:
        found: dict[str, Any] = ast.literal_eval(data[start : data.index(b"\0", start)].decode())["attrs"]
    except (ValueError, SyntaxError, KeyError, TypeError):
        return {}
    return found


def _tensor(tensor: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    about = known.get(tensor["url"], {})
    return {
        "name": tensor["url"],
        "shape": about.get("shape", tensor.get("size")),
        "dtype": about.get("dtype"),
    }
