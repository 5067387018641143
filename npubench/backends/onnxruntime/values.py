"""Arrays of types that ONNX Runtime's Python binding takes no arrays of: bfloat16, float8, int4 and the like.

Their bytes are those of a `TensorProto`'s `raw_data` (onnx.proto: little-endian, two or four to a byte where
they are that small).
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

from npubench.graph.walk import plain

BOUND = frozenset(
    {
        *("float", "double", "float16", "bool", "string"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    }
)
"""Element types that the binding takes arrays of, as ONNX Runtime names them."""


class ByValue:
    """A session that is fed and read by its values' bytes."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._types = {one.name: array_type(one.type) for one in session.get_inputs()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs for arrays, which are brought to the types of the inputs. Raises like ONNX Runtime."""
        found = self._session.run_with_ort_values(names, self.values(feeds))
        return [from_value(value) for value in found]

    def values(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """What the session itself takes."""
        return {name: to_value(_as(array, self._types.get(name))) for name, array in feeds.items()}


class Plain(ByValue):
    """The same, whose outputs are of numpy's own types: float32 and int8 for narrower ones."""

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Any]:
        """The outputs for arrays."""
        return [_plain(output) for output in super().run(names, feeds)]


class Bare:
    """Runs a session on values that are bound already: nothing is converted while it is timed."""

    def __init__(self, session: Any, values: Mapping[str, Any]) -> None:
        self._run, self._bound = session.run_with_iobinding, session.io_binding()
        for name, value in values.items():
            self._bound.bind_ortvalue_input(name, value)
        for output in session.get_outputs():
            self._bound.bind_output(output.name)

    def run(self, names: None, feeds: Mapping[str, Any]) -> None:  # noqa: ARG002 - as of any session
        """Run once."""
        self._run(self._bound)


def bound(session: Any) -> Any:
    """The session itself, or one that takes arrays of all its types."""
    tensors = (*session.get_inputs(), *session.get_outputs())
    types = {one.type.removeprefix("tensor(").removesuffix(")") for one in tensors}
    return session if types <= BOUND else Plain(session)


def ready(session: Any, feeds: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What to time: something with `run`, and what to feed it with."""
    if isinstance(session, ByValue):
        return Bare(session, session.values(feeds)), {}
    return session, dict(feeds)


def array_type(name: str) -> Any:
    """numpy's type of what ONNX Runtime calls `tensor(bfloat16)`; None of what is no tensor."""
    from onnx import TensorProto, helper

    element = name.removeprefix("tensor(").removesuffix(")").upper()
    if element not in TensorProto.DataType.keys():  # noqa: SIM118 - an enumeration of protobuf's
        return None
    return helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(element))


def _as(array: Any, dtype: Any) -> Any:
    import numpy as np

    return (
        array.astype(dtype) if isinstance(array, np.ndarray) and dtype not in (None, array.dtype) else array
    )


def _plain(output: Any) -> Any:
    import numpy as np

    return plain(output) if isinstance(output, np.ndarray) and output.dtype.kind not in "OSU" else output


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
