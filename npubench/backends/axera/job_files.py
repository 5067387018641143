"""The calibration set as the tar files that pulsar and pulsar2 read: pictures, or raw arrays.

Pictures are 8-bit PNG in RGB (PNG specification, ISO/IEC 15948), one file a sample. The sets of
several inputs pair by equal file names.
"""

import io
import json
import math
import struct
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from npubench.backends.axera import job_files
from npubench.domain.errors import UsageError
from npubench.domain.records import (
    Artifact,
    Failure,
    FailureClass,
    OnnxModel,
    Stage,
)
from npubench.domain.specs import (
    CalibrationSpec,
    Preprocessing,
    TensorSpec,
)
from npubench.measure.calibration import Choice, choose
from npubench.storage.files import link_or_copy

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


ArrayFormat = Literal["bin", "npy"]
_COPY_BYTES = 1024 * 1024
_COLOUR_TYPE = {1: 0, 3: 2}
_CHANNELS = {"rgb": 3, "bgr": 3, "gray": 1}


def takes_pictures(model: OnnxModel) -> bool:
    """Whether the model's only input is one picture with known preprocessing."""
    pre = model.preprocessing
    if pre is None or len(model.inputs) != 1:
        return False
    shape = model.inputs[0].shape
    channel_axis = 1 if pre.layout == "nchw" else 3
    return len(shape) == 4 and shape[0] == 1 and shape[channel_axis] == _CHANNELS[pre.color]


def sample_file(array: "Array", picture: Preprocessing | None, arrays: ArrayFormat) -> tuple[str, bytes]:
    """File ending and content of one sample of one input."""
    if picture is not None:
        return "png", png(pixels(array, picture))
    if arrays == "bin":
        return "bin", array.tobytes()
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return "npy", buffer.getvalue()


