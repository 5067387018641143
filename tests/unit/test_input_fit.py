"""Arrays that do not fit an input are refused with the sample and the input named."""

import numpy as np
import pytest

from npubench.domain.errors import UsageError
from npubench.domain.specs import Content, ContentKind, ModelInputs, Preprocessing, TensorSpec
from npubench.measure.inputs import fitted


def fit(array, dtype="float32", content=None, preprocessing=None):
    array = np.asarray(array)
    tensor = TensorSpec("x", (1, *array.shape[1:]), dtype)
    return fitted(
        array, tensor, ModelInputs((tensor,), {"x": content} if content else {}, preprocessing), "a.npy"
    )


WRONG = {
    "floats of 0..1 for uint8": (np.random.default_rng(0).random((3, 2), np.float32), "uint8", "is float32, the model wants uint8"),
    "whole floats for uint8": (np.ones((3, 2)), "uint8", "is float64, the model wants uint8"),
    "floats for ids": (np.ones((3, 2), np.float32), "int64", "is float32, the model wants int64"),
    "below uint8": (np.array([[1, 2], [3, -4]]), "uint8", "sample 2 of 'x' holds -4, uint8 holds 0..255"),
    "above uint8": (np.array([[1, 2], [256, 4]]), "uint8", "sample 2 of 'x' holds 256, uint8 holds 0..255"),
    "16 bits for 8": (np.ones((2, 2), np.uint16), "uint8", "is uint16, the model wants uint8"),
    "above int8": (np.full((2, 2), 200, np.uint8), "int8", "sample 1 of 'x' holds 200, int8 holds -128..127"),
    "above int32": (np.array([[0], [2**40]]), "int32", "sample 2 of 'x' holds 1099511627776"),
    "numbers for flags": (np.array([[0], [1], [2]]), "bool", "sample 3 of 'x' holds 2, bool holds 0..1"),
    "NaN": (np.array([[0], [np.nan]], np.float32), "float32", "sample 2 of 'x' holds NaN"),
    "infinity": (np.array([[0], [1], [-np.inf]]), "float32", "sample 3 of 'x' holds infinity"),
    "beyond float32": (np.array([[1e300]]), "float32", r"sample 1 of 'x' holds 1e\+300, beyond float32"),
    "beyond float16": (np.array([[1.0], [70000.0]], np.float32), "float16", "sample 2 of 'x' holds 70000.0, beyond float16"),
    "complex": (np.ones((1, 1), np.complex64), "float32", "is complex64"),
    "text": (np.array([["a"]]), "float32", "is <U1"),
}  # fmt: skip


@pytest.mark.parametrize("how", WRONG)
def test_what_does_not_fit(how):
    array, dtype, told = WRONG[how]
    with pytest.raises(UsageError, match=told):
        fit(array, dtype)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("uint8", "float32"), ("float64", "float32"), ("float32", "float16"), ("int64", "uint8"),
        ("int64", "int32"), ("bool", "uint8"), ("uint8", "int8"), ("int8", "int64"), ("uint8", "bool"),
    ],
)  # fmt: skip
def test_numbers_that_fit_are_converted(given, wanted):
    array = np.array([[0, 1], [1, 0]]).astype(given)
    found = fit(array, wanted)
    assert found.dtype == wanted
    assert (found == array).all()


def test_an_index_beyond_its_table_is_refused_and_one_from_its_end_is_not():
    table = Content(ContentKind.INDICES, 0, 99, "indices of 100 in 'table'")
    assert fit(np.array([[99], [-100]]), "int64", table).min() == -100
    with pytest.raises(UsageError, match=r"sample 2 of 'x' holds 100, indices of 100 in 'table' -100\.\.99"):
        fit(np.array([[99], [100]]), "int64", table)


def test_pixels_without_their_preprocessing_are_refused():
    imagenet = Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "rgb")
    raw = np.full((2, 3, 4, 4), 200.0, np.float32)
    with pytest.raises(
        UsageError, match=r"sample 1 of 'x' holds 200.0, preprocessing makes numbers up to 2.64"
    ):
        fit(raw, preprocessing=imagenet)
    assert fit(raw / 100, preprocessing=imagenet).max() == 2
