"""Input data for quantisation and for comparing outputs: seeded, or the user's; never the same for both."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import UsageError
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import DataSource, DataUse
from npubench.domain.specs import CalibrationSpec, ModelInputs, TensorSpec
from npubench.graph.walk import plain
from npubench.measure import sample_files
from npubench.measure.inputs import channel_axis, content_text, draw
from npubench.measure.pictures import is_image, words_for
from npubench.storage.hashing import digest, sha256_of_file

if TYPE_CHECKING:
    import numpy as np

    Sample = dict[str, np.ndarray[Any, Any]]

EVALUATION_SEED_OFFSET = 1_000_003
SEEDED_FORMAT = 2
"""Part of the digest: 1 drew whole numbers from 0 and 1 alone."""

HELD_OUT_SHARE = 4
HELD_OUT_MOST = 8
"""A fourth of the user's samples, but no more than so many, are kept from calibration where they are few."""

RECENT_BYTES = 256 * 1024 * 1024
"""Seeded sets that are kept: most cases of a suite have inputs of one shape, and a set takes long to draw."""

_recent: "OrderedDict[object, list[Sample]]" = OrderedDict()
_recent_lock = threading.Lock()


def calibration_digest(spec: CalibrationSpec) -> str:
    """What identifies the data: seed and count, or the content of the user's files. Raises UsageError."""
    if spec.path is None:
        return digest("seeded", SEEDED_FORMAT, spec.seed, spec.samples)
    paths = (spec.path,) if spec.evaluation is None else (spec.path, spec.evaluation)
    contents = [
        [(_name(file, path), sha256_of_file(file)) for file in sample_files.sample_files(path)]
        for path in paths
    ]
    return digest("held out", contents, spec.seed, spec.samples)


def calibration_to_json(spec: CalibrationSpec) -> dict[str, Any]:
    """A spec for another process, or for a row; paths are absolute."""
    path, evaluation = (str(one.absolute()) if one else None for one in (spec.path, spec.evaluation))
    return {"path": path, "seed": spec.seed, "samples": spec.samples, "evaluation": evaluation}


def calibration_of_json(given: Mapping[str, Any]) -> CalibrationSpec:
    """The spec that `calibration_to_json` wrote; rows of old have no `evaluation`."""
    path, evaluation = (Path(given[key]) if given.get(key) else None for key in ("path", "evaluation"))
    return CalibrationSpec(path, given["seed"], given["samples"], evaluation)


def calibration_inputs(inputs: ModelInputs, spec: CalibrationSpec) -> "list[Sample]":
    """At most `spec.samples` samples, each an array an input. Raises UsageError where data do not fit."""
    return choose(inputs, spec).calibration()


def evaluation_inputs(inputs: ModelInputs, spec: CalibrationSpec) -> "list[Sample]":
    """Samples for comparing outputs, none of them calibration's, unless the user gave one alone."""
    return choose(inputs, spec).evaluation()


