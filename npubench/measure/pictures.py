"""Images as a network's input: every format that Pillow reads, scaled by its depth, never clipped.

A grey image fills all three colours, a coloured one becomes grey by its luma (ITU-R BT.601). An alpha channel
that is opaque throughout says nothing and is dropped; one that is not is refused where the model has no
channel for it, and so is an image without a channel that the model has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import ModelInputs, Preprocessing, TensorSpec
from npubench.graph.walk import numpy_dtype
from npubench.measure.inputs import preprocessed, shape_text

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Array = np.ndarray[Any, Any]

USUAL_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".jp2", ".pgm", ".ppm"}
)
"""What is taken for an image where Pillow is not there to be asked."""

NO_PIXELS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow knows by name but reads by another program, or not at all."""

_DEPTHS = (255, 65535, 2**31 - 1, 2**32 - 1)
_BAND_NAMES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO = 0
"""Tags of TIFF, and a value of the second."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a model's input wants of an image; without `axis` it has no axis for the channels."""

    height: int
    width: int
    channels: int
    axis: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Pixels, float32 height x width x channels, of 0..`full`; `full` is None where the file does not tell.

    `greatest` is the largest number that the file holds.
    """

    pixels: "Array"
    full: float | None
    greatest: float
    mode: str


def is_image(file: Path) -> bool:
    """Whether the name ends like that of an image which Pillow reads."""
    return file.suffix.lower() in _suffixes()


@cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(sorted({*Image.OPEN} - NO_PIXELS))


@cache
def _suffixes() -> frozenset[str]:
    try:
        from PIL import Image
    except ImportError:
        return USUAL_SUFFIXES
    known = Image.registered_extensions().items()
    # JPEG's reader takes MPO, too.
    kinds = {*_formats(), "MPO"}
    return frozenset(end for end, kind in known if kind in kinds)


def frame_of(tensor: TensorSpec, preprocessing: Preprocessing | None) -> Frame:
    """Height, width and channels of an input, batch first. Raises UsageError where it takes no images."""
    shape = tensor.shape
    text = shape_text(shape)
    if tensor.dtype == "bool" or len(shape) not in (3, 4):
        raise UsageError(f"{tensor.name!r} is {tensor.dtype} {text}: it takes no images, give arrays")
    if len(shape) == 3:
        return Frame(shape[1], shape[2], 1, None)
    last = preprocessing.layout == "nhwc" if preprocessing else _channels_last(shape)
    height, width, channels = shape[1:] if last else (*shape[2:], shape[1])
    if channels not in _BAND_NAMES:
        raise UsageError(
            f"{tensor.name!r} is {text}: images have 1 to 4 channels, not {channels}: give arrays"
        )
    if preprocessing and {len(preprocessing.mean), len(preprocessing.std)} - {1, channels}:
        raise UsageError(
            f"{tensor.name!r} has {channels} channels, its mean and deviation have others: correct them"
        )
    return Frame(height, width, channels, 3 if last else 1)


def _channels_last(shape: Sequence[int]) -> bool:
    """By the axis that looks more like colours: three, then one, four, two; the first of equal ones."""
    order = (3, 1, 4, 2)
    first, last = (order.index(size) if size in order else len(order) for size in (shape[1], shape[3]))
    return last < first


def read(file: Path, frame: Frame) -> Picture:
    """The image, upright and resized. Raises UsageError with the file's name, always one line."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise UsageError(f"{file.name} is an image: pip install 'npubench[images]' to read it") from error
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Of a stream, for Pillow maps a TIFF that it has the name of, and mixes up the sides of a turned
            # one; of these formats alone, whatever the name says.
            with file.open("rb") as stream, Image.open(stream, formats=_formats()) as opened:
                depth = _depth(opened)
                opened.load()
                picture = ImageOps.exif_transpose(opened)
            if picture.mode in (*_SIXTEEN, "I", "F"):
                return _wide(file, picture, depth, frame)
            return _narrow(file, picture, frame)
    except UsageError:
        raise
    except UnidentifiedImageError as error:
        raise UsageError(f"{file} is no image that can be read (of no known format): remove it") from error
    except Exception as error:  # decoders raise whatever they come upon
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UsageError(f"{file} is no image that can be read ({reason}): remove it") from error


@dataclass(frozen=True, slots=True)
class _Depth:
    """What a file's header says of a pixel of more than 8 bits: its largest number (None: any), its sign.

    `inverted` says that 0 is white, which Pillow heeds of 8 bits alone.
    """

    full: float | None
    unsigned: bool
    inverted: bool = False


def _depth(opened: "Image") -> _Depth:
    tags: Mapping[int, Any] = getattr(opened, "tag_v2", {})
    # Whole numbers are unsigned where a TIFF says nothing (its specification, SampleFormat).
    bits, form = int(tags.get(_BITS_PER_SAMPLE, (0,))[0]), int(tags.get(_SAMPLE_FORMAT, (1,))[0])
    if opened.mode in _SIXTEEN:
        return _Depth(float(2 ** (bits or 16) - 1), True, tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)
    if opened.mode == "I" and bits == 16:
        return _Depth(float(2**15 - 1), False)
    # Portable grey maps of 16 bits are read into 32.
    known = opened.mode == "I" and opened.format in {"PPM", "PNG"}
    return _Depth(65535.0 if known else None, opened.mode == "I" and bits == 32 and form == 1)


