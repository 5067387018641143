"""What `calibration` promises of numbers: what 8 bits hold, and that nothing is evaluated that calibrated."""

import numpy as np

from npubench.domain.specs import CalibrationSpec, ModelInputs, TensorSpec
from npubench.measure.calibration import calibration_inputs, choose, evaluation_inputs, rounded_to_8_bits

X = ModelInputs((TensorSpec("x", (1, 4)),))


def test_8_bits_are_255_steps_from_the_least_to_the_greatest_of_all_samples_and_0():
    samples = [{"x": np.float32([[0.0, 51.0, 100.4, 255.0]])}, {"x": np.float32([[1.6, 2.0, 3.0, 4.0]])}]
    rounded = rounded_to_8_bits(samples)
    assert rounded[0]["x"].tolist() == [[0.0, 51.0, 100.0, 255.0]]
    assert rounded[1]["x"].tolist() == [[2.0, 2.0, 3.0, 4.0]]
    (far_from_0,) = rounded_to_8_bits([{"x": np.float32([[254.6, 255.0, 254.0, 253.0]])}])
    assert far_from_0["x"].tolist() == [[255.0, 255.0, 254.0, 253.0]]
    (whole,) = rounded_to_8_bits([{"x": np.int64([[1, 2, 3, 400]])}])
    assert whole["x"].tolist() == [[1, 2, 3, 400]]


def test_seeded_data_that_are_evaluated_are_others_than_those_that_calibrate():
    spec = CalibrationSpec(samples=4)
    calibrating = {sample["x"].tobytes() for sample in calibration_inputs(X, spec)}
    evaluated = {sample["x"].tobytes() for sample in evaluation_inputs(X, spec)}
    assert len(calibrating) == len(evaluated) == 4
    assert not calibrating & evaluated


def test_a_sample_equal_to_one_that_calibrates_is_not_evaluated(tmp_path):
    kinds = np.arange(16, dtype=np.float32).reshape(4, 1, 4)
    np.save(tmp_path / "x.npy", np.concatenate([kinds[:1]] * 9 + [kinds[1:]])[:, 0])
    chosen = choose(X, CalibrationSpec(tmp_path / "x.npy", 0, 8))
    calibrating = {sample["x"].tobytes() for sample in chosen.calibration()}
    assert not calibrating & {sample["x"].tobytes() for sample in chosen.evaluation()}
    assert chosen.left_out > 0
