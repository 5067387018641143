import numpy as np
import pytest

from npubench.domain.errors import UsageError
from npubench.domain.specs import CalibrationSpec, ModelInputs, Preprocessing, TensorSpec
from npubench.measure.calibration import (
    calibration_digest,
    calibration_inputs,
    choose,
    evaluation_inputs,
    rounded_to_8_bits,
)

IMAGE = TensorSpec("x", (1, 3, 4, 4))
IDS = TensorSpec("ids", (1, 8), "int64")
ONE = ModelInputs((IMAGE,))
FED = ModelInputs((IMAGE, IDS))


def test_seeded_data_have_the_inputs_shapes_and_types():
    samples = calibration_inputs(FED, CalibrationSpec(samples=3))
    assert len(samples) == 3
    assert {(n, a.shape, str(a.dtype)) for n, a in samples[0].items()} == {
        ("x", (1, 3, 4, 4), "float32"),
        ("ids", (1, 8), "int64"),
    }
    assert set(np.unique(samples[0]["ids"])) <= {0, 1}


def test_the_same_seed_gives_the_same_data():
    one, same, other = (calibration_inputs(ONE, CalibrationSpec(seed=seed))[0]["x"] for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_data_that_are_given_again_cannot_be_changed():
    tensors = ModelInputs((TensorSpec("kept", (1, 3)),))
    first, second = (calibration_inputs(tensors, CalibrationSpec()) for _ in range(2))
    assert first[0]["kept"] is second[0]["kept"]
    with pytest.raises(ValueError, match="read-only"):
        first[0]["kept"][0, 0] = 1.0
    first.clear()
    assert len(calibration_inputs(tensors, CalibrationSpec())) == len(second)


def test_8_bits_have_at_most_256_values_over_the_range_of_all_samples():
    samples = calibration_inputs(ModelInputs((TensorSpec("x", (1, 64, 64)), IDS)), CalibrationSpec(samples=3))
    rounded = rounded_to_8_bits(samples)
    before, after = (np.stack([one["x"] for one in kind]) for kind in (samples, rounded))
    step = (before.max() - before.min()) / 255
    assert 200 < len(np.unique(after)) <= 257
    assert 0 < np.abs(after - before).max() <= step * 0.5001
    assert after.dtype == np.float32
    assert all((a["ids"] == b["ids"]).all() for a, b in zip(samples, rounded, strict=True))
    assert rounded_to_8_bits([{"x": np.zeros(3, np.float32)}])[0]["x"].tolist() == [0, 0, 0]
    assert rounded_to_8_bits([]) == []


def test_outputs_are_compared_on_other_data_than_those_of_calibration():
    spec = CalibrationSpec()
    assert (calibration_inputs(ONE, spec)[0]["x"] != evaluation_inputs(ONE, spec)[0]["x"]).any()


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 3, 4, 4), (5, 3, 4, 4), (5, 1, 3, 4, 4)])
def test_a_file_holds_one_sample_or_several(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=shape).astype(np.float32))
    samples = calibration_inputs(ONE, CalibrationSpec(tmp_path / "a.npy", samples=10))
    assert len(samples) == (4 if shape[0] == 5 else 1)
    assert samples[0]["x"].shape == (1, 3, 4, 4)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for i in (2, 0, 1):
        np.savez(
            tmp_path / f"{i}.npz", x=np.full((1, 3, 4, 4), i, np.float32), ids=np.zeros((1, 8), np.int64)
        )
    spec = CalibrationSpec(tmp_path, samples=2)
    first, second = (
        [one["x"].max() for one in make(FED, spec)] for make in (calibration_inputs, evaluation_inputs)
    )
    assert (first, len(second)) == (sorted(first), 1)
    assert {*first, *second} == {0, 1, 2}


