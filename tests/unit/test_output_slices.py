"""Outputs beside the reference's: slices that are lost, outputs of one number, masks, and words for what lacks."""

import numpy as np
import pytest

from npubench.domain.records import NoAccuracy
from npubench.measure.outputs import CHUNK, accuracy_of, no_accuracy_of, similarity

RANDOM = np.random.default_rng(0)


def worst_of(*pairs):
    """The worst slice of an output over pairs of arrays, ours and the reference, and how many are dead."""
    figures = similarity([[a] for a, _ in pairs], [[b] for _, b in pairs]).figures
    return figures["worst_slice"], figures["dead_slices"]


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def boxes_and_scores(entries=256):
    theirs = np.concatenate([640 * normal(1, 4, entries), np.abs(normal(1, 10, entries))], axis=1)
    ours = theirs.copy()
    ours[:, 4:] = 0
    return ours, theirs


def test_a_block_that_is_lost_shows_in_its_slices_and_in_no_cosine_of_all():
    ours, theirs = boxes_and_scores()
    found = similarity([[ours]], [[theirs]], names=["output0"]).figures
    assert found["cosine"] > 0.9999
    assert found["worst_slice"] == {"output": "output0", "axis": 1, "index": 4, "cosine": 0.0}
    assert found["dead_slices"] == 10
    assert accuracy_of({"accuracy": {**found, "samples": 1}}).worst_slice.index == 4


@pytest.mark.parametrize(
    "shape",
    [(1, 14, 256), (2, 3, 5, 7), (40, 2), (3, CHUNK + 5), (2, 5, CHUNK // 4, 3), (1, 600, 8), (9, 1, 33)],
)
def test_slices_are_those_of_the_whole_whatever_the_pieces(shape):
    theirs = [normal(*shape), normal(*shape)]
    ours = [one + normal(*shape) / 10 for one in theirs]
    a, b = np.stack(ours).astype(float), np.stack(theirs).astype(float)
    expected = []
    for axis, size in enumerate(shape):
        if 2 <= size <= 512 and a[0].size // size >= 8:
            for index in range(size):
                x, y = (np.take(one, index, axis + 1).ravel() for one in (a, b))
                expected.append((x @ y / np.linalg.norm(x) / np.linalg.norm(y), axis, index))
    found, dead = worst_of(*zip(ours, theirs, strict=True))
    cosine, axis, index = min(expected)
    assert (found["axis"], found["index"], dead) == (axis, index, 0)
    assert found["cosine"] == pytest.approx(cosine, rel=1e-12)


def test_what_has_no_direction_is_no_slice():
    # A class's logits are single numbers, an axis of more than 512 entries is not cut.
    assert worst_of((normal(1, 10), normal(1, 10))) == (None, None)
    assert worst_of((normal(1, 1000), normal(1, 1000))) == (None, None)
    assert worst_of((normal(3), normal(3)), (normal(4), normal(4))) == (None, None)
    # Samples of several shapes have no common slices.
    assert worst_of((normal(2, 9), normal(2, 9)), (normal(2, 8), normal(2, 8))) == (None, None)


def test_slices_that_are_zero_or_constant_in_the_reference_are_not_dead():
    theirs = np.stack([normal(64), np.zeros(64), np.full(64, 0.5)])
    ours = theirs.copy()
    ours[1] = 0.001
    found, dead = worst_of((ours, theirs))
    assert (found["cosine"], dead) == (pytest.approx(1.0), 0)
    ours[0] = 0.7
    assert worst_of((ours, theirs))[1] == 1
    assert worst_of((theirs, np.zeros_like(theirs)))[0] is None


def test_minus_infinity_of_a_mask_counts_nowhere():
    theirs = normal(1, 4, 64)
    theirs[0, :, 32:] = -np.inf
    ours = np.where(np.isfinite(theirs), theirs, -128.0)
    found = similarity([[ours]], [[theirs]])
    assert (found.wrong, found.no_accuracy) == ("", None)
    assert found.figures["cosine"] == pytest.approx(1.0)
    assert found.figures["max_abs"] == 0
    assert found.figures["worst_slice"]["cosine"] == pytest.approx(1.0)
    nothing = similarity([[ours]], [[np.full_like(theirs, -np.inf)]])
    assert (nothing.figures, nothing.no_accuracy) == (None, NoAccuracy.NOT_COMPARED)


@pytest.mark.parametrize(
    ("ours", "word", "told"),
    [
        (np.zeros((1, 4, 16)), NoAccuracy.ALL_ZEROS, "y is all zeros where FP32's is not"),
        (np.full((1, 4, 16), 0.25), NoAccuracy.CONSTANT, "y is constant where FP32's is not"),
    ],
)
def test_outputs_of_one_number_are_wrong_results_and_not_no_accuracy(ours, word, told):
    theirs = normal(1, 4, 16) + 2
    found = similarity([[ours, theirs]], [[theirs, theirs]], names=["y", "z"])
    assert (found.no_accuracy, found.why, found.figures["cosine"]) == (word, told, None)
    reason, note = no_accuracy_of(found.as_answer())
    assert (reason, str(note)) == (word, told)
    # Where the reference is constant as well, all is right.
    assert similarity([[np.full(9, 2.0)]], [[np.full(9, 2.0)]]).no_accuracy is None
    assert similarity([[np.zeros(9)]], [[np.zeros(9)]]).figures["cosine"] == 1.0


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_outputs_that_are_no_numbers_where_the_reference_s_are_cannot_be_right(number):
    ours, theirs = normal(1, 4, 16), normal(1, 4, 16)
    ours[0, 2, 3] = number
    assert (
        similarity([[ours]], [[theirs]], names=["y"]).wrong
        == "y holds NaN or infinity where FP32's holds none"
    )


def test_an_output_that_is_zero_in_fp32_says_why_there_is_no_cosine():
    found = similarity([[normal(8)]], [[np.zeros(8)]], names=["y"])
    assert (found.no_accuracy, found.why) == (NoAccuracy.NOT_COMPARED, "y is all zeros in FP32")


def test_an_answer_that_says_nothing_was_not_compared():
    assert no_accuracy_of({"accuracy": None})[0] is NoAccuracy.NOT_COMPARED
    assert no_accuracy_of({"accuracy": {"cosine": 1.0}}) == (None, "")
