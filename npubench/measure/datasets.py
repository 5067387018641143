"""Labelled inputs of a classifier: class folders, or NumPy arrays."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import ModelInputs, TensorSpec
from npubench.domain.text import path_meant
from npubench.measure.accuracy import ClassOfData, DataFacts, LeftOut
from npubench.measure.inputs import fitted, shape_text
from npubench.measure.pictures import is_image, words_for
from npubench.measure.sample_files import entries, hidden, loaded, pictures

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

INPUTS = ("inputs", "images", "x")
LABELS = ("labels", "y")
CLASSES = "classes.txt"
_MOST_SHOWN = 5
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """`inputs` are samples x the model's input without its batch; `labels` index the model's classes.

    `classes` name the folders, `left_out` is what was found and not taken.
    """

    inputs: "Array"
    labels: "Array"
    note: str = ""
    classes: Mapping[int, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def check_place(path: Path) -> None:
    """Raises UsageError if nothing that can hold a data set is at `path`."""
    if not path.is_dir() and not (path.is_file() and path.suffix == ".npz"):
        hint = "" if path.exists() else path_meant(path)
        raise UsageError(f"{path} is no folder and no .npz file{hint}: give class folders or NumPy arrays")


def load(path: Path, inputs: ModelInputs) -> Dataset:
    """The data at `path` for a model with this one input (batch first). Raises UsageError.

    A folder holds one folder a class with .npy samples or images in it, or arrays: `inputs.npy` with
    `labels.npy`, or one .npz with both. Folders named by numbers are those classes; others count in
    the order of their names, or of the lines of `classes.txt`. Images are resized to the input and
    take the model's mean and deviation; without any they become 0..1, or the range of whole numbers.
    """
    (tensor,) = inputs.tensors
    arrays = _arrays(path)
    found = _from_arrays(path, *arrays) if arrays else _from_folders(path, tensor, inputs)
    want, have = tensor.shape[1:], found.inputs.shape[1:]
    if have != want:
        raise UsageError(
            f"{path}: samples are {shape_text(have)}, {tensor.name!r} wants {shape_text(want)}: reshape them"
        )
    if not len(found):
        raise UsageError(f"{path} holds no sample")
    raw = arrays is not None and found.inputs.dtype == "uint8" and tensor.dtype.startswith("float")
    note = "arrays of uint8 are taken as they are, 0..255: images would be scaled" if raw else found.note
    return replace(found, inputs=fitted(found.inputs, tensor, inputs, str(path)), note=note)


def split(data: Dataset, count: int, seed: int) -> tuple[Dataset, Dataset]:
    """`count` samples for calibration, drawn by `seed`, and the rest to evaluate on; no sample is in both."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(data))
    return _part(data, np.sort(order[:count])), _part(data, np.sort(order[count:]))


def without(data: Dataset, known: "Iterable[Array]") -> tuple[Dataset, int]:
    """The samples that are equal to none of `known`, and how many are."""
    import numpy as np

    seen = {one.tobytes() for one in known}
    kept = np.asarray([one.tobytes() not in seen for one in data.inputs], dtype=bool)
    return _part(data, np.flatnonzero(kept)), int((~kept).sum())


def facts(data: Dataset, calibrated: int, evaluated: int) -> DataFacts:
    """What a score says of the whole data set."""
    counts = Counter(int(label) for label in data.labels)
    numbers = sorted({*counts, *data.classes})
    classes = tuple(ClassOfData(one, data.classes.get(one, str(one)), counts[one]) for one in numbers)
    return DataFacts(calibrated, evaluated, classes, data.left_out, data.note)


def _part(data: Dataset, chosen: "Array") -> Dataset:
    return replace(data, inputs=data.inputs[chosen], labels=data.labels[chosen])


def _arrays(path: Path) -> "tuple[Array, Array] | None":
    check_place(path)
    if path.is_file():
        return _pair(path, loaded(path))
    files = {file.stem: file for file in path.glob("*.npy") if not hidden(file)}
    named = {name: files[name] for name in (*INPUTS, *LABELS) if name in files}
    if named:
        return _pair(path, {name: loaded(file) for name, file in named.items()})
    packed = sorted(file for file in path.glob("*.npz") if not hidden(file))
    return _pair(packed[0], loaded(packed[0])) if len(packed) == 1 else None


def _pair(path: Path, arrays: Any) -> "tuple[Array, Array]":
    inputs, labels = (next((arrays[n] for n in names if n in arrays), None) for names in (INPUTS, LABELS))
    if inputs is None or labels is None:
        raise UsageError(
            f"{path}: arrays are called {INPUTS[0]} and {LABELS[0]}; there are {', '.join(arrays)}"
        )
    return inputs, labels


