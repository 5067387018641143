"""Labelled inputs of a classifier: class folders, or NumPy arrays."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.errors import UsageError
from npubench.specs import Preprocessing, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

INPUTS = ("inputs", "images", "x")
LABELS = ("labels", "y")
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
CLASSES = "classes.txt"
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """`inputs` are samples x the model's input without its batch; `labels` index the model's classes."""

    inputs: "Array"
    labels: "Array"
    note: str = ""

    def __len__(self) -> int:
        return len(self.labels)


def load(path: Path, tensor: TensorSpec, preprocessing: Preprocessing | None = None) -> Dataset:
    """The data at `path` for a model with this input (batch first). Raises UsageError.

    A folder holds one folder a class with .npy samples or images in it, or arrays: `inputs.npy` with
    `labels.npy`, or one .npz with both. Folders named by numbers are those classes; others count in
    the order of their names, or of the lines of `classes.txt`. Images are resized to the input and
    take the model's mean and deviation; without any they become 0..1.
    """
    arrays = _arrays(path)
    found = _from_arrays(path, *arrays) if arrays else _from_folders(path, tensor, preprocessing)
    want, have = tensor.shape[1:], found.inputs.shape[1:]
    if have != want:
        raise UsageError(
            f"{path}: samples are {_text(have)}, {tensor.name!r} wants {_text(want)}: reshape them"
        )
    if not len(found):
        raise UsageError(f"{path} holds no sample")
    return Dataset(found.inputs.astype(tensor.dtype), found.labels, found.note)


def split(data: Dataset, count: int, seed: int) -> tuple[Dataset, Dataset]:
    """`count` samples for calibration, drawn by `seed`, and the rest to evaluate on; no sample is in both."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(data))
    first, rest = np.sort(order[:count]), np.sort(order[count:])
    return tuple(Dataset(data.inputs[part], data.labels[part], data.note) for part in (first, rest))  # type: ignore[return-value]


def _arrays(path: Path) -> "tuple[Array, Array] | None":
    if path.is_file() and path.suffix == ".npz":
        return _pair(path, _loaded(path))
    if not path.is_dir():
        raise UsageError(f"{path} is no folder and no .npz file: give class folders or NumPy arrays")
    files = {file.stem: file for file in path.glob("*.npy")}
    named = {name: files[name] for name in (*INPUTS, *LABELS) if name in files}
    if named:
        return _pair(path, {name: _loaded(file) for name, file in named.items()})
    packed = sorted(path.glob("*.npz"))
    return _pair(packed[0], _loaded(packed[0])) if len(packed) == 1 else None


def _pair(path: Path, arrays: Any) -> "tuple[Array, Array]":
    given = [next((arrays[name] for name in names if name in arrays), None) for names in (INPUTS, LABELS)]
    inputs, labels = given
    if inputs is None or labels is None:
        raise UsageError(
            f"{path}: arrays are called {INPUTS[0]} and {LABELS[0]}; there are {', '.join(arrays)}"
        )
    return inputs, labels


def _from_arrays(path: Path, inputs: "Array", labels: "Array") -> Dataset:
    import numpy as np

    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or (labels < 0).any():
        raise UsageError(f"{path}: labels are one whole number, 0 or more, a sample")
    if len(inputs) != len(labels):
        raise UsageError(f"{path}: {len(inputs)} inputs and {len(labels)} labels: give as many of both")
    return Dataset(inputs, labels.astype(np.int64))


def _from_folders(path: Path, tensor: TensorSpec, preprocessing: Preprocessing | None) -> Dataset:
    import numpy as np

    folders = sorted(one for one in path.iterdir() if one.is_dir())
    if not folders:
        raise UsageError(f"{path} holds neither class folders nor {INPUTS[0]}.npy and {LABELS[0]}.npy")
    numbers = _numbers(path, [one.name for one in folders])
    samples: list[Array] = []
    labels: list[int] = []
    pictures = False
    for folder, number in zip(folders, numbers, strict=True):
        for file in sorted(folder.iterdir()):
            if file.suffix == ".npy":
                samples.append(_loaded(file))
            elif file.suffix.lower() in IMAGES:
                samples.append(_image(file, tensor, preprocessing))
                pictures = True
            else:
                continue
            labels.append(number)
    if not samples:
        raise UsageError(f"{path}: its class folders hold no .npy and no image")
    if len({one.shape for one in samples}) > 1:
        raise UsageError(f"{path}: samples differ in shape: give all as {_text(tensor.shape[1:])}")
    note = (
        "images scaled to 0..1: the model tells no mean and deviation"
        if pictures and not preprocessing
        else ""
    )
    return Dataset(np.stack(samples), np.asarray(labels, dtype=np.int64), note)


def _numbers(path: Path, names: Sequence[str]) -> list[int]:
    listed = path / CLASSES
    if listed.is_file():
        order = [line.strip() for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()]
        unknown = [name for name in names if name not in order]
        if unknown:
            raise UsageError(f"{listed} lacks {', '.join(unknown[:_MOST_SHOWN])}: one class a line")
        return [order.index(name) for name in names]
    if all(re.fullmatch(r"[0-9]{1,6}", name) for name in names):
        return [int(name) for name in names]
    return list(range(len(names)))


def _image(file: Path, tensor: TensorSpec, preprocessing: Preprocessing | None) -> "Array":
    import numpy as np

    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise UsageError(f"{file.name} is an image: pip install 'npubench[images]' to read it") from error
    if len(tensor.shape) != 4:
        raise UsageError(f"{tensor.name!r} is {_text(tensor.shape)}: it takes no images, give arrays")
    last = preprocessing.layout == "nhwc" if preprocessing else tensor.shape[-1] in (1, 3)
    height, width, channels = tensor.shape[1:] if last else (*tensor.shape[2:], tensor.shape[1])
    try:
        with Image.open(file) as opened:
            picture = opened.convert("L" if channels == 1 else "RGB").resize((width, height))
            pixels: Array = np.asarray(picture, dtype=np.float32).reshape(height, width, channels)
    except (UnidentifiedImageError, OSError) as error:
        raise UsageError(f"{file} is no image that can be read: remove it") from error
    if preprocessing is None:
        pixels = pixels / 255
    else:
        ordered = pixels[..., ::-1] if preprocessing.color == "bgr" else pixels
        pixels = (ordered - np.asarray(preprocessing.mean, np.float32)) / np.asarray(
            preprocessing.std, np.float32
        )
    return pixels if last else pixels.transpose(2, 0, 1)


def _loaded(file: Path) -> Any:
    import numpy as np

    try:
        found = np.load(file, allow_pickle=False)
        return dict(found) if file.suffix == ".npz" else found
    except (ValueError, OSError, EOFError) as error:
        raise UsageError(f"{file} is no numpy file ({error}): write it with numpy.save") from error


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
