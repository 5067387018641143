"""Images of every mode and format that Pillow writes: the same picture gives the same input."""

import struct

import numpy as np
import pytest
from PIL import Image

from npubench.domain.errors import UsageError
from npubench.domain.specs import ModelInputs, Preprocessing, TensorSpec
from npubench.measure.pictures import is_image
from npubench.measure.sample_files import pictures

SIZE = 16
ROWS = np.linspace(20, 230, SIZE).round().astype(np.uint8)
GREY = np.repeat(ROWS[:, None], SIZE, axis=1)
COLOUR = np.stack([GREY, GREY[::-1], np.full_like(GREY, 60)], axis=-1)
LOSSLESS = (
    "bmp",
    "dds",
    "dib",
    "gif",
    "im",
    "jp2",
    "pcx",
    "png",
    "ppm",
    "qoi",
    "sgi",
    "tga",
    "tif",
    "tiff",
    "webp",
)


def read(file, channels=3, dtype="float32", preprocessing=None, shape=None):
    tensor = TensorSpec("x", shape or (1, channels, SIZE, SIZE), dtype)
    (array,), told = pictures([file], tensor, ModelInputs((tensor,), preprocessing=preprocessing))
    return array, told


def saved(path, array, mode=None, **options):
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


@pytest.mark.parametrize("ending", LOSSLESS)
def test_every_lossless_format_gives_the_pixels(tmp_path, ending):
    options = {"lossless": True} if ending == "webp" else {}
    file = saved(tmp_path / f"a.{ending}", COLOUR, **options)
    assert is_image(file)
    limit = 0.1 if ending == "gif" else 1e-6
    np.testing.assert_allclose(read(file)[0], COLOUR.transpose(2, 0, 1) / 255, atol=limit)


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "jpe", "jfif", "JPG", "avif", "mpo"])
def test_lossy_formats_are_near(tmp_path, ending):
    file = saved(tmp_path / f"a.{ending}", COLOUR, **({"quality": 95} if ending != "mpo" else {}))
    assert is_image(file)
    assert np.abs(read(file)[0] - COLOUR.transpose(2, 0, 1) / 255).mean() < 0.06


