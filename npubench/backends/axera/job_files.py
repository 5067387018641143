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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from npubench.domain.errors import UsageError
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CalibrationSpec, Preprocessing, TensorSpec
from npubench.measure.calibration import Choice, choose
from npubench.storage.files import link_or_copy, text_of

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
class Calibration:
    """Tar files of a job's folder by input, the samples in each, whether they are pictures, and whose."""

    files: Mapping[str, str]
    samples: int
    pictures: bool
    chosen: Choice


def quote(text: str) -> str:
    """A text as a string literal: its UTF-8 bytes, all but plain ASCII escaped."""
    plain = (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}" for byte in text.encode())
    return '"' + "".join(f"\\{one}" if one in '"\\' else one for one in plain) + '"'


def _numbers(values: Sequence[float]) -> str:
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{values} cannot stand in a configuration")
    return f"[{', '.join(f'{value / 255:.9g}' for value in values)}]"


NPU_MODES = ("111", "112", "0")
"""Virtual NPU: the user's half, the AI-ISP's half, the whole."""

LAYOUTS = ("nhwc", "nchw", "native")
COLOURS = ("rgb", "bgr", "gray", "nv12", "nv21", "bgr0", "auto")
DTYPES = ("float32", "int8", "uint8", "int16", "uint16", "int32", "uint32")
"""Of inputs that calibration files of Pulsar 1 can have."""


def config(model: OnnxModel, calibration: Calibration, chosen: object) -> str:
    """The text of config.prototxt; `chosen` has the board's options, of them `input_colour` if any."""
    import jinja2

    made = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    made.filters |= {"quoted": quote, "shares": _numbers}
    template = made.from_string(text_of(Path(__file__).with_name("config.prototxt.j2")))
    picture = model.preprocessing if calibration.pictures else None
    return template.render(chosen=chosen, inputs=model.inputs, picture=picture, calibration=calibration)


PULSAR2_NPU_MODES = ("NPU1", "NPU2", "NPU3")
ANALYSES = ("off", "Reference", "NPUBackend")
"""What computes the quantised model in the analysis: numpy, or the NPU's own arithmetic (NPU graphs only)."""


def pulsar2_config(
    model: OnnxModel, calibration: Calibration, npu_mode: str, analysis: str = ANALYSES[0]
) -> str:
    """The text of config.json.

    `analysis` is one of ANALYSES; the method is EndToEnd, whose last layers have the network's accuracy.
    """
    pre = model.preprocessing if calibration.pictures else None
    normal = {"calibration_mean": list(pre.mean), "calibration_std": list(pre.std)} if pre else {}
    inputs = [
        {
            "tensor_name": tensor.name,
            "calibration_dataset": calibration.files[tensor.name],
            "calibration_size": calibration.samples,
            "calibration_format": "Image" if calibration.pictures else "Numpy",
            **normal,
        }
        for tensor in model.inputs
    ]
    analysed = analysis != ANALYSES[0]
    method = {"precision_analysis_mode": analysis, "precision_analysis_method": "EndToEnd"}
    settings: dict[str, Any] = {
        "model_type": "ONNX",
        "npu_mode": npu_mode,
        "quant": {
            "input_configs": inputs,
            "calibration_method": "MinMax",
            "precision_analysis": analysed,
            **(method if analysed else {}),
        },
        "compiler": {"check": 0},
    }
    if pre:
        colours = dict.fromkeys(("tensor_format", "src_format"), pre.color.upper())
        source = {**colours, "src_dtype": "U8", "src_layout": "NHWC", "csc_mode": "NoCSC"}
        settings["input_processors"] = [{"tensor_name": tensor.name, **source} for tensor in model.inputs]
    return json.dumps(settings, indent=2, allow_nan=False) + "\n"


def stem(model: OnnxModel) -> str:
    """The name of a job's files: safe, and of no other model."""
    return model.sha256[:16]


def lay_out_model(model: OnnxModel, workdir: Path) -> str:
    """Put the model into the folder; its name there. External data keeps its place beside it."""
    name = f"{stem(model)}.onnx"
    link_or_copy(model.path, workdir / name)
    _lay_out(model.external, model.path.parent, workdir)
    return name


def _lay_out(files: Iterable[Path], base: Path, workdir: Path) -> None:
    for file in files:
        there = workdir / file.relative_to(base)
        there.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(file, there)


def lay_out_calibration(
    model: OnnxModel, spec: CalibrationSpec, workdir: Path, arrays: ArrayFormat
) -> Calibration | Failure:
    """Write the calibration set; INVALID_CALIBRATION when the user's data do not fit this model."""
    try:
        chosen = choose(model.fed, spec)
        samples = chosen.calibration()
    except UsageError as error:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, str(error))
    if not samples:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, "there are no calibration samples")
    pictures = takes_pictures(model)
    files = {}
    picture = model.preprocessing if pictures else None
    for number, tensor in enumerate(model.inputs):
        name = "calibration.tar" if len(model.inputs) == 1 else f"calibration-{number}.tar"
        write_tar(workdir / name, tensor, samples, picture, arrays)
        files[tensor.name] = name
    return Calibration(files, len(samples), pictures, chosen)


def lay_out_artifact(artifact: Artifact, workdir: Path) -> Path:
    """Put a kept artifact, all that lies beside it and its model there; the path of the artifact."""
    lay_out_model(artifact.onnx, workdir)
    _lay_out((artifact.path, *artifact.extras), artifact.path.parent, workdir)
    return workdir / artifact.path.name