def every_sample(inputs: ModelInputs, path: Path, count: int, seed: int) -> "list[Sample]":
    """At most `count` samples of `path`, drawn by `seed`, for data that are evaluated on elsewhere."""
    import numpy as np

    found = sample_files.references(inputs, path)
    drawn = sorted(np.random.default_rng(seed).permutation(len(found))[:count])
    files = tuple({one.file: None for one in found})
    samples = sample_files.load(inputs, [found[index] for index in drawn], files)
    if all(one.whole for one in found):
        return samples
    return [{name: array[None] for name, array in sample.items()} for sample in samples]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which samples of `files` calibrate and which are evaluated on; without any, all are seeded.

    `left_out` were equal to a sample that calibrates; `held_out` is False where nothing else was left.
    """

    inputs: ModelInputs
    spec: CalibrationSpec
    files: tuple[Path, ...] = ()
    calibrating: tuple[sample_files.Reference, ...] = ()
    evaluated: tuple[sample_files.Reference, ...] = ()
    held_out: bool = True
    left_out: int = 0

    def calibration(self) -> "list[Sample]":
        """Calls of the model to calibrate with, each an array an input."""
        if self.spec.path is None:
            return _seeded(self.inputs, self.spec.seed, self.spec.samples)
        return self._calls(self.calibrating)

    def evaluation(self) -> "list[Sample]":
        """Calls of the model to compare outputs on."""
        if self.spec.path is None:
            return _seeded(self.inputs, self.spec.seed + EVALUATION_SEED_OFFSET, self.spec.samples)
        return self._calls(self.evaluated)

    def use(self, evaluated: int | None = None, quantised: bool = True) -> DataUse:
        """What a row says of it, `evaluated` calls of it compared (None: all)."""
        texts = {one.name: content_text(one, self.inputs) for one in self.inputs.tensors}
        if self.spec.path is None:
            count = self.spec.samples
            compared = count if evaluated is None else min(count, evaluated)
            return DataUse(DataSource.SEEDED, count if quantised else 0, compared, True, texts)
        size = 1 if all(one.whole for one in self.evaluated) else self.inputs.tensors[0].shape[0]
        count = len(self.evaluated) if evaluated is None else min(len(self.evaluated), evaluated * size)
        texts = {one.name: f"{one.dtype} from files{self._scaled(one)}" for one in self.inputs.tensors}
        return DataUse(DataSource.FILES, len(self.calibrating), count, self.held_out, texts, self._note())

    def _scaled(self, tensor: TensorSpec) -> str:
        words = words_for(tensor, self.inputs.preprocessing)
        return f", {words}" if words and any(map(is_image, self.files)) else ""

    def _note(self) -> Note | str:
        if not self.held_out:
            return Note(NoteCode.NOTHING_HELD_OUT)
        return Note(NoteCode.EQUAL_SAMPLES, {"count": self.left_out}) if self.left_out else ""

    def _calls(self, wanted: Sequence[sample_files.Reference]) -> "list[Sample]":
        samples = sample_files.load(self.inputs, wanted, self.files)
        whole = all(one.whole for one in wanted)
        return samples if whole else sample_files.batched(self.inputs, samples)


def choose(inputs: ModelInputs, spec: CalibrationSpec) -> Choice:
    """Divide the data that a spec names, drawn by its seed. Raises UsageError where they do not fit."""
    if spec.path is None:
        return Choice(inputs, spec)
    found = sample_files.references(inputs, spec.path)
    if spec.evaluation is not None:
        apart = sample_files.references(inputs, spec.evaluation)
        files = tuple({one.file: None for one in (*found, *apart)})
        return Choice(inputs, spec, files, tuple(found[: spec.samples]), tuple(apart[: spec.samples]))
    return _divided(inputs, spec, found)


def _divided(inputs: ModelInputs, spec: CalibrationSpec, found: "list[sample_files.Reference]") -> Choice:
    import numpy as np

    total = len(found)
    kept = max(1, min(HELD_OUT_MOST, total // HELD_OUT_SHARE))
    count = max(1, min(spec.samples, total - kept))
    order = np.random.default_rng(spec.seed).permutation(total)
    first = [found[index] for index in sorted(order[:count])]
    others = [found[index] for index in sorted(order[count:])]
    files = tuple({one.file: None for one in found})
    known = {_bytes_of(one) for one in sample_files.load(inputs, first, files)}
    # As many as are wanted, and no more are read than it takes to find them.
    rest: list[sample_files.Reference] = []
    equal = 0
    while others and len(rest) < spec.samples:
        part, others = others[: spec.samples], others[spec.samples :]
        samples = sample_files.load(inputs, part, files)
        new = [one for one, sample in zip(part, samples, strict=True) if _bytes_of(sample) not in known]
        equal += len(part) - len(new)
        rest += new
    chosen = tuple((rest or first)[: spec.samples])
    return Choice(inputs, spec, files, tuple(first), chosen, bool(rest), equal)


def _bytes_of(sample: "Sample") -> str:
    content = hashlib.sha256()
    for name, array in sample.items():
        content.update(f"{name} {array.dtype} {array.shape}".encode())
        content.update(array.tobytes())
    return content.hexdigest()


def _name(file: Path, root: Path) -> str:
    return str(file.relative_to(root)) if file != root else file.name


def rounded_to_8_bits(samples: "Sequence[Sample]") -> "list[Sample]":
    """The samples as 8 bits represent them over the range that each input has; whole numbers as they are."""
    steps = {name: _step([sample[name] for sample in samples]) for name in (samples[0] if samples else ())}
    return [
        {name: _rounded(array, step) if (step := steps[name]) else array for name, array in sample.items()}
        for sample in samples
    ]


def _rounded(array: "np.ndarray[Any, Any]", step: float) -> "np.ndarray[Any, Any]":
    import numpy as np

    whole: np.ndarray[Any, Any] = (np.round(plain(array) / step) * step).astype(array.dtype)
    return whole


def _step(arrays: "Sequence[np.ndarray[Any, Any]]") -> float | None:
    arrays = [plain(array) for array in arrays]
    if any(not array.size or array.dtype.kind in "biu" for array in arrays):
        return None
    # Zero is always representable.
    least, most = (
        extreme(0.0, *(float(extreme(a.min(), a.max())) for a in arrays)) for extreme in (min, max)
    )
    return (most - least) / 255


def _seeded(inputs: ModelInputs, seed: int, samples: int) -> "list[Sample]":
    key = (inputs.tensors, tuple(inputs.contents.items()), inputs.preprocessing, seed, samples)
    with _recent_lock:
        _recent[key] = made = _recent.pop(key, None) or _make(inputs, seed, samples)
        while (
            sum(array.nbytes for one in _recent.values() for s in one for array in s.values()) > RECENT_BYTES
        ):
            _recent.popitem(last=False)
    return [dict(sample) for sample in made]


def _make(inputs: ModelInputs, seed: int, samples: int) -> "list[Sample]":
    import numpy as np

    deviations = inputs.preprocessing.std if inputs.preprocessing else ()
    for tensor in inputs.tensors if 0 in deviations else ():
        if channel_axis(tensor, inputs) is not None:
            raise UsageError(
                f"{tensor.name!r}: a deviation of 0 makes infinity of pixels: correct the preprocessing"
            )
    rng = np.random.default_rng(seed)
    made = [{tensor.name: draw(rng, tensor, inputs) for tensor in inputs.tensors} for _ in range(samples)]
    for sample in made:
        for array in sample.values():
            array.setflags(write=False)
    return made
