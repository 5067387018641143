"""Values of the ONNX project's tests as ONNX Runtime takes and gives them.

Its Python binding knows no bfloat16, float8, int4 and the like as arrays. Their bytes are those of a
`TensorProto`'s `raw_data` (onnx.proto: little-endian, two or four to a byte where they are that small).
"""

import ctypes
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Test data as ONNX Runtime takes it: arrays, lists of arrays, nothing."""
    import numpy as np
    import onnx

    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, onnx.SequenceProto):
        return plain(onnx.numpy_helper.to_list(value))
    if isinstance(value, onnx.OptionalProto):
        return plain(onnx.numpy_helper.to_optional(value))
    if isinstance(value, list):
        return [plain(one) for one in value]
    return np.asarray(value) if isinstance(value, np.generic) else value


def run(session: Any, feeds: Mapping[str, Any], wanted: list[Any]) -> list[Any]:
    """The outputs for `feeds`, of the types of `wanted`. Raises what ONNX Runtime raises."""
    if any(_needs_bytes(value) for value in (*feeds.values(), *wanted)):
        values = session.run_with_ort_values(None, {name: _to_value(value) for name, value in feeds.items()})
        return [_from_value(value) for value in values]
    outputs: list[Any] = session.run(None, dict(feeds))
    return outputs


def _needs_bytes(value: Any) -> bool:
    import numpy as np

    return isinstance(value, np.ndarray) and value.dtype.isbuiltin != 1


def _to_value(array: Any) -> Any:
    import onnxruntime
    from onnx import numpy_helper

    if not _needs_bytes(array):
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)
    tensor = numpy_helper.from_array(array)
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(array.shape), tensor.data_type)
    if len(tensor.raw_data) != value.tensor_size_in_bytes():
        raise RuntimeError(f"ONNX Runtime keeps {array.dtype} in another number of bytes than ONNX")
    ctypes.memmove(value.data_ptr(), tensor.raw_data, len(tensor.raw_data))
    return value


def _from_value(value: Any) -> Any:
    from onnx import TensorProto, numpy_helper

    kind = value.element_type()
    if kind == TensorProto.STRING:
        return value.numpy()
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return numpy_helper.to_array(TensorProto(dims=value.shape(), data_type=kind, raw_data=raw))