def _wide(file: Path, picture: "Image", depth: _Depth, frame: Frame) -> Picture:
    """Grey of more than 8 bits: resized in floating point, for Pillow's own conversion cuts it off at 255."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture)
    if depth.unsigned and picture.mode == "I":
        # Pillow reads them into signed ones, bit for bit.
        values = values.view(np.uint32)
    if depth.inverted and depth.full is not None:
        values = int(depth.full) - values
    if not np.isfinite(values).all():
        raise UsageError(f"{file} holds NaN or infinity: leave it out")
    if (values < 0).any():
        raise UsageError(f"{file} holds pixels below 0: shift them to 0 and more")
    _has_channels(file, picture.mode, False, frame)
    resized = Image.fromarray(values.astype(np.float32)).resize((frame.width, frame.height))
    greatest = float(values.max())
    # Bicubic weights overshoot at edges, beyond what a pixel can be.
    pixels = np.clip(np.asarray(resized, np.float32), 0, depth.full or greatest)
    return Picture(np.repeat(pixels[..., None], frame.channels, axis=2), depth.full, greatest, picture.mode)


def _narrow(file: Path, picture: "Image", frame: Frame) -> Picture:
    import numpy as np

    flat, wanted = _flat(picture), _BAND_NAMES[frame.channels]
    alpha = flat.mode.endswith("A")
    _has_channels(file, flat.mode, alpha and flat.getchannel("A").getextrema() != (255, 255), frame)
    if alpha and not wanted.endswith("A"):
        flat = flat.convert(flat.mode[:-1])
    resized = flat.convert(wanted).resize((frame.width, frame.height))
    pixels = np.asarray(resized, np.float32).reshape(frame.height, frame.width, frame.channels)
    return Picture(pixels, 255.0, 255.0, picture.mode)


def _flat(picture: "Image") -> "Image":
    """L, LA, RGB or RGBA of any image of 8 bits a channel."""
    if picture.has_transparency_data:
        return picture.convert("LA" if picture.mode in {"1", "L", "LA", "La"} else "RGBA")
    if picture.mode in {"1", "L"}:
        return picture.convert("L")
    if picture.mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        made = ImageCms.applyTransform(picture, ImageCms.buildTransform(*profiles, "LAB", "RGB"))
        return made if made is not None else picture.convert("RGB")
    return picture.convert("RGB")


def _has_channels(file: Path, mode: str, transparent: bool, frame: Frame) -> None:
    with_alpha = frame.channels in (2, 4)
    if with_alpha and not mode.endswith("A"):
        lacking = f"{'colours' if mode == 'RGB' else 'grey'} and no alpha, the model wants"
        raise UsageError(f"{file} has {lacking} {frame.channels} channels: give it images that have them")
    if transparent and not with_alpha:
        unfit = f"has transparent pixels, the model takes {frame.channels} channels"
        raise UsageError(f"{file} {unfit}: flatten it onto a background")


def scales(pictures: Sequence[Picture]) -> tuple[dict[str, float], str]:
    """The full scale of modes whose files do not tell it, by the largest number of all; and words for it.

    Raises UsageError for floating point beyond 16 bits.
    """
    found: dict[str, float] = {}
    for mode in sorted({one.mode for one in pictures if one.full is None}):
        greatest = max(one.greatest for one in pictures if one.mode == mode)
        known = (1, 255, 65535) if mode == "F" else _DEPTHS
        full = next((depth for depth in known if greatest <= depth), None)
        if full is None:
            raise UsageError(
                f"images of floating point hold {greatest:g}: scale them to 0..1, 0..255 or 0..65535"
            )
        found[mode] = full
    names = {"F": "floating point", "I": "32 bits"}
    told = (f"pixels of {names.get(mode, mode)} taken for 0..{full:.10g}" for mode, full in found.items())
    return found, "; ".join(told)


def as_input(
    picture: Picture, full: Mapping[str, float], tensor: TensorSpec, inputs: ModelInputs, frame: Frame
) -> "Array":
    """The input's array of one image, without batch: preprocessed, else 0..1, else by a whole number's type.

    uint8 takes 0..255 as they are, int8 these less 128, 16 bits their whole range, wider ones 0..255.
    """
    import numpy as np

    preprocessing, dtype = inputs.preprocessing, numpy_dtype(tensor.dtype)
    pixels = picture.pixels * (255 / (full[picture.mode] if picture.full is None else picture.full))
    if preprocessing is not None:
        ordered = pixels[..., ::-1] if preprocessing.color == "bgr" and frame.channels == 3 else pixels
        pixels = preprocessed(ordered, preprocessing, -1)
    elif dtype.kind not in "iu":
        pixels = pixels / 255
    elif dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        pixels = pixels.astype(np.float64) * ((int(limits.max) - int(limits.min)) / 255) + int(limits.min)
    if dtype.kind in "iu":
        if not np.isfinite(pixels).all():
            raise UsageError(
                f"{tensor.name!r}: a deviation of 0 makes NaN of pixels: correct the preprocessing"
            )
        pixels = np.rint(pixels).astype(np.int64)
    else:
        pixels = pixels.astype(np.float32)
    if frame.axis is None:
        return pixels[..., 0]
    return pixels if frame.axis == 3 else pixels.transpose(2, 0, 1)


def words_for(tensor: TensorSpec, preprocessing: Preprocessing | None) -> str:
    """How images become this input where the model tells no preprocessing; empty where it does."""
    if preprocessing is not None:
        return ""
    ranges = {"uint8": "0..255", "int8": "-128..127", "uint16": "0..65535", "int16": "-32768..32767"}
    whole = tensor.dtype.startswith(("int", "uint"))
    scaled = ranges.get(tensor.dtype, "0..255") if whole else "0..1"
    return f"images scaled to {scaled}: the model tells no mean and deviation"
