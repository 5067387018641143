"""The JSON configuration of `pulsar2 build` for one model.

Fields: Pulsar 2 documentation, configuration chapter. Mean and std stand on pixels of 0..255.
"""

import json
from collections.abc import Mapping
from typing import Any

from npubench.domain.records import OnnxModel

NPU_MODES = ("NPU1", "NPU2", "NPU3")
ANALYSES = ("off", "Reference", "NPUBackend")
"""What computes the quantised model in the analysis: numpy, or the NPU's own arithmetic (NPU graphs only)."""


def config(
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
            **(_normalisation(model) if pictures else {}),
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


def _normalisation(model: OnnxModel) -> dict[str, Any]:
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