def test_the_digest_follows_seed_count_and_content(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1, 3, 4, 4), np.float32))
    specs = [
        CalibrationSpec(),
        CalibrationSpec(seed=1),
        CalibrationSpec(samples=9),
        CalibrationSpec(tmp_path),
    ]
    before = [calibration_digest(spec) for spec in specs]
    assert len(set(before)) == 4
    np.save(tmp_path / "a.npy", np.ones((1, 3, 4, 4), np.float32))
    assert calibration_digest(CalibrationSpec(tmp_path)) != before[3]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((1, 3, 5, 4), np.float32), "has shape 1x3x5x4, the model wants 1x3x4x4"),
        (np.zeros((0, 3, 4, 4), np.float32), "has shape 0x3x4x4"),
        (np.zeros((1, 3, 4, 4), np.complex64), "is complex64"),
        (np.array([{"a": 1}], dtype=object), "no numpy file"),
    ],
)
def test_data_that_do_not_fit_are_told_in_a_line(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(UsageError, match=words):
        calibration_inputs(ONE, CalibrationSpec(tmp_path))


def test_files_that_are_none_are_told_in_a_line(tmp_path):
    for path in (tmp_path, tmp_path / "none.npy", tmp_path / "a.txt"):
        with pytest.raises(UsageError, match=r"npy"):
            calibration_digest(CalibrationSpec(path))
    (tmp_path / "text.npy").write_text("hello")
    with pytest.raises(UsageError, match="no numpy file"):
        calibration_inputs(ONE, CalibrationSpec(tmp_path))
    np.savez(tmp_path / "text.npz", y=np.zeros(1))
    (tmp_path / "text.npy").unlink()
    with pytest.raises(UsageError, match="has no array 'x'"):
        calibration_inputs(ONE, CalibrationSpec(tmp_path))


def numbered(count, shape=(3, 4, 4)):
    """Samples that are known by their first number."""
    return np.arange(count, dtype=np.float32).reshape(-1, *[1] * len(shape)) + np.zeros(shape, np.float32)


def known(samples):
    return [float(row.ravel()[0]) for one in samples for row in one["x"]]


@pytest.mark.parametrize(
    ("total", "asked", "calibrated", "evaluated"),
    [
        (2, 8, 1, 1),
        (8, 8, 6, 2),
        (9, 8, 7, 2),
        (20, 8, 8, 8),
        (100, 90, 90, 10),
        (100, 4, 4, 4),
        (5, 1, 1, 1),
    ],
)
@pytest.mark.parametrize("files", ["one", "many"])
def test_some_of_the_users_samples_are_held_out(tmp_path, total, asked, calibrated, evaluated, files):
    if files == "one":
        np.save(tmp_path / "a.npy", numbered(total))
    else:
        for index, one in enumerate(numbered(total)):
            np.save(tmp_path / f"{index:03}.npy", one[None])
    spec = CalibrationSpec(tmp_path, samples=asked)
    first, second = known(calibration_inputs(ONE, spec)), known(evaluation_inputs(ONE, spec))
    assert (len(first), len(second)) == (calibrated, evaluated)
    assert not set(first) & set(second)
    use = choose(ONE, spec).use()
    assert (use.calibrated, use.evaluated, use.held_out, use.note) == (calibrated, evaluated, True, "")
    assert known(calibration_inputs(ONE, spec)) == first
    if 1 < asked < total:
        assert known(calibration_inputs(ONE, CalibrationSpec(tmp_path, 5, asked))) != first


def test_one_sample_is_told(tmp_path):
    np.save(tmp_path / "a.npy", numbered(1))
    use = choose(ONE, CalibrationSpec(tmp_path)).use()
    assert (use.calibrated, use.evaluated, use.held_out) == (1, 1, False)
    assert "too few samples" in str(use.note)


def test_copies_of_what_calibrates_are_not_evaluated_on(tmp_path):
    np.save(tmp_path / "a.npy", np.concatenate([numbered(6), numbered(6)]))
    spec = CalibrationSpec(tmp_path, samples=6)
    first, second = known(calibration_inputs(ONE, spec)), known(evaluation_inputs(ONE, spec))
    assert not set(first) & set(second)
    assert "equal to one that calibrates" in str(choose(ONE, spec).use().note)
    np.save(tmp_path / "a.npy", np.zeros((9, 3, 4, 4), np.float32))
    assert not choose(ONE, spec).use().held_out


@pytest.mark.parametrize("total", [1, 3, 8])
def test_single_samples_fill_a_fixed_batch(tmp_path, total):
    pairs = ModelInputs((TensorSpec("x", (2, 3, 4, 4)),))
    np.save(tmp_path / "a.npy", numbered(total))
    chosen = choose(pairs, CalibrationSpec(tmp_path, samples=6))
    calls = (*chosen.calibration(), *chosen.evaluation())
    assert {one["x"].shape for one in calls} == {(2, 3, 4, 4)}
    assert set(known(calls)) == set(range(total))
    assert chosen.use().calibrated == {1: 1, 3: 2, 8: 6}[total]


def test_batches_that_are_given_whole_stay_together(tmp_path):
    pairs = ModelInputs((TensorSpec("x", (2, 3, 4, 4)),))
    np.save(tmp_path / "a.npy", numbered(8).reshape(4, 2, 3, 4, 4))
    calls = calibration_inputs(pairs, CalibrationSpec(tmp_path))
    assert len(calls) == 3
    assert all(second == first + 1 for first, second in np.reshape(known(calls), (-1, 2)))


def test_time_first_is_no_batch(tmp_path):
    """Whole sequences are never taken apart, though their leading size is not 1."""
    steps = ModelInputs((TensorSpec("x", (35, 1, 12)),))
    np.save(tmp_path / "a.npy", numbered(4, (35, 1, 12)))
    for one in calibration_inputs(steps, CalibrationSpec(tmp_path)):
        assert len(np.unique(one["x"])) == 1


def test_images_calibrate_through_the_models_preprocessing(tmp_path):
    from PIL import Image

    for index in range(8):
        (tmp_path / "cats").mkdir(exist_ok=True)
        Image.new("RGB", (9, 7), (index, 10, 20)).save(tmp_path / "cats" / f"{index}.png")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "cats" / "._0.png").write_bytes(b"no image")
    (tmp_path / ".hidden" / "a.png").write_bytes(b"no image")
    (tmp_path / "__MACOSX" / "a.png").write_bytes(b"no image")
    (tmp_path / "loop").symlink_to(tmp_path)
    bgr = ModelInputs((IMAGE,), preprocessing=Preprocessing((20.0, 0.0, 0.0), (1.0, 10.0, 1.0), "bgr"))
    chosen = choose(bgr, CalibrationSpec(tmp_path))
    found = np.concatenate([one["x"] for one in (*chosen.calibration(), *chosen.evaluation())])
    assert sorted(found[:, 2, 0, 0]) == list(range(8))
    assert (set(found[:, 0].ravel()), set(found[:, 1].ravel())) == ({0.0}, {1.0})
    assert len(chosen.calibration()) == 6