def write_tar(
    path: Path, tensor: TensorSpec, samples: "Sequence[dict[str, Array]]", picture: Preprocessing | None,
    arrays: ArrayFormat,
) -> None:  # fmt: skip
    """One input's samples as `000000.<ending>` and on; equal samples give equal bytes."""
    with tarfile.TarFile(path, "w", format=tarfile.USTAR_FORMAT, copybufsize=_COPY_BYTES) as tar:
        for number, sample in enumerate(samples):
            ending, content = sample_file(sample[tensor.name], picture, arrays)
            entry = tarfile.TarInfo(f"{number:06d}.{ending}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def pixels(array: "Array", pre: Preprocessing) -> "Array":
    """The picture, uint8 [height, width, channels] in RGB order, whose preprocessing gives `array`.

    `array` is [1, channels, height, width] or, by the layout, [1, height, width, channels].
    """
    import numpy as np

    picture = np.asarray(array[0], np.float64)
    if pre.layout == "nchw":
        picture = picture.transpose(1, 2, 0)
    restored = picture * np.asarray(pre.std) + np.asarray(pre.mean)
    eight_bit = np.clip(np.rint(restored), 0, 255).astype(np.uint8)
    rgb: Array = eight_bit[:, :, ::-1] if pre.color == "bgr" else eight_bit
    return rgb


def png(picture: "Array") -> bytes:
    """A uint8 array [height, width, 1 or 3] as PNG."""
    height, width, channels = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@dataclass(frozen=True, slots=True)
class Enum:
    """The name of an enum value, which stands without quotes."""

    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in their order; a name may come several times."""

    fields: tuple[tuple[str, "Value"], ...]


Scalar = str | int | float | bool | Enum
Value = Scalar | tuple[float, ...] | Message


def message(*fields: tuple[str, Value | None]) -> Message:
    """A message of the fields that have a value."""
    return Message(tuple((name, value) for name, value in fields if value is not None))


def write(root: Message) -> str:
    """The message as text, one field a line. Raises ValueError for NaN and infinity."""
    return "".join(f"{line}\n" for line in _lines(root))


def quote(text: str) -> str:
    """A text as a string literal: its UTF-8 bytes, all but plain ASCII escaped."""
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def _lines(root: Message) -> list[str]:
    lines: list[str] = []
    for name, value in root.fields:
        if isinstance(value, Message):
            lines += [f"{name} {{", *(f"  {line}" for line in _lines(value)), "}"]
        elif isinstance(value, tuple):
            lines.append(f"{name}: [{', '.join(map(_scalar, value))}]")
        else:
            lines.append(f"{name}: {_scalar(value)}")
    return lines


def _scalar(value: Scalar) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot stand in a configuration")
    return f"{value:.9g}"


NPU_MODES = ("111", "112", "0")
"""Virtual NPU: the user's half, the AI-ISP's half, the whole."""

LAYOUTS = ("nhwc", "nchw", "native")
COLOURS = ("rgb", "bgr", "gray", "nv12", "nv21", "bgr0", "auto")
_TYPES = {
    "float32": "FLOAT32",
    "int8": "INT8",
    "uint8": "UINT8",
    "int16": "INT16",
    "uint16": "UINT16",
    "int32": "INT32",
    "uint32": "UINT32",
}


@dataclass(frozen=True, slots=True)
class Build:
    """What a configuration depends on besides the model. `calibration` maps an input to its tar file.

    `pictures` says that the calibration set is pictures, which need the model's preprocessing.
    `input_colour` is what the camera or decoder delivers on the board.
    """

    target_hardware: str
    npu_mode: str
    output_layout: str
    input_colour: str | None
    calibration: Mapping[str, str]
    samples: int
    pictures: bool


def config(model: OnnxModel, build: Build) -> str:
    """The text of config.prototxt."""
    return write(
        message(
            ("input_type", Enum("INPUT_TYPE_ONNX")),
            ("output_type", Enum("OUTPUT_TYPE_JOINT")),
            ("target_hardware", Enum(f"TARGET_HARDWARE_{build.target_hardware}")),
            ("cpu_backend_settings", _cpu_backends()),
            *_input_tensors(model, build),
            ("neuwizard_conf", message(("operator_conf", _operators(model, build)), _calibration(build))),
            ("dst_output_tensors", message(("tensor_layout", Enum(build.output_layout.upper())))),
            ("pulsar_conf", _compiler(build)),
        )
    )


def unsupported_dtype(model: OnnxModel) -> str | None:
    """The type of an input that calibration files cannot have; None when all can."""
    return next((t.dtype for t in model.inputs if t.dtype not in _TYPES), None)


def _cpu_backends() -> Message:
    axe = message(("mode", Enum("ENABLED")), ("axe_param", message(("optimize_slim_model", True))))
    return message(("onnx_setting", message(("mode", Enum("DISABLED")))), ("axe_setting", axe))


def _input_tensors(model: OnnxModel, build: Build) -> list[tuple[str, Value]]:
    pre = model.preprocessing
    if not build.pictures or pre is None:
        return []
    source = message(("color_space", _colour(pre.color)), ("tensor_layout", Enum(pre.layout.upper())))
    delivered = message(("color_space", _colour(build.input_colour or pre.color)))
    return [("src_input_tensors", source), ("dst_input_tensors", delivered)]


def _colour(name: str) -> Enum:
    return Enum(f"TENSOR_COLOR_SPACE_{name.upper()}")


def _operators(model: OnnxModel, build: Build) -> Message:
    if build.pictures and model.preprocessing is not None:
        items = [message(("attributes", _normalisation(model.preprocessing)))]
    else:
        items = [
            message(
                ("selector", message(("op_name", tensor.name)) if len(model.inputs) > 1 else None),
                ("attributes", message(("type", Enum(_TYPES[tensor.dtype])))),
            )
            for tensor in model.inputs
        ]
    return message(*(("input_conf_items", item) for item in items))


def _normalisation(pre: Preprocessing) -> Message:
    affine = message(("slope", 1), ("slope_divisor", 255), ("bias", 0))
    mean, std = (tuple(value / 255 for value in values) for values in (pre.mean, pre.std))
    return message(
        ("input_modifications", message(("affine_preprocess", affine))),
        ("input_modifications", message(("input_normalization", message(("mean", mean), ("std", std))))),
    )


def _calibration(build: Build) -> tuple[str, Message]:
    def data(path: str) -> tuple[tuple[str, Value], ...]:
        kind = Enum("DATASET_TYPE_TAR")
        return ("path", path), ("type", kind), ("size", build.samples), ("batch_size", 1)

    if len(build.calibration) == 1:
        (path,) = build.calibration.values()
        return "dataset_conf_calibration", message(*data(path))
    items = [
        message(("selector", message(("op_name", name))), *data(path))
        for name, path in build.calibration.items()
    ]
    return "dataset_conf_calibration", message(*(("dataset_conf_items", item) for item in items))


def _compiler(build: Build) -> Message:
    mode = Enum(f"AX620_VIRTUAL_NPU_MODE_{build.npu_mode}")
    return message(("ax620_virtual_npu", mode), ("batch_size", 1), ("debug", False))


PULSAR2_NPU_MODES = ("NPU1", "NPU2", "NPU3")
ANALYSES = ("off", "Reference", "NPUBackend")
"""What computes the quantised model in the analysis: numpy, or the NPU's own arithmetic (NPU graphs only)."""


def pulsar2_config(
    model: OnnxModel,
    npu_mode: str,
    calibration: Mapping[str, str],
    samples: int,
    pictures: bool,
    analysis: str = ANALYSES[0],
) -> str:
    """The text of the configuration; `calibration` maps an input to its tar file beside it.

    `analysis` is one of ANALYSES; the method is EndToEnd, whose last layers have the network's accuracy.
    """
    inputs = [
        {
            "tensor_name": tensor.name,
            "calibration_dataset": calibration[tensor.name],
            "calibration_size": samples,
            "calibration_format": "Image" if pictures else "Numpy",
            **(_calibration_mean_std(model) if pictures else {}),
        }
        for tensor in model.inputs
    ]
    settings: dict[str, Any] = {
        "model_type": "ONNX",
        "npu_mode": npu_mode,
        "quant": {
            "input_configs": inputs,
            "calibration_method": "MinMax",
            "precision_analysis": analysis != ANALYSES[0],
            **(
                {"precision_analysis_mode": analysis, "precision_analysis_method": "EndToEnd"}
                if analysis != ANALYSES[0]
                else {}
            ),
        },
        "compiler": {"check": 0},
    }
    if pictures:
        settings["input_processors"] = _processors(model)
    return json.dumps(settings, indent=2, allow_nan=False) + "\n"


def _calibration_mean_std(model: OnnxModel) -> dict[str, Any]:
    pre = model.preprocessing
    return {} if pre is None else {"calibration_mean": list(pre.mean), "calibration_std": list(pre.std)}


def _processors(model: OnnxModel) -> list[dict[str, str]]:
    pre = model.preprocessing
    if pre is None:
        return []
    colour = pre.color.upper()
    return [
        {
            "tensor_name": tensor.name,
            "tensor_format": colour,
            "src_format": colour,
            "src_dtype": "U8",
            "src_layout": "NHWC",
            "csc_mode": "NoCSC",
        }
        for tensor in model.inputs
    ]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Tar files of a job's folder by input, the samples in each, whether they are pictures, and whose."""

    files: Mapping[str, str]
    samples: int
    pictures: bool
    chosen: Choice


def stem(model: OnnxModel) -> str:
    """The name of a job's files: safe, and of no other model."""
    return model.sha256[:16]


def lay_out_model(model: OnnxModel, workdir: Path) -> str:
    """Put the model into the folder; its name there. External data keeps its place beside it."""
    name = f"{stem(model)}.onnx"
    link_or_copy(model.path, workdir / name)
    for file in model.external:
        target = workdir / file.relative_to(model.path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(file, target)
    return name


def lay_out_calibration(
    model: OnnxModel, spec: CalibrationSpec, workdir: Path, arrays: job_files.ArrayFormat
) -> Calibration | Failure:
    """Write the calibration set; INVALID_CALIBRATION when the user's data do not fit this model."""
    try:
        chosen = choose(model.fed, spec)
        samples = chosen.calibration()
    except UsageError as error:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, str(error))
    if not samples:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, "there are no calibration samples")
    pictures = job_files.takes_pictures(model)
    files = {}
    for number, tensor in enumerate(model.inputs):
        name = "calibration.tar" if len(model.inputs) == 1 else f"calibration-{number}.tar"
        picture = model.preprocessing if pictures else None
        job_files.write_tar(workdir / name, tensor, samples, picture, arrays)
        files[tensor.name] = name
    return Calibration(files, len(samples), pictures, chosen)


def lay_out_artifact(artifact: Artifact, workdir: Path) -> Path:
    """Put a kept artifact, all that lies beside it and its model there; the path of the artifact."""
    lay_out_model(artifact.onnx, workdir)
    base = artifact.path.parent
    for file in (artifact.path, *artifact.extras):
        there = workdir / file.relative_to(base)
        there.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(file, there)
    return workdir / artifact.path.name