def _from_arrays(path: Path, inputs: "Array", labels: "Array") -> Dataset:
    import numpy as np

    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or (labels < 0).any():
        raise UsageError(f"{path}: labels are one whole number, 0 or more, a sample")
    if inputs.ndim < 1 or len(inputs) != len(labels):
        count = len(inputs) if inputs.ndim else 0
        raise UsageError(f"{path}: {count} inputs and {len(labels)} labels: give as many of both")
    return Dataset(inputs, labels.astype(np.int64))


def _from_folders(path: Path, tensor: TensorSpec, inputs: ModelInputs) -> Dataset:
    import numpy as np

    left_out = _Left(path)
    folders = [one for one in left_out.taken(path, _no_class_folder) if one.name != CLASSES]
    if not folders:
        raise UsageError(f"{path} holds neither class folders nor {INPUTS[0]}.npy and {LABELS[0]}.npy")
    numbers = _numbers(path, [one.name for one in folders])
    pairs = zip(folders, numbers, strict=True)
    found = [(file, number) for folder, number in pairs for file in left_out.taken(folder, _no_sample)]
    if not found:
        raise UsageError(f"{path}: its class folders hold no .npy and no image")
    files = [file for file, _ in found]
    images = [file for file in files if file.suffix != ".npy"]
    read, told = pictures(images, tensor, inputs) if images else ([], "")
    by_file = dict(zip(images, read, strict=True))
    samples = [by_file[file] if file in by_file else _checked(file, tensor, inputs) for file in files]
    if len({one.shape for one in samples}) > 1:
        raise UsageError(f"{path}: samples differ in shape: give all as {shape_text(tensor.shape[1:])}")
    notes = (words_for(tensor, inputs.preprocessing) if images else "", told)
    labels = np.asarray([number for _, number in found], dtype=np.int64)
    names = {number: folder.name for folder, number in zip(folders, numbers, strict=True)}
    note = "; ".join(one for one in notes if one)
    return Dataset(np.stack(samples), labels, note, names, left_out.said())


class _Left:
    """What is not taken, by the reason."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: defaultdict[str, list[str]] = defaultdict(list)

    def taken(self, folder: Path, why_not: Callable[[Path], str]) -> Iterator[Path]:
        """What lies in a folder, by name, but for what is hidden or `why_not` has a reason against."""
        for one in entries(folder):
            if why := "hidden" if hidden(one) else why_not(one):
                self._names[why].append(str(one.relative_to(self._root)))
            else:
                yield one

    def said(self) -> tuple[LeftOut, ...]:
        """All of it, the names in order."""
        return tuple(
            LeftOut(why, len(names), tuple(sorted(names)[:_MOST_NAMED])) for why, names in self._names.items()
        )


def _no_class_folder(one: Path) -> str:
    around = one.is_symlink() and one.is_dir() and one.parent.resolve().is_relative_to(one.resolve())
    if around or (one.is_symlink() and not one.exists()):
        return "links that lead nowhere or round"
    return "" if one.is_dir() or one.name == CLASSES else "beside the class folders"


def _no_sample(file: Path) -> str:
    if file.is_dir():
        return "folders inside class folders"
    if not file.is_file():
        return "no regular files"
    return "" if file.suffix == ".npy" or is_image(file) else "no .npy and no image"


def _checked(file: Path, tensor: TensorSpec, inputs: ModelInputs) -> "Array":
    """One sample of a class folder; with or without an axis for a batch of one."""
    array: Array = loaded(file)
    if array.shape == (1, *tensor.shape[1:]):
        array = array[0]
    checked: Array = fitted(array[None], tensor, inputs, str(file))[0]
    return checked


def _numbers(path: Path, names: Sequence[str]) -> list[int]:
    listed = path / CLASSES
    if listed.is_file():
        text = listed.read_text(encoding="utf-8-sig", errors="replace")
        order = [line.strip() for line in text.splitlines() if line.strip()]
        unknown = [name for name in names if name not in order]
        if unknown:
            raise UsageError(f"{listed} lacks {', '.join(unknown[:_MOST_SHOWN])}: one class a line")
        return [order.index(name) for name in names]
    if all(re.fullmatch(r"[0-9]{1,6}", name) for name in names):
        numbers = [int(name) for name in names]
        if len(set(numbers)) < len(numbers):
            raise UsageError(f"{path}: two folders are of one class: {', '.join(names[:_MOST_SHOWN])}")
        return numbers
    return list(range(len(names)))
