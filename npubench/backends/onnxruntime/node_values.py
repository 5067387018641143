"""Values of the ONNX project's tests as ONNX Runtime takes and gives them."""

from collections.abc import Mapping
from typing import Any

from npubench.backends.onnxruntime.values import ByValue, needs_bytes


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
    by_value = any(needs_bytes(value) for value in (*feeds.values(), *wanted))
    outputs: list[Any] = (ByValue(session) if by_value else session).run(None, dict(feeds))
    return outputs
