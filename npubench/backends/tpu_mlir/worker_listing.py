"""What TPU-MLIR made of a model, by its last listing (`_final.mlir`) and what it writes beside an artifact.

A function of a listing has a mode: TPU_STATIC ones are scheduled, and are what the compiler's timeline holds;
others run on the host, or on the chip in an order that is found while they run.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

STATIC = "TPU_STATIC"
NO_WORK = frozenset({"Buffer", "Yield"})
"""Operations that only hold others together."""

SIDES = ("operands", "results")

MOST_NAMED = 4
"""How often a place stands for another one: of an operation with several outputs, for the first one's."""

_FUNCTION = re.compile(r"^ *func\.func (?:.*run_mode (?P<mode>\w+)>)?")
_MADE = re.compile(r'= "tpu\.(?P<type>\w+)"\(')
_HOST = re.compile(r'cpu_name = "(?:onnx\.)?(?P<name>\w+)"')
_PLACE = re.compile(r'loc\((?P<place>#loc\d*|"[^"]*")\)$')
_PLACES = re.compile(r'^(#loc\d*) = loc\((?:fused\[)?("[^"]*"|#loc\d*)', re.M)


def operations(text: str) -> list[dict[str, Any]]:
    """Scheduled operations, by their line in the listing, once each, with what they read and write."""
    found: dict[int, dict[str, Any]] = {}
    for one in json.loads(text):
        read, written = ([_tensor(tensor) for tensor in one[side] if tensor] for side in SIDES)
        told = {"type": one["opcode"], "operands": read, "results": written}
        found.setdefault(one["file-line"], {"line": one["file-line"], **told})
    return list(found.values())


def _tensor(told: Mapping[str, Any]) -> dict[str, Any]:
    """Name, whole shape, and type: `<1x3x114x224xui8>` is that of the part that is in memory at once."""
    dtype = told["memory_type"].strip("<>").rpartition("x")[-1]
    return {"name": told["name"], "shape": told["shape"], "dtype": dtype}


def elsewhere(listing: str) -> list[dict[str, str]]:
    """Operations that are not scheduled: type, mode of their function, and name of what they write."""
    found, mode, places = [], STATIC, dict(_PLACES.findall(listing))
    for line in listing.splitlines():
        made = _MADE.search(line)
        if function := _FUNCTION.match(line):
            mode = function["mode"] or STATIC
        elif mode != STATIC and made and made["type"] not in NO_WORK:
            host = _HOST.search(line)
            name = _named(line, places)
            found.append({"type": host["name"] if host else made["type"], "mode": mode, "name": name})
    return found


def _named(line: str, places: Mapping[str, str]) -> str:
    """The name at the end of a line, which stands there or in another line."""
    found = _PLACE.search(line)
    place = found["place"] if found else ""
    for _ in range(MOST_NAMED):
        place = places.get(place, place)
    return place.strip('"') if place.startswith('"') else ""
