"""A user's samples in files: arrays (.npy, .npz) and images, one by one, each checked against the inputs.

A sample is what one call of the model takes, or, of a model with a fixed batch, one of the batch.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import ModelInputs, Shape, TensorSpec
from npubench.domain.text import path_meant
from npubench.measure.inputs import fitted, shape_text
from npubench.measure.pictures import Picture, as_input, frame_of, is_image, read, scales

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Sample = dict[str, Array]

ARRAYS = frozenset({".npy", ".npz"})
NOT_OURS = frozenset(
    {"__MACOSX", "@eaDir", "Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN", "lost+found"}
)
"""What systems put beside files; besides them whatever begins with a dot."""

GENERAL_NAMES = ("inputs", "images")
"""What the array of a model's only input may be called besides the input's own name."""

LABELS = frozenset({"labels.npy", "y.npy"})


@dataclass(frozen=True, slots=True)
class Reference:
    """Sample `index` of a file. `whole` says that it is what a call takes, with its batch."""

    file: Path
    index: int
    whole: bool


def hidden(path: Path) -> bool:
    """Whether a name is of a file or folder that the user did not put there."""
    return path.name.startswith(".") or path.name in NOT_OURS


def sample_files(path: Path) -> list[Path]:
    """The arrays and images at `path`, a file or a folder with folders, by name. Raises UsageError."""
    if path.is_dir():
        files = [file for file in _walk(path, set()) if _is_sample(file)]
        files = [file for file in files if not (file.name in LABELS and len(files) > 1)]
        if not files:
            raise UsageError(
                f"{path} holds no .npy or .npz files and no images: put calibration samples there"
            )
        return files
    if not path.is_file() or not _is_sample(path):
        hint = "" if path.exists() else path_meant(path)
        raise UsageError(
            f"{path} is no .npy or .npz file, no image and no folder of them{hint}:"
            " give calibration data as such"
        )
    return [path]


def _is_sample(file: Path) -> bool:
    return file.suffix in ARRAYS or is_image(file)


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name. Raises UsageError where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be read ({error.strerror}): correct its permissions") from error


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Regular files below a folder, by name; no folder twice, for links may lead round."""
    seen.add(folder.resolve())
    for entry in entries(folder):
        if entry.is_file() and not hidden(entry):
            yield entry
        elif entry.is_dir() and not hidden(entry) and entry.resolve() not in seen:
            yield from _walk(entry, seen)


def references(inputs: ModelInputs, path: Path) -> list[Reference]:
    """All samples at `path`, each checked and none kept. Raises UsageError where one does not fit."""
    files = sample_files(path)
    found: list[Reference] = []
    for file in files:
        if file.suffix in ARRAYS:
            arrays, whole = _arrays(inputs, file)
            count = len(next(iter(arrays.values())))
            found += [Reference(file, index, whole) for index in range(count)]
        else:
            _only(inputs, file)
            found.append(Reference(file, 0, batch_of(inputs) == 1))
    if len({one.whole for one in found}) > 1:
        raise UsageError(f"{path} holds single samples and whole batches: give one form of them")
    return found


def load(inputs: ModelInputs, wanted: Sequence[Reference], among: Sequence[Path] = ()) -> "list[Sample]":
    """The samples, in the inputs' types; one of a batch is without its axis. `among`: see `pictures`."""
    import numpy as np

    places: defaultdict[Path, list[int]] = defaultdict(list)
    for place, one in enumerate(wanted):
        places[one.file].append(place)
    images = [file for file in places if file.suffix not in ARRAYS]
    tensor = inputs.tensors[0]
    drawn = dict(zip(images, pictures(images, tensor, inputs, among)[0] if images else (), strict=True))
    made: dict[int, Sample] = {}
    for file, here in places.items():
        if file in drawn:
            found = {tensor.name: drawn[file][None][None] if wanted[here[0]].whole else drawn[file][None]}
        else:
            found, _ = _arrays(inputs, file)
        for place in here:
            made[place] = {name: np.array(array[wanted[place].index]) for name, array in found.items()}
    return [made[place] for place in range(len(wanted))]


def batched(inputs: ModelInputs, singles: "Sequence[Sample]") -> "list[Sample]":
    """Single samples as calls of the model's batch, the last one filled up with its own last sample."""
    import numpy as np

    size = batch_of(inputs)
    calls = []
    for start in range(0, len(singles), size):
        group = [*singles[start : start + size]]
        group += group[-1:] * (size - len(group))
        calls.append({one.name: np.stack([sample[one.name] for sample in group]) for one in inputs.tensors})
    return calls


