"""The calibration set as the tar files that pulsar and pulsar2 read: pictures, or raw arrays.

Pictures are 8-bit PNG in RGB (PNG specification, ISO/IEC 15948), one file a sample. The sets of
several inputs pair by equal file names.
"""

import io
import struct
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from npubench.domain.records import OnnxModel
from npubench.domain.specs import Preprocessing, TensorSpec

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
