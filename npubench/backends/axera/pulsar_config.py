"""config.prototxt of `pulsar build` for one model.

Fields: Pulsar documentation, configuration chapter. `affine_preprocess` brings pixels to 0..1, then
`input_normalization` takes mean and std of that range in the order of the source colour.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from npubench.backends.axera.prototxt import Enum, Message, Value, message, write
from npubench.domain.records import OnnxModel
from npubench.domain.specs import Preprocessing

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
