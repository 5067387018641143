"""Element types by name, those that numpy has only through ml_dtypes among them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def numpy_dtype(name: str) -> "np.dtype[Any]":
    """The type of a `TensorSpec`. Raises TypeError for a name that neither numpy nor ml_dtypes knows."""
    # Importing it teaches numpy bfloat16, float8, int4 and the like.
    import ml_dtypes  # noqa: F401
    import numpy as np

    return np.dtype(name)


def plain(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The same numbers in a type of numpy's own that holds all of them: float32 or int8."""
    import numpy as np

    if array.dtype.isbuiltin == 1:
        return array
    return array.astype(np.int8 if "int" in array.dtype.name else np.float32)
