"""External data of a model: files beside it, which a hostile or careless file may name anywhere."""

import math
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from npubench.domain.records import Failure, FailureClass
from npubench.graph.check import refused, shown
from npubench.graph.walk import all_tensors

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

FEWER_BITS = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}
"""Element types that share bytes in a file (ONNX IR specification), numpy gives each a byte."""


def external_files(model: "ModelProto", path: Path) -> tuple[Path, ...] | Failure:
    """Files of external data of the model at `path`, each once, in order; none of them has been read.

    They lie below the model's folder with links resolved, are regular, readable and long enough for
    every tensor; otherwise a failure names the file.
    """
    from onnx import TensorProto

    found: dict[PurePosixPath, int | Failure] = {}
    for tensor in all_tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if not entries.get("location"):
            return _failure(path, f"tensor '{shown(tensor.name)}' names no file: export it again")
        location = PurePosixPath(entries["location"])
        if location not in found:
            found[location] = _usable_size(path, location)
        size = found[location]
        if isinstance(size, Failure):
            return size
        end, name = _end(tensor, entries), shown(tensor.name)
        if end is None:
            return _failure(
                path, f"offset or length of tensor '{name}' is no number of bytes: export it again"
            )
        if end > size:
            short = f"'{shown(str(location))}' ends at {size} bytes, before the data of tensor '{name}'"
            return _failure(path, f"{short}, which end at {end}: copy it again")
    return tuple(path.parent / location for location in found)


def _usable_size(path: Path, location: PurePosixPath) -> int | Failure:
    folder, name = path.parent.resolve(), shown(str(location))
    try:
        file = (folder / location).resolve()
        if location.is_absolute() or ".." in location.parts or not file.is_relative_to(folder):
            return _failure(
                path, f"'{name}' lies outside the model's folder: not read; put it beside the model"
            )
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return _failure(path, f"'{name}' is no regular file: put the data there")
        with file.open("rb"):
            return status.st_size
    except (FileNotFoundError, NotADirectoryError):
        return _failure(path, f"'{name}' is not there: put it beside the model")
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        return _failure(path, f"'{name}' cannot be read ({reason}): correct its name or permissions")


def _end(tensor: "TensorProto", entries: dict[str, str]) -> int | None:
    """Where the tensor's data end in its file, in bytes; None where the entries are no numbers."""
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries["length"]) if "length" in entries else _bytes_of(tensor)
    except ValueError:
        return None
    return offset + length if offset >= 0 and length >= 0 else None


def _bytes_of(tensor: "TensorProto") -> int:
    from onnx import TensorProto, helper

    try:
        bits = FEWER_BITS.get(TensorProto.DataType.Name(tensor.data_type))
        bits = bits or 8 * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError):
        return 0
    return (math.prod(int(dim) for dim in tensor.dims) * bits + 7) // 8


def _failure(path: Path, what: str) -> Failure:
    return refused(FailureClass.EXTERNAL_DATA, f"external data of {path.name}: {what}")
