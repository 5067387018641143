import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.records import Kind, LayerLoss
from npubench.measure.accuracy import (
    Score,
    at_chance,
    class_scores,
    drop,
    hits,
    problem,
    scored,
    share,
    worst,
)

BASE = Score("net", "local", "onnxruntime", "int8", Kind.MEASURED, False, 0)


def test_hits_count_the_label_among_the_largest():
    outputs = np.array([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3], [0.2, 0.3, 0.5]])
    labels = np.array([1, 2, 0])
    assert hits(outputs, labels, 1).tolist() == [True, False, False]
    assert hits(outputs, labels, 2).tolist() == [True, True, False]


def test_a_constant_output_and_nan_are_right_about_nothing():
    labels = np.array([0, 1])
    assert not hits(np.zeros((2, 10)), labels, 5).any()
    broken = np.array([[9.0, np.nan], [0.0, 1.0]])
    assert hits(broken, labels, 1).tolist() == [False, True]


def test_wilsons_interval():
    found = share(np.arange(263) < 81)
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert share(np.ones(10, bool)).high == pytest.approx(1.0)


def test_a_real_drop_is_told_from_chance():
    found = drop(np.ones(200, bool), np.arange(200) < 180)
    assert (found.value, found.low > 0.05, found.high < 0.16) == (pytest.approx(0.1), True, True)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_a_drop_lies_in_its_interval_nearly(pairs):
    reference, right = (np.array(one) for one in zip(*pairs, strict=True))
    found = drop(reference, right)
    assert found.low < found.high
    assert found.value == pytest.approx(reference.mean() - right.mean())
    assert found.low - 1 / len(pairs) <= found.value <= found.high + 1 / len(pairs)


def test_no_disagreement_still_leaves_a_doubt_that_shrinks():
    few, many = (drop(np.ones(n, bool), np.ones(n, bool)) for n in (10, 1000))
    assert few.low < 0 < few.high
    assert many.high < few.high / 10


def test_scores_of_five_classes_have_no_top_5():
    outputs = np.eye(5)
    found = scored(BASE, outputs, np.arange(5), outputs[::-1])
    assert (found.top1.value, found.top5, found.drop_top5) == (1.0, None, None)
    assert found.drop_top1.value == pytest.approx(0.2 - 1.0)
    assert scored(BASE, outputs, np.arange(5), None).drop_top1 is None


def test_outputs_that_are_no_scores():
    labels = np.array([0, 9])
    assert "samples x classes" in problem(np.zeros((2, 3, 3)), labels)
    assert "label 9 with 4 classes" in problem(np.zeros((2, 4)), labels)
    assert problem(np.zeros((2, 10)), labels) == ""


def test_the_worst_layers_come_first():
    losses = [LayerLoss("a", "Conv", 0.9), LayerLoss("b", "Conv", 0.5), LayerLoss("c", "Relu", 1.0)]
    assert [one.name for one in worst(losses, 2)] == ["b", "a"]


@pytest.mark.parametrize(
    ("shape", "made"),
    [
        ((5, 3, 1, 1), (5, 3)), ((5, 1, 3), (5, 3)), ((5, 1, 1, 3), (5, 3)), ((5, 3), (5, 3)), ((5, 1), (5, 1)),
        ((5, 1, 1), (5, 1)), ((1, 3, 1), (1, 3)), ((5, 3, 2), (5, 3, 2)),
    ],
)  # fmt: skip
def test_axes_of_one_are_no_axes(shape, made):
    assert class_scores(np.zeros(shape)).shape == made


def test_a_reference_that_only_guesses_says_what_to_check():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 300)
    guessed = at_chance(rng.normal(size=(300, 10)), labels)
    assert "chance, 10.00 %: check labels, preprocessing, range" in guessed
    # Always wrong, as with labels of another order.
    assert "0.00 % is not above chance" in at_chance(np.eye(10)[(labels + 1) % 10], labels)
    assert at_chance(np.eye(10)[labels], labels) == ""
    half = np.where(rng.random(300) < 0.5, labels, (labels + 1) % 10)
    assert at_chance(np.eye(10)[half], labels) == ""
    most = np.where(np.arange(300) < 290, 0, 1)
    assert "class 0 is its answer to every sample" in at_chance(np.eye(2)[np.zeros(300, int)], most)
    # Few samples, all of them right.
    assert at_chance(np.eye(2), np.arange(2)) == ""
