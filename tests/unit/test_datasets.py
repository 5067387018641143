import numpy as np
import pytest

from npubench.domain.errors import UsageError
from npubench.domain.specs import ModelInputs, Preprocessing, TensorSpec
from npubench.measure.datasets import facts, load, split, without

IMAGE = TensorSpec("image", (1, 1, 2, 2))
COLOR = TensorSpec("image", (1, 3, 4, 4))
SAMPLES = np.arange(24, dtype=np.float32).reshape(6, 1, 2, 2)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def fed(tensor):
    return ModelInputs((tensor,))


def folders(path, names):
    for number, name in enumerate(names):
        (path / name).mkdir(parents=True)
        np.save(path / name / "a.npy", SAMPLES[number])
    return path


@pytest.mark.parametrize("names", [("inputs", "labels"), ("images", "labels"), ("x", "y")])
def test_arrays_in_a_folder(tmp_path, names):
    np.save(tmp_path / f"{names[0]}.npy", SAMPLES)
    np.save(tmp_path / f"{names[1]}.npy", LABELS)
    found = load(tmp_path, fed(IMAGE))
    assert (found.inputs == SAMPLES).all()
    assert (found.labels == LABELS).all()


def test_arrays_in_one_file(tmp_path):
    np.savez(tmp_path / "data.npz", inputs=SAMPLES, labels=LABELS)
    assert len(load(tmp_path / "data.npz", fed(IMAGE))) == len(load(tmp_path, fed(IMAGE))) == 6


def test_folders_named_by_numbers_are_those_classes(tmp_path):
    assert load(folders(tmp_path, ["7", "10", "2"]), fed(IMAGE)).labels.tolist() == [10, 2, 7]


def test_folders_named_otherwise_count_in_order(tmp_path):
    assert load(folders(tmp_path, ["dog", "cat"]), fed(IMAGE)).labels.tolist() == [0, 1]
    assert load(tmp_path, fed(IMAGE)).inputs[0].ravel().tolist() == SAMPLES[1].ravel().tolist()


def test_a_list_of_classes_says_what_counts_how(tmp_path):
    folders(tmp_path, ["dog", "cat"])
    (tmp_path / "classes.txt").write_text("bird\ncat\ndog\n")
    assert load(tmp_path, fed(IMAGE)).labels.tolist() == [1, 2]
    (tmp_path / "classes.txt").write_text("bird\ncat\n")
    with pytest.raises(UsageError, match="lacks dog"):
        load(tmp_path, fed(IMAGE))


def test_images_take_the_models_mean_order_and_size(tmp_path):
    from PIL import Image

    (tmp_path / "0").mkdir()
    Image.new("RGB", (9, 5), (255, 128, 0)).save(tmp_path / "0" / "a.png")
    plain = load(tmp_path, fed(COLOR))
    assert plain.inputs.shape == (1, 3, 4, 4)
    assert plain.inputs[0, :, 0, 0].tolist() == pytest.approx([1.0, 128 / 255, 0.0])
    assert "0..1" in plain.note
    bgr = Preprocessing((0.0, 28.0, 55.0), (1.0, 10.0, 100.0), "bgr")
    found = load(tmp_path, ModelInputs((COLOR,), preprocessing=bgr))
    assert found.inputs[0, :, 0, 0].tolist() == pytest.approx([0.0, 10.0, 2.0])
    assert found.note == ""


def test_a_split_shares_no_sample_and_is_drawn_alike():
    from npubench.measure.datasets import Dataset

    data = Dataset(SAMPLES, LABELS)
    calibration, rest = split(data, 2, 7)
    assert (len(calibration), len(rest)) == (2, 4)
    seen = {float(one.sum()) for one in calibration.inputs} | {float(one.sum()) for one in rest.inputs}
    assert len(seen) == 6
    assert (split(data, 2, 7)[0].inputs == calibration.inputs).all()


