"""What one call holds, and the throughput that follows."""

from pathlib import Path

import pytest

from npubench.domain.errors import UsageError
from npubench.domain.records import (
    Failure,
    Figures,
    Kind,
    Latency,
    OnnxModel,
    RateFrom,
    SamplesFrom,
    Sampling,
)
from npubench.domain.specs import BatchAxes, FileSpec, ModelSpec, OperatorSpec, TensorSpec
from npubench.engine.assemble import parse_batch_axes, with_batch_axes
from npubench.measure.statistics import batch_axes, sampled, sampling_of, says_batch, with_throughput
from npubench.storage.details import typed
from npubench.storage.hashing import digest
from tests.sample_results import result


def model(inputs, outputs, axes=None):
    tensors = [
        tuple(TensorSpec(f"{kind}{i}", tuple(shape)) for i, shape in enumerate(shapes))
        for kind, shapes in (("x", inputs), ("y", outputs))
    ]
    return OnnxModel("m", Path("m"), "0", 13, *tensors, {}, 0, 0, 0, 0, batch_axes=axes or {})


def option(*texts):
    return parse_batch_axes(texts)


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        *(
            ("N", 1),
            ("n", 1),
            ("b", 1),
            ("B", 1),
            ("bs", 1),
            ("batch", 2),
            ("batch_size", 2),
            ("BatchSize", 2),
        ),
        *(
            ("dynamic-batch", 2),
            ("num_batches", 2),
            ("data.batch", 2),
            ("seq", 0),
            ("num_boxes", 0),
            ("Ncls", 0),
        ),
        *(("batch*heads", 0), ("batched", 0), ("", 0), ("unk__3", 0)),
    ],
)
def test_names_of_open_dimensions_that_mean_a_batch(name, rank):
    assert says_batch(name) == rank


@pytest.mark.parametrize(
    ("inputs", "axes"),
    [
        ({"x": ("N", 3, 8, 8)}, {"x": 0}),
        ({"x": ("T", "batch", 64)}, {"x": 1}),
        ({"ids": ("batch", "seq"), "mask": ("batch", "seq")}, {"ids": 0, "mask": 0}),
        # A word goes before a letter, and N of boxes beside an image is a number of boxes.
        ({"x": ("batch", "N", 3)}, {"x": 0}),
        ({"image": (1, 3, 8, 8), "boxes": ("N", 4)}, {}),
        ({"points": ("N", 3)}, {"points": 0}),
        ({"x": ("h", "w")}, {}),
        ({"x": (None, 3)}, {}),
    ],
)
def test_axes_that_a_file_calls_a_batch(inputs, axes):
    assert batch_axes(inputs.items()) == axes


@pytest.mark.parametrize(
    ("inputs", "outputs", "count", "source"),
    [
        ([(4, 3, 8, 8)], [(4, 10)], 4, SamplesFrom.LEADING_SIZE),
        ([(2, 3, 4, 8, 8)], [(2, 10), (2,)], 2, SamplesFrom.LEADING_SIZE),
        # Other ranks are side data; what does not lead every output is no batch.
        ([(4, 3, 8, 8), (7, 2)], [(4, 10)], 4, SamplesFrom.LEADING_SIZE),
        ([(4, 3, 8, 8)], [(4, 10), (1, 5)], 1, SamplesFrom.ONE_A_CALL),
        ([(4, 3, 8, 8)], [(4, 10), ()], 1, SamplesFrom.ONE_A_CALL),
        ([(4, 3, 8, 8)], [(-1,)], 1, SamplesFrom.ONE_A_CALL),
        ([(4, 3, 8, 8), (2, 3, 8, 8)], [(4, 10)], 1, SamplesFrom.ONE_A_CALL),
        # Time-major sequences, matrices, and N x clips x C x T x H x W.
        ([(35, 1, 8)], [(35, 1, 8)], 1, SamplesFrom.ONE_A_CALL),
        ([(128, 64)], [(128, 64)], 1, SamplesFrom.ONE_A_CALL),
        ([(2, 1, 3, 16, 8, 8)], [(2, 400)], 1, SamplesFrom.ONE_A_CALL),
        ([], [(4, 3)], 1, SamplesFrom.ONE_A_CALL),
    ],
)
def test_without_a_declaration_only_images_and_clips_are_batched(inputs, outputs, count, source):
    found = sampling_of(model(inputs, outputs))
    assert (found.samples_per_call, found.source) == (count, source)
    assert (found.axis is None) == (source is SamplesFrom.ONE_A_CALL)


def test_what_the_model_calls_a_batch_goes_before_ranks_and_a_contradiction_says_nothing():
    found = sampling_of(model([(5, 7)], [(5, 2)], {"x0": 0}))
    assert found == Sampling(5, SamplesFrom.SYMBOLIC_AXIS, 0, "x0")
    assert sampling_of(model([(35, 6, 8)], [(35, 6, 8)], {"x0": 1})).samples_per_call == 6
    two = model([(5, 7), (6, 7)], [(5, 2)], {"x0": 0, "x1": 0})
    assert sampling_of(two).source is SamplesFrom.ONE_A_CALL