@pytest.mark.parametrize("ending", ["png", "tif", "pgm", "jp2", "im"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_of_grey_are_scaled_by_their_depth(tmp_path, ending, channels):
    file = saved(tmp_path / f"a.{ending}", GREY.astype(np.uint16) * 257)
    found, _ = read(file, channels)
    np.testing.assert_allclose(found, np.repeat(GREY[None], channels, axis=0) / 255, atol=1e-4)


MODES = {
    "1": np.where(GREY > 127, 255, 0),
    "L": GREY,
    "P": GREY,
    "LA": GREY,
    "RGB": GREY,
    "RGBA": GREY,
    "CMYK": GREY,
    "YCbCr": GREY,
    "LAB": GREY,
    "I": GREY,
    "F": GREY,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_one_picture_is_the_same_input(tmp_path, mode, channels):
    picture = Image.fromarray(MODES[mode].astype(np.uint8))
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.applyTransform(
            picture.convert("RGB"), ImageCms.buildTransform(*profiles, "RGB", "LAB")
        )
    file = saved(tmp_path / "a.tif", picture, mode)
    found, told = read(file, channels)
    expected = np.repeat(MODES[mode][None], channels, axis=0) / 255
    np.testing.assert_allclose(found, expected, atol=0.03 if mode in {"LAB", "CMYK"} else 0.005)
    assert ("taken for 0..255" in told) == (mode in {"I", "F"})


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
@pytest.mark.parametrize("greatest", [1.0, 255.0, 65535.0])
def test_numbers_without_a_depth_take_that_of_the_whole_set(tmp_path, kind, greatest):
    """A dark image among bright ones stays dark."""
    if (kind, greatest) in {("int32", 1.0), ("uint16", 1.0), ("uint16", 255.0)}:
        pytest.skip("uint16 tells its depth, and whole numbers of 0 and 1 are 8 bits")
    bright, dark = (GREY / 255 * greatest, GREY / 255 * greatest / 300)
    files = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for file, array in zip(files, (bright, dark), strict=True):
        Image.fromarray(array.astype(kind)).save(file)
    tensor = TensorSpec("x", (1, 1, SIZE, SIZE))
    (first, second), _ = pictures(files, tensor, ModelInputs((tensor,)))
    if kind != "float32" and greatest == 255.0:
        assert second.max() < 0.01
        return
    np.testing.assert_allclose(first[0], GREY / 255, atol=0.005)
    np.testing.assert_allclose(second[0], GREY / 255 / 300, atol=0.005)


def test_exif_orientation_is_applied_before_the_size(tmp_path):
    wide = np.zeros((SIZE, 2 * SIZE), np.uint8)
    wide[:, :SIZE] = 255
    for ending in ("jpg", "png", "tif", "webp"):
        for orientation, upright in (
            (1, wide),
            (3, wide[::-1, ::-1]),
            (6, np.rot90(wide, -1)),
            (8, np.rot90(wide)),
        ):
            exif = Image.Exif()
            exif[0x0112] = orientation
            file = saved(tmp_path / f"{orientation}.{ending}", wide, exif=exif)
            expected = np.asarray(Image.fromarray(np.ascontiguousarray(upright)).resize((SIZE, SIZE))) / 255
            assert np.abs(read(file, 1)[0][0] - expected).mean() < 0.02, (ending, orientation)


def test_palettes_of_colours_and_of_few_bits(tmp_path):
    picture = Image.fromarray(COLOUR).quantize(200)
    expected = np.asarray(picture.convert("RGB")).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(read(saved(tmp_path / "a.png", picture))[0], expected, atol=1e-6)
    saved(tmp_path / "b.png", picture, transparency=255)
    np.testing.assert_allclose(read(tmp_path / "b.png")[0], expected, atol=1e-6)
    used = int(np.asarray(picture)[0, 0])
    with pytest.raises(UsageError, match="transparent pixels, the model takes 3 channels"):
        read(saved(tmp_path / "c.png", picture, transparency=used))
    saved(tmp_path / "d.png", Image.fromarray(GREY // 16).quantize(16), bits=4)
    assert read(tmp_path / "d.png", 1)[0].max() < 0.1


def test_alpha_counts_only_where_something_shows_through(tmp_path):
    opaque = np.dstack([COLOUR, np.full_like(GREY, 255)])
    holed = opaque.copy()
    holed[3, 3, 3] = 254
    np.testing.assert_allclose(
        read(saved(tmp_path / "a.png", opaque))[0], COLOUR.transpose(2, 0, 1) / 255, atol=1e-6
    )
    for channels in (1, 3):
        with pytest.raises(UsageError, match=r"transparent pixels.*flatten it"):
            read(saved(tmp_path / "b.png", holed), channels)
    assert read(tmp_path / "b.png", 4)[0][3, 3, 3] == pytest.approx(254 / 255)
    grey = np.dstack([GREY, np.full_like(GREY, 7)])
    assert read(saved(tmp_path / "c.png", grey, "LA"), 2)[0].shape == (2, SIZE, SIZE)
    # PNG's key of one transparent colour.
    keyed = saved(tmp_path / "k.png", COLOUR, transparency=tuple(int(v) for v in COLOUR[0, 0]))
    with pytest.raises(UsageError, match="transparent pixels"):
        read(keyed)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_an_image_has_not_are_refused(tmp_path, mode, channels):
    with pytest.raises(UsageError, match=f"no alpha, the model wants {channels} channels"):
        read(saved(tmp_path / "a.tif", COLOUR, mode), channels)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("uint8", COLOUR.astype(int)),
        ("int8", COLOUR.astype(int) - 128),
        ("uint16", COLOUR.astype(int) * 257),
        ("int32", COLOUR.astype(int)),
        ("int64", COLOUR.astype(int)),
        ("float16", COLOUR / 255),
    ],
)
def test_whole_numbers_take_pixels_as_they_are(tmp_path, dtype, expected):
    found, _ = read(saved(tmp_path / "a.png", COLOUR), dtype=dtype, shape=(1, SIZE, SIZE, 3))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_16_bits_stay_16_bits(tmp_path):
    array = np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE) * 7 + 30000
    found, _ = read(saved(tmp_path / "a.png", array), 1, "uint16")
    assert (found[0] == array).all()


def test_layouts_and_grey_without_channels(tmp_path):
    file = saved(tmp_path / "a.png", COLOUR)
    assert read(file, shape=(1, SIZE, SIZE, 3))[0].shape == (SIZE, SIZE, 3)
    assert read(file, shape=(1, 8, 12))[0].shape == (8, 12)
    assert read(file, shape=(1, 3, 4, 4))[0].shape == (3, 4, 4)
    assert read(saved(tmp_path / "b.png", np.dstack([COLOUR, GREY])), shape=(1, 8, 8, 4))[0].shape == (
        8,
        8,
        4,
    )


def tiff(path, array, bits, photometric=1, form=1):
    """A TIFF of one strip, which Pillow cannot write so."""
    data, (height, width) = array.tobytes(), array.shape
    tags = [
        (256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 8),
        (277, 3, 1), (278, 3, height), (279, 4, len(data)), (339, 3, form),
    ]  # fmt: skip
    entries = b"".join(
        struct.pack("<HHIHH" if kind == 3 else "<HHII", tag, kind, 1, value, *((0,) if kind == 3 else ()))
        for tag, kind, value in tags
    )
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    path.write_bytes(head + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0))
    return path


def test_depth_and_sign_come_from_the_header(tmp_path):
    share = GREY / 255
    files = {
        "white is 0": tiff(tmp_path / "a.tif", (65535 - GREY.astype(int) * 257).astype("<u2"), 16, 0),
        "white is 0, 8 bits": tiff(tmp_path / "b.tif", 255 - GREY, 8, 0),
        "signed 16": tiff(tmp_path / "c.tif", np.round(share * 32767).astype("<i2"), 16, form=2),
        "unsigned 32": tiff(tmp_path / "d.tif", np.round(share * (2**32 - 1)).astype("<u4"), 32),
        "float 32": tiff(tmp_path / "e.tif", share.astype("<f4"), 32, form=3),
    }
    (tmp_path / "f.pgm").write_bytes(b"P5 16 16 4095\n" + np.round(share * 4095).astype(">u2").tobytes())
    (tmp_path / "g.ppm").write_bytes(b"P6 16 16 65535\n" + np.dstack([GREY] * 3).astype(">u2").tobytes())
    for how, file in {**files, "12 bits": tmp_path / "f.pgm"}.items():
        np.testing.assert_allclose(read(file, 1)[0][0], share, atol=0.005, err_msg=how)
    assert read(tmp_path / "g.ppm")[0].max() < 0.005


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    whole = saved(tmp_path / "whole.png", COLOUR).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nan.tif")
    Image.fromarray(np.full((4, 4), -3, np.int32)).save(tmp_path / "negative.tif")
    Image.fromarray(np.full((4, 4), 1e9, np.float32)).save(tmp_path / "huge.tif")
    told = {
        "text.png": "no image that can be read",
        "cut.png": "no image that can be read",
        "nan.tif": "NaN or infinity",
        "negative.tif": "below 0",
        "huge.tif": "floating point",
    }
    for name, words in told.items():
        with pytest.raises(UsageError, match=words) as caught:
            read(tmp_path / name, 1)
        assert "\n" not in str(caught.value)


def test_preprocessing_that_makes_nan_is_told_with_its_input(tmp_path):
    file = saved(tmp_path / "a.png", COLOUR)
    broken = Preprocessing((0.0, 0.0, 0.0), (1.0, 0.0, 1.0), "rgb")
    with pytest.raises(UsageError, match=r"a.png: sample 1 of 'x' holds infinity"):
        read(file, preprocessing=broken)


@pytest.mark.parametrize("shape", [(1, 5, 8, 8), (1, 10), (1, 3, 2, 8, 8)])
def test_inputs_that_take_no_images(tmp_path, shape):
    with pytest.raises(UsageError, match="give arrays"):
        read(saved(tmp_path / "a.png", COLOUR), shape=shape)
