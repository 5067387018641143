"""Arrays of types that ONNX Runtime's Python binding takes no arrays of: bfloat16, float8, int4 and the like.

Their bytes are those of a `TensorProto`'s `raw_data` (onnx.proto: little-endian, two or four to a byte where
they are that small).
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

BOUND = frozenset(
    {
        *("float", "double", "float16", "bool", "string"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    }
)
"""Element types that the binding takes arrays of, as ONNX Runtime names them."""


class ByValue:
    """A session that is fed and read by its values' bytes; arrays come and go as of any session."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs for arrays. Raises what ONNX Runtime raises."""
        values = {name: to_value(array) for name, array in feeds.items()}
        return [from_value(value) for value in self._session.run_with_ort_values(names, values)]


class Bare:
    """Runs `ByValue`'s session on values that are made already: nothing is converted while it is timed."""

    def __init__(self, session: Any) -> None:
        self.run = session.run_with_ort_values


def bound(session: Any) -> Any:
    """The session itself, or one that takes arrays of all its types."""
    tensors = (*session.get_inputs(), *session.get_outputs())
    types = {one.type.removeprefix("tensor(").removesuffix(")") for one in tensors}
    return session if types <= BOUND else ByValue(session)


def ready(session: Any, feeds: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What to time: something with `run`, and what to feed it with."""
    if isinstance(session, ByValue):
        return Bare(session), {name: to_value(array) for name, array in feeds.items()}
    return session, dict(feeds)


def needs_bytes(value: Any) -> bool:
    """Whether an array's type is none of numpy's own."""
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.isbuiltin != 1


def to_value(array: Any) -> Any:
    """An `OrtValue` of an array. Raises RuntimeError where ONNX Runtime keeps a type otherwise than ONNX."""
    import onnxruntime
    from onnx import numpy_helper

    if not needs_bytes(array):
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)
    tensor = numpy_helper.from_array(array)
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(array.shape), tensor.data_type)
    if len(tensor.raw_data) != value.tensor_size_in_bytes():
        raise RuntimeError(f"ONNX Runtime keeps {array.dtype} in another number of bytes than ONNX")
    ctypes.memmove(value.data_ptr(), tensor.raw_data, len(tensor.raw_data))
    return value


def from_value(value: Any) -> Any:
    """The array of an `OrtValue`."""
    from onnx import TensorProto, numpy_helper

    kind = value.element_type()
    if kind == TensorProto.STRING:
        return value.numpy()
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return numpy_helper.to_array(TensorProto(dims=value.shape(), data_type=kind, raw_data=raw))
