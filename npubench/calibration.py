"""Input data for quantisation and for comparing outputs: seeded, or the user's."""

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.errors import UsageError
from npubench.identity import digest, sha256_of_file
from npubench.specs import CalibrationSpec, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    Sample = dict[str, np.ndarray[Any, Any]]

EVALUATION_SEED_OFFSET = 1_000_003
RECENT_BYTES = 256 * 1024 * 1024
"""Seeded sets that are kept: most cases of a suite have inputs of one shape, and a set takes long to draw."""

_recent: "OrderedDict[object, list[Sample]]" = OrderedDict()
_recent_lock = threading.Lock()


def calibration_digest(spec: CalibrationSpec) -> str:
    """What identifies the data: seed and count, or the content of the user's files. Raises UsageError."""
    if spec.path is None:
        return digest("seeded", spec.seed, spec.samples)
    return digest(
        "files", [(file.name, sha256_of_file(file)) for file in data_files(spec.path)], spec.samples
    )


def calibration_inputs(inputs: Sequence[TensorSpec], spec: CalibrationSpec) -> "list[Sample]":
    """`spec.samples` samples, each an array a model input. Raises UsageError when the data do not fit."""
    if spec.path is not None:
        return _from_files(inputs, spec.path)[: spec.samples]
    return _seeded(inputs, spec.seed, spec.samples)


def evaluation_inputs(inputs: Sequence[TensorSpec], spec: CalibrationSpec) -> "list[Sample]":
    """Samples for comparing outputs: seeded ones differ from calibration's, the user's are the same."""
    if spec.path is not None:
        return calibration_inputs(inputs, spec)
    return calibration_inputs(inputs, dataclasses.replace(spec, seed=spec.seed + EVALUATION_SEED_OFFSET))


def rounded_to_8_bits(samples: "Sequence[Sample]") -> "list[Sample]":
    """The samples as 8 bits represent them over the range that each input has; whole numbers as they are."""
    import numpy as np

    steps = {name: _step([sample[name] for sample in samples]) for name in (samples[0] if samples else ())}
    return [
        {
            name: (np.round(array / steps[name]) * steps[name]).astype(array.dtype) if steps[name] else array
            for name, array in sample.items()
        }
        for sample in samples
    ]


def _step(arrays: "Sequence[np.ndarray[Any, Any]]") -> float | None:
    if any(not array.size or array.dtype.kind in "biu" for array in arrays):
        return None
    # Zero is always representable.
    least, most = (
        extreme(0.0, *(float(extreme(a.min(), a.max())) for a in arrays)) for extreme in (min, max)
    )
    return (most - least) / 255


def data_files(path: Path) -> list[Path]:
    """The .npy and .npz files at `path`, a file or a folder, by name. Raises UsageError."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in {".npy", ".npz"} and file.is_file())
        if not files:
            raise UsageError(f"{path} holds no .npy or .npz files: put calibration samples there")
        return files
    if path.suffix not in {".npy", ".npz"} or not path.is_file():
        raise UsageError(
            f"{path} is no .npy or .npz file and no folder of them: give calibration data as such"
        )
    return [path]


def _seeded(inputs: Sequence[TensorSpec], seed: int, samples: int) -> "list[Sample]":
    key = (tuple(inputs), seed, samples)
    with _recent_lock:
        if key in _recent:
            _recent.move_to_end(key)
            return [dict(sample) for sample in _recent[key]]
    made = _make(inputs, seed, samples)
    with _recent_lock:
        _recent[key] = made
        while sum(map(_bytes, _recent.values())) > RECENT_BYTES:
            _recent.popitem(last=False)
    return [dict(sample) for sample in made]


def _make(inputs: Sequence[TensorSpec], seed: int, samples: int) -> "list[Sample]":
    import numpy as np

    rng = np.random.default_rng(seed)
    made = [{tensor.name: _random(rng, tensor) for tensor in inputs} for _ in range(samples)]
    for sample in made:
        for array in sample.values():
            array.setflags(write=False)
    return made


def _bytes(samples: "list[Sample]") -> int:
    return sum(array.nbytes for sample in samples for array in sample.values())


def _random(rng: "np.random.Generator", tensor: TensorSpec) -> "np.ndarray[Any, Any]":
    """Normal numbers; for whole numbers 0 and 1, which are valid wherever an index is asked."""
    import numpy as np

    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f" or dtype.name.startswith(("bfloat", "float8")):
        return rng.standard_normal(tensor.shape, dtype=np.float32).astype(dtype)
    return rng.integers(0, 2, tensor.shape).astype(dtype)


def _from_files(inputs: Sequence[TensorSpec], path: Path) -> "list[Sample]":
    samples: list[Sample] = []
    for file in data_files(path):
        samples += _samples_of(inputs, file)
    return samples


def _samples_of(inputs: Sequence[TensorSpec], file: Path) -> "list[Sample]":
    import numpy as np

    try:
        loaded = np.load(file, allow_pickle=False)
        arrays = dict(loaded) if file.suffix == ".npz" else {inputs[0].name: loaded}
    except (ValueError, OSError, EOFError) as error:
        raise UsageError(f"{file} is no numpy file ({error}): write it with numpy.save") from error
    batches = [_batch(tensor, arrays, file) for tensor in inputs]
    if len({len(batch) for batch in batches}) > 1:
        raise UsageError(f"{file}: the arrays hold different numbers of samples: give every input as many")
    return [
        {tensor.name: batch[i] for tensor, batch in zip(inputs, batches, strict=True)}
        for i in range(len(batches[0]) if batches else 0)
    ]


def _batch(tensor: TensorSpec, arrays: "Sample", file: Path) -> "list[np.ndarray[Any, Any]]":
    """The samples for one input: an array is one sample, or several along an additional or the batch axis."""
    import numpy as np

    if tensor.name not in arrays:
        raise UsageError(
            f"{file} has no array {tensor.name!r} (it has {', '.join(arrays)}): name it as the input"
        )
    array = arrays[tensor.name]
    if not np.can_cast(array.dtype, np.dtype(tensor.dtype), "same_kind"):
        raise UsageError(
            f"{file}: {tensor.name!r} is {array.dtype}, the model wants {tensor.dtype}: convert it"
        )
    array = array.astype(tensor.dtype, copy=False)
    if array.shape == tensor.shape:
        return [array]
    if array.shape[1:] == tensor.shape and len(array):
        return list(array)
    if tensor.shape[:1] == (1,) and array.shape[1:] == tensor.shape[1:] and len(array):
        return [array[i : i + 1] for i in range(len(array))]
    want = "x".join(map(str, tensor.shape))
    have = "x".join(map(str, array.shape))
    raise UsageError(f"{file}: {tensor.name!r} has shape {have}, the model wants {want} a sample: reshape it")
