"""What a build reads: configuration texts and calibration files."""

import io
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera import job_files
from npubench.backends.axera.job_files import Calibration, quote
from npubench.backends.axera.pulsar import PulsarBackend
from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass
from npubench.domain.specs import CalibrationSpec, Precision, Preprocessing, Target, TensorSpec
from tests.fakes import model

PICTURE = Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "bgr")
IMAGE = TensorSpec("image", (1, 3, 4, 5))


@pytest.fixture
def relu(tmp_path):
    file = tmp_path / "relu.onnx"
    file.write_bytes(b"onnx")
    return model(file)


def config(of, files, pictures=False, npu_mode="111", input_colour=None):
    calibration = Calibration(files, 8, pictures, None)
    given = {"npu_mode": npu_mode, **({"input_color": input_colour} if input_colour else {})}
    return job_files.config(of, calibration, PulsarBackend().settings(given, "AX620A"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_configuration_holds_what_is_no_number(relu, value):
    picture = replace(relu, inputs=(IMAGE,), preprocessing=replace(PICTURE, mean=(0.0, value, 0.0)))
    with pytest.raises(ValueError, match="configuration"):
        config(picture, {"image": "calibration.tar"}, pictures=True)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_is_one_plain_literal(name):
    literal = quote(name)
    assert literal.isascii()
    assert re.fullmatch(r'"(?:[^"\\\x00-\x1f]|\\["\\]|\\[0-7]{3})*"', literal)
    restored = re.sub(rb"\\([0-7]{3}|.)", lambda m: _unescape(m[1]), literal[1:-1].encode())
    assert restored.decode() == name


def _unescape(text):
    return bytes([int(text, 8)]) if len(text) == 3 else text


def test_a_picture_network(relu):
    picture = replace(relu, inputs=(IMAGE,), preprocessing=replace(PICTURE, color="rgb"))
    text = config(picture, {"image": "calibration.tar"}, pictures=True)
    assert "mean: [0.485, 0.456, 0.406]" in text
    assert "slope_divisor: 255" in text
    assert "color_space: TENSOR_COLOR_SPACE_RGB" in text
    assert "tensor_layout: NCHW" in text
    assert "ax620_virtual_npu: AX620_VIRTUAL_NPU_MODE_111" in text
    assert 'path: "calibration.tar"' in text
    assert "size: 8" in text
    assert text.count("{") == text.count("}")


def test_what_the_camera_delivers_is_told_apart_from_what_the_network_takes(relu):
    picture = replace(relu, inputs=(IMAGE,), preprocessing=PICTURE)
    text = config(picture, {"image": "c.tar"}, pictures=True, input_colour="nv12")
    assert re.search(r"src_input_tensors \{\s+color_space: TENSOR_COLOR_SPACE_BGR", text)
    assert re.search(r"dst_input_tensors \{\s+color_space: TENSOR_COLOR_SPACE_NV12", text)


def test_several_inputs_are_selected_by_name(relu):
    inputs = (TensorSpec('a"\n', (2,)), TensorSpec("b", (3,), "int32"))
    text = config(replace(relu, inputs=inputs), {'a"\n': "0.tar", "b": "1.tar"})
    assert text.count(r'op_name: "a\"\012"') == 2
    assert text.count("dataset_conf_items {") == 2
    assert (
        '    dataset_conf_items {\n      selector {\n        op_name: "b"\n      }\n      path: "1.tar"\n'
        "      type: DATASET_TYPE_TAR\n      size: 8\n      batch_size: 1\n    }\n  }\n}\n"
    ) in text
    assert "type: INT32" in text
    assert "input_normalization" not in text


@pytest.mark.parametrize("mode", job_files.NPU_MODES)
def test_every_npu_mode(relu, mode):
    text = config(relu, {"x": "c.tar"}, npu_mode=mode)
    assert f"AX620_VIRTUAL_NPU_MODE_{mode}\n" in text


def test_pulsar2_settings(relu):
    picture = replace(relu, inputs=(IMAGE,), preprocessing=PICTURE)
    calibration = Calibration({"image": "calibration.tar"}, 4, True, None)
    config = json.loads(job_files.pulsar2_config(picture, calibration, "NPU3"))
    (entry,) = config["quant"]["input_configs"]
    assert entry["calibration_mean"] == list(PICTURE.mean)
    assert entry["calibration_format"] == "Image"
    assert config["npu_mode"] == "NPU3"
    assert config["input_processors"][0]["src_format"] == "BGR"
    plain = json.loads(job_files.pulsar2_config(relu, Calibration({"x": "c.tar"}, 4, False, None), "NPU1"))
    assert plain["quant"]["input_configs"][0]["calibration_format"] == "Numpy"
    assert "input_processors" not in plain


def members(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_arrays_are_written_with_shape_and_type_of_the_input(tmp_path):
    tensor = TensorSpec("x", (2, 3), "int32")
    samples = [{"x": np.arange(6, dtype=np.int32).reshape(2, 3) + i} for i in range(3)]
    job_files.write_tar(tmp_path / "a.tar", tensor, samples, None, "bin")
    files = members(tmp_path / "a.tar")
    assert sorted(files) == ["000000.bin", "000001.bin", "000002.bin"]
    assert files["000002.bin"] == samples[2]["x"].tobytes()
    job_files.write_tar(tmp_path / "b.tar", tensor, samples, None, "npy")
    array = np.load(io.BytesIO(members(tmp_path / "b.tar")["000001.npy"]))
    assert array.dtype == np.int32
    assert (array == samples[1]["x"]).all()


def test_equal_samples_give_equal_files(tmp_path):
    for name in ("a.tar", "b.tar"):
        samples = [{"x": np.ones(3, np.float32)}]
        job_files.write_tar(tmp_path / name, TensorSpec("x", (3,)), samples, None, "bin")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize("color", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_pixels_are_what_the_preprocessing_began_with(color, layout):
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    pre = Preprocessing(PICTURE.mean, PICTURE.std, color, layout)
    picture = rgb[:, :, ::-1] if color == "bgr" else rgb
    tensor = ((picture - np.array(pre.mean)) / np.array(pre.std)).astype(np.float32)[None]
    if layout == "nchw":
        tensor = tensor.transpose(0, 3, 1, 2)
    assert (job_files.pixels(tensor, pre) == rgb).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_read_back_by_its_own_rules(channels):
    import struct
    import zlib

    picture = np.random.default_rng(1).integers(0, 256, (4, 5, channels), dtype=np.uint8)
    data = job_files.png(picture)
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + length
    assert struct.unpack(">IIBB", chunks[b"IHDR"][:10]) == (5, 4, 8, 0 if channels == 1 else 2)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(4, 1 + 5 * channels)
    assert (rows[:, 0] == 0).all()
    assert (rows[:, 1:].reshape(4, 5, channels) == picture).all()


def test_only_a_single_picture_input_is_calibrated_with_pictures(relu):
    assert job_files.takes_pictures(replace(relu, inputs=(IMAGE,), preprocessing=PICTURE))
    assert not job_files.takes_pictures(replace(relu, inputs=(IMAGE,)))
    assert not job_files.takes_pictures(replace(relu, inputs=(IMAGE, IMAGE), preprocessing=PICTURE))
    four = TensorSpec("x", (1, 4, 4, 5))
    assert not job_files.takes_pictures(replace(relu, inputs=(four,), preprocessing=PICTURE))


def test_data_that_does_not_fit_is_a_failure_of_the_case(relu, tmp_path):
    data = tmp_path / "data.npy"
    np.save(data, np.zeros((7, 7), np.float32))
    failure = job_files.lay_out_calibration(relu, CalibrationSpec(data), tmp_path, "bin")
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.INVALID_CALIBRATION


def test_an_input_type_that_cannot_be_calibrated_is_a_failure_of_the_case(relu, tmp_path):
    wide = replace(relu, inputs=(TensorSpec("x", (1,), "int64"),))
    target = Target("AX620A", Precision.INT8, {}, CalibrationSpec(), 10)
    failure = PulsarBackend().compile(wide, target, tmp_path, tmp_path / "log")
    assert failure.failure_class is FailureClass.UNSUPPORTED_ATTRIBUTE


@pytest.mark.parametrize(
    "options",
    [
        {"npu_mode": "113"},
        {"npu_mode": 111},
        {"imagee": "x"},
        {"image": ""},
        {"engine": "lxc"},
        {"simulate": "yes"},
        {"output_layout": "chwn"},
        {"target_hardware": "AX999"},
    ],
)
def test_options_that_make_no_sense_are_named(options):
    with pytest.raises(UsageError, match=f"backend_options.{next(iter(options))}"):
        PulsarBackend().settings(options, "AX620A")


def test_all_options_that_there_are_not_are_named_at_once_with_the_nearest():
    with pytest.raises(UsageError) as raised:
        PulsarBackend().settings({"imagee": "x", "zzz": 1}, "AX620A")
    assert str(raised.value).startswith(
        "backend_options.imagee is unknown (did you mean 'image'?); backend_options.zzz is unknown: the board may set "
    )


def test_an_unknown_chip_needs_its_hardware_named():
    with pytest.raises(UsageError, match="target_hardware"):
        PulsarBackend().settings({}, "RK3588")
    assert PulsarBackend().settings({"target_hardware": "AX620"}, "RK3588").target_hardware == "AX620"


def test_files_are_named_by_the_model(relu, tmp_path):
    work = Path(tmp_path / "work")
    work.mkdir()
    assert job_files.lay_out_model(relu, work) == f"{relu.sha256[:16]}.onnx"
    assert (work / f"{relu.sha256[:16]}.onnx").read_bytes() == b"onnx"