def test_the_option_goes_before_everything():
    batch = model([(4, 3, 8, 8)], [(4, 10)], {"x0": 0})
    assert sampling_of(batch, option("none")) == Sampling(1, SamplesFrom.OPTION)
    assert sampling_of(batch, option("x0=1")) == Sampling(3, SamplesFrom.OPTION, 1, "x0")
    assert sampling_of(model([(35, 6, 8)], [(35, 6, 8)]), option("1")).samples_per_call == 6
    assert sampling_of(model([(35, 6, 8)], [(35, 6, 8)]), option("-2")).axis == 1
    # Of several inputs the images count, and one that holds no samples is left out of the rules.
    assert sampling_of(model([(4, 3, 8, 8), (9, 2)], [(4, 1)]), option("0")).samples_per_call == 4
    side = model([(4, 3, 8, 8), (2, 3, 8, 8)], [(4, 1)])
    assert sampling_of(side, option("x1=none")) == Sampling(4, SamplesFrom.LEADING_SIZE, 0, "x0")


def test_a_declaration_that_fits_no_input_is_a_failure_of_one_line():
    for inputs, text in (([(4, 6)], "5"), ([(4, 6)], "x0=2"), ([(4, 6), (3, 6)], "0")):
        failure = sampling_of(model(inputs, [(4, 6)]), option(text))
        assert isinstance(failure, Failure)
        assert failure.message.startswith("--batch-axis")
        assert "\n" not in failure.message


@pytest.mark.parametrize(
    "texts", [("x",), ("=0",), ("x=1.5",), ("0", "1"), ("none", "x=0"), ("x=0", "x=none")]
)
def test_words_that_are_no_axis(texts):
    with pytest.raises(UsageError, match="--batch-axis"):
        parse_batch_axes(texts)


def test_a_name_goes_to_the_cases_that_have_it_and_one_that_none_has_is_refused():
    one = OperatorSpec("one", "Relu", 13, (TensorSpec("a", (4, 3)),), (), (), ("y",))
    other = OperatorSpec("other", "Relu", 13, (TensorSpec("b", (4, 3)),), (), (), ("y",))
    found = with_batch_axes([one, other], option("a=0"))
    assert [case.batch for case in found] == [option("a=0"), None]
    with pytest.raises(UsageError, match="did you mean 'a'"):
        with_batch_axes([one], option("aa=0"))
    with pytest.raises(UsageError, match="has 2 dimensions"):
        with_batch_axes([one], option("a=2"))


def test_where_samples_lie_decides_no_file():
    specs = (
        FileSpec("f", Path("f.onnx")),
        ModelSpec("m", "mmpretrain", "c", "t", (), None, 13),
        OperatorSpec("o", "Relu", 13, (), (), (), ()),
    )
    for spec in specs:
        (other,) = with_batch_axes([spec], option("0"))
        assert other.batch == BatchAxes((("", 0),), SamplesFrom.OPTION)
        assert digest(other) == digest(spec)


@pytest.mark.parametrize("kind", [Kind.MEASURED, Kind.SIMULATED])
def test_throughput_is_one_definition_whatever_a_tool_says(kind):
    figures = Figures(kind, Latency(9, 500.0, p50=400.0), throughput_fps=99.0)
    found = with_throughput(figures, Sampling(4, SamplesFrom.OPTION, 0, "x"))
    assert found.throughput_fps == pytest.approx(8000.0)
    assert found.throughput_from is RateFrom.MEAN_LATENCY
    assert found.tool_throughput_fps == 99.0
    assert with_throughput(found, found.sampling) == found


def test_what_was_published_or_has_no_latency_stays():
    sampling = Sampling(4, SamplesFrom.OPTION, 0, "x")
    for figures in (Figures(Kind.PUBLISHED, Latency(1, 5.0)), Figures(Kind.SIMULATED, throughput_fps=7.0)):
        assert with_throughput(figures, sampling) == figures


def test_an_imported_row_goes_by_the_tensors_that_the_runner_listed():
    listed = {"inputs": [{"name": "x", "shape": [4, 3, 8, 8]}], "outputs": [{"name": "y", "shape": [4, 9]}]}
    figures = typed(Figures(Kind.MEASURED, Latency(9, 1000.0), details=listed))
    row = result(inputs=(), outputs=(), figures=figures)
    assert sampled(row).figures.throughput_fps == pytest.approx(4000.0)
    assert sampled(row, option("none")).figures.throughput_fps == pytest.approx(1000.0)
    assert sampled(row, option("x=1")).figures.sampling == Sampling(3, SamplesFrom.OPTION, 1, "x")