def test_what_systems_leave_is_no_class_and_is_told(tmp_path):
    folders(tmp_path, ["red", "blue"])
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", SAMPLES[0])
    for name in ("._a.npy", ".DS_Store", "Thumbs.db", "notes.txt"):
        (tmp_path / "red" / name).write_text("")
    (tmp_path / "red" / "deeper").mkdir()
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "readme.md").write_text("")
    found = load(tmp_path, fed(IMAGE))
    assert (found.labels.tolist(), dict(found.classes)) == ([0, 1], {0: "blue", 1: "red"})
    told = {one.why: one.names for one in found.left_out}
    assert told == {
        "hidden": (
            ".ipynb_checkpoints", "@eaDir", "__MACOSX", "red/.DS_Store", "red/._a.npy", "red/Thumbs.db"
        ),
        "links that lead nowhere or round": ("itself", "round"),
        "beside the class folders": ("readme.md",),
        "folders inside class folders": ("red/deeper",),
        "no .npy and no image": ("red/notes.txt",),
    }  # fmt: skip
    said = facts(found, 1, 1)
    assert [(one.number, one.name, one.samples) for one in said.classes] == [(0, "blue", 1), (1, "red", 1)]


def test_a_linked_class_is_a_class(tmp_path):
    folders(tmp_path / "elsewhere", ["cat"])
    folders(tmp_path / "data", ["dog"])
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "elsewhere" / "cat")
    assert load(tmp_path / "data", fed(IMAGE)).classes == {0: "cat", 1: "dog"}


def test_data_of_another_type_or_range_are_refused(tmp_path):
    image = ModelInputs((TensorSpec("image", (1, 1, 2, 2), "uint8"),))
    for array, told in (
        (SAMPLES / 24, "is float32, the model wants uint8"),
        (SAMPLES.astype(np.int64) - 9, "sample 1 of 'image' holds -9"),
        (SAMPLES.astype(np.int64) * 20, "sample 4 of 'image' holds 260"),
    ):
        np.savez(tmp_path / "data.npz", inputs=array, labels=LABELS)
        with pytest.raises(UsageError, match=told):
            load(tmp_path / "data.npz", image)
    np.savez(tmp_path / "data.npz", inputs=SAMPLES.astype(np.uint8), labels=LABELS)
    assert load(tmp_path / "data.npz", image).inputs.dtype == np.uint8


def test_samples_that_calibrate_are_left_out_by_what_they_hold():
    from npubench.measure.datasets import Dataset

    data = Dataset(np.concatenate([SAMPLES, SAMPLES[:2]]), np.concatenate([LABELS, LABELS[:2]]))
    rest, equal = without(data, SAMPLES[1:3])
    assert (len(rest), equal) == (5, 3)


def broken(path, how):
    if how == "nothing":
        return path / "missing"
    if how == "empty":
        return path
    if how == "labels":
        np.savez(path / "a.npz", inputs=SAMPLES, labels=LABELS - 1)
    elif how == "counts":
        np.savez(path / "a.npz", inputs=SAMPLES, labels=LABELS[:3])
    elif how == "names":
        np.savez(path / "a.npz", foo=SAMPLES)
    elif how == "shape":
        np.savez(path / "a.npz", inputs=SAMPLES[:, :, :1], labels=LABELS)
    elif how == "text":
        (path / "0").mkdir()
        (path / "0" / "a.npy").write_text("no array")
    elif how == "image":
        (path / "0").mkdir()
        (path / "0" / "a.png").write_text("no image")
    elif how == "pickle":
        np.save(path / "inputs.npy", np.array([{}], dtype=object), allow_pickle=True)
        np.save(path / "labels.npy", LABELS)
    else:
        (path / "0").mkdir()
        (path / "0" / "notes.txt").write_text("")
    return path


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("nothing", "no folder and no .npz"),
        ("empty", "neither class folders nor"),
        ("labels", "0 or more"),
        ("counts", "6 inputs and 3 labels"),
        ("names", "there are foo"),
        ("shape", "samples are 1x1x2, 'image' wants 1x2x2"),
        ("text", "no numpy file"),
        ("image", "no image that can be read"),
        ("pickle", "no numpy file"),
        ("other", "hold no .npy and no image"),
    ],
)
def test_data_that_cannot_be_used(tmp_path, how, told):
    with pytest.raises(UsageError, match=told):
        load(broken(tmp_path, how), fed(IMAGE))
