import numpy as np
import pytest

from npubench.calibration import calibration_digest, calibration_inputs, evaluation_inputs, rounded_to_8_bits
from npubench.errors import UsageError
from npubench.specs import CalibrationSpec, TensorSpec

IMAGE = TensorSpec("x", (1, 3, 4, 4))
IDS = TensorSpec("ids", (1, 8), "int64")


def test_seeded_data_have_the_inputs_shapes_and_types():
    samples = calibration_inputs([IMAGE, IDS], CalibrationSpec(samples=3))
    assert len(samples) == 3
    assert {(n, a.shape, str(a.dtype)) for n, a in samples[0].items()} == {
        ("x", (1, 3, 4, 4), "float32"),
        ("ids", (1, 8), "int64"),
    }
    assert set(np.unique(samples[0]["ids"])) <= {0, 1}


def test_the_same_seed_gives_the_same_data():
    one, same, other = (calibration_inputs([IMAGE], CalibrationSpec(seed=seed))[0]["x"] for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_data_that_are_given_again_cannot_be_changed():
    tensors = (TensorSpec("kept", (1, 3)),)
    first, second = (calibration_inputs(tensors, CalibrationSpec()) for _ in range(2))
    assert first[0]["kept"] is second[0]["kept"]
    with pytest.raises(ValueError, match="read-only"):
        first[0]["kept"][0, 0] = 1.0
    first.clear()
    assert len(calibration_inputs(tensors, CalibrationSpec())) == len(second)


def test_8_bits_have_at_most_256_values_over_the_range_of_all_samples():
    samples = calibration_inputs([TensorSpec("x", (1, 64, 64)), IDS], CalibrationSpec(samples=3))
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
    assert (calibration_inputs([IMAGE], spec)[0]["x"] != evaluation_inputs([IMAGE], spec)[0]["x"]).any()


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 3, 4, 4), (5, 3, 4, 4), (5, 1, 3, 4, 4)])
def test_a_file_holds_one_sample_or_a_batch(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.ones(shape, np.float32))
    spec = CalibrationSpec(tmp_path / "a.npy", samples=10)
    if shape == (3, 4, 4):
        with pytest.raises(UsageError, match="wants 1x3x4x4"):
            calibration_inputs([IMAGE], spec)
        return
    samples = calibration_inputs([IMAGE], spec)
    assert len(samples) == (5 if shape[0] == 5 else 1)
    assert samples[0]["x"].shape == (1, 3, 4, 4)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for i in (2, 0, 1):
        np.savez(
            tmp_path / f"{i}.npz", x=np.full((1, 3, 4, 4), i, np.float32), ids=np.zeros((1, 8), np.int64)
        )
    samples = calibration_inputs([IMAGE, IDS], CalibrationSpec(tmp_path, samples=2))
    assert [sample["x"].max() for sample in samples] == [0, 1]


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
        calibration_inputs([IMAGE], CalibrationSpec(tmp_path))


def test_files_that_are_none_are_told_in_a_line(tmp_path):
    for path in (tmp_path, tmp_path / "none.npy", tmp_path / "a.txt"):
        with pytest.raises(UsageError, match=r"npy"):
            calibration_digest(CalibrationSpec(path))
    (tmp_path / "text.npy").write_text("hello")
    with pytest.raises(UsageError, match="no numpy file"):
        calibration_inputs([IMAGE], CalibrationSpec(tmp_path))
    np.savez(tmp_path / "text.npz", y=np.zeros(1))
    (tmp_path / "text.npy").unlink()
    with pytest.raises(UsageError, match="has no array 'x'"):
        calibration_inputs([IMAGE], CalibrationSpec(tmp_path))