def pictures(
    files: Sequence[Path], tensor: TensorSpec, inputs: ModelInputs, among: Sequence[Path] = ()
) -> "tuple[list[Array], str]":
    """Images as arrays of the input without its batch, and what had to be taken for granted of them.

    The depth of images that do not tell it is that of all images `among` which they are.
    """
    frame = frame_of(tensor, inputs.preprocessing)

    def finished(file: Path, picture: Picture, full: Mapping[str, float]) -> "Array":
        array = as_input(picture, full, tensor, inputs, frame)
        checked: Array = fitted(array[None], tensor, inputs, str(file))[0]
        return checked

    made: dict[Path, Array] = {}
    untold: dict[Path, Picture] = {}
    for file in files:
        picture = read(file, frame)
        if picture.full is None:
            untold[file] = picture
        else:
            made[file] = finished(file, picture, {})
    others = [file for file in among if untold and is_image(file) and file not in made | untold]
    full, told = scales([*untold.values(), *(read(file, frame) for file in others)])
    made |= {file: finished(file, picture, full) for file, picture in untold.items()}
    return [made[file] for file in files], told


def _only(inputs: ModelInputs, file: Path) -> None:
    if len(inputs.tensors) != 1:
        names = ", ".join(one.name for one in inputs.tensors)
        raise UsageError(
            f"{file} is an image, the model takes {names}: give one .npz a sample with all of them"
        )
    frame_of(inputs.tensors[0], inputs.preprocessing)


def batch_of(inputs: ModelInputs) -> int:
    """The leading size that all inputs share; 1 where there is none."""
    sizes = {one.shape[0] if one.shape else 0 for one in inputs.tensors}
    ranks = [len(one.shape) for one in inputs.tensors]
    (size,) = sizes if len(sizes) == 1 else (1,)
    return size if size > 0 and max(ranks, default=0) > 1 else 1


def _arrays(inputs: ModelInputs, file: Path) -> "tuple[Sample, bool]":
    """The samples of a file along a leading axis by input, checked, and whether each is a whole call."""
    given = _named(inputs, file)
    batch = batch_of(inputs)
    single = all(one.shape[:1] == (batch,) for one in inputs.tensors)
    forms = [_forms(one, given[one.name], single) for one in inputs.tensors]
    whole = next((one for one in (True, False) if all(one in form for form in forms)), None)
    if whole is None:
        misfits = (t for t, form in zip(inputs.tensors, forms, strict=True) if not form)
        tensor = next(misfits, inputs.tensors[0])
        want, have = (shape_text(shape) for shape in (tensor.shape, given[tensor.name].shape))
        raise UsageError(
            f"{file}: {tensor.name!r} has shape {have}, the model wants {want} a sample: reshape it"
        )
    if len({form[whole][0] for form in forms}) > 1:
        raise UsageError(f"{file}: the arrays hold different numbers of samples: give every input as many")
    made = {}
    for tensor, form in zip(inputs.tensors, forms, strict=True):
        made[tensor.name] = fitted(given[tensor.name].reshape(form[whole]), tensor, inputs, str(file))
    return made, whole


def loaded(file: Path, mapped: bool = False) -> Any:
    """The array of a .npy file, of a .npz file all by name. Raises UsageError."""
    import numpy as np

    try:
        found = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
        return dict(found) if file.suffix == ".npz" else found
    except Exception as error:  # archives and headers that are damaged raise whatever they come upon
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"{file} is no numpy file ({reason}): write it with numpy.save") from error


def _named(inputs: ModelInputs, file: Path) -> "Sample":
    arrays = loaded(file, mapped=True)
    found: Sample = arrays if file.suffix == ".npz" else {inputs.tensors[0].name: arrays}
    if len(inputs.tensors) == 1 and inputs.tensors[0].name not in found:
        general = next((name for name in GENERAL_NAMES if name in found), None)
        if general is not None:
            found[inputs.tensors[0].name] = found[general]
    for tensor in inputs.tensors:
        if tensor.name not in found:
            there = ", ".join(found)
            raise UsageError(f"{file} has no array {tensor.name!r} (it has {there}): name it as the input")
    return found


def _forms(tensor: TensorSpec, array: "Array", single: bool) -> dict[bool, Shape]:
    """How the array can be read: as whole calls (True) or single samples (False), with the shape as such."""
    have, want = tuple(array.shape), tensor.shape
    found: dict[bool, Shape] = {}
    # With a batch of one a single sample is a call.
    for form, whole in ((want, True), (want[1:], want[:1] == (1,)))[: 1 + single]:
        count = 1 if have == form else have[0] if have and have[1:] == form else 0
        if count:
            found.setdefault(whole, (count, *(want if whole else form)))
    return found