def test_nan_is_refused_wherever_it_lies(tmp_path):
    data = numbered(40)
    data[30, 1, 2, 3] = np.nan
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(UsageError, match=r"a.npy: sample 31 of 'x' holds NaN"):
        calibration_inputs(ONE, CalibrationSpec(tmp_path, samples=2))
    (tmp_path / "a.npy").unlink()
    np.savez(tmp_path / "b.npz", x=data, ids=np.zeros((40, 8), np.int64))
    with pytest.raises(UsageError, match=r"b.npz: sample 31 of 'x' holds NaN"):
        calibration_inputs(FED, CalibrationSpec(tmp_path))


def test_a_deviation_of_0_is_told():
    broken = ModelInputs((IMAGE,), preprocessing=Preprocessing((0.0,) * 3, (1.0, 0.0, 1.0), "rgb"))
    with pytest.raises(UsageError, match="a deviation of 0 makes infinity"):
        calibration_inputs(broken, CalibrationSpec())


def test_files_of_evaluation_alone_are_compared_on(tmp_path):
    np.save(tmp_path / "a.npy", numbered(3))
    np.save(tmp_path / "b.npy", numbered(5) + 10)
    spec = CalibrationSpec(tmp_path / "a.npy", samples=3, evaluation=tmp_path / "b.npy")
    assert known(calibration_inputs(ONE, spec)) == [0, 1, 2]
    assert known(evaluation_inputs(ONE, spec)) == [10, 11, 12]
