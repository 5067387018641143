"""MediaPipe's own files (TensorFlow Lite, in its package of 2024) as ONNX graphs without numbers.

Only layers and shapes are read; channels come first, as everywhere here.
"""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

from tests.network_graphs.recipe import Recipe

FOUND = importlib.util.find_spec("mediapipe")
if FOUND is None:
    raise ImportError("mediapipe")
MODELS = {
    "mediapipe-hand-landmark-full": "hand_landmark/hand_landmark_full",
    "mediapipe-hand-landmark-lite": "hand_landmark/hand_landmark_lite",
    "mediapipe-selfie-square": "selfie_segmentation/selfie_segmentation",
    "mediapipe-selfie-landscape": "selfie_segmentation/selfie_segmentation_landscape",
    "mediapipe-palm-detection-full": "palm_detection/palm_detection_full",
    "mediapipe-palm-detection-lite": "palm_detection/palm_detection_lite",
    "mediapipe-pose-detection": "pose_detection/pose_detection",
    "mediapipe-pose-landmark-full": "pose_landmark/pose_landmark_full",
    "mediapipe-face-detection-short": "face_detection/face_detection_short_range",
    "mediapipe-iris-landmark": "iris_landmark/iris_landmark",
}
PLAIN = {
    "ADD": "Add", "MUL": "Mul", "SUB": "Sub", "DIV": "Div", "PRELU": "PRelu", "LOGISTIC": "Sigmoid", "HARD_SWISH": "HardSwish",
    "RELU": "Relu", "RELU6": "Clip", "RESHAPE": "Reshape", "CONCATENATION": "Concat", "PAD": "Pad", "RESIZE_BILINEAR": "Resize",
    "MAX_POOL_2D": "MaxPool", "AVERAGE_POOL_2D": "AveragePool", "MEAN": "ReduceMean", "TANH": "Tanh", "SOFTMAX": "Softmax",
    "SLICE": "Slice", "STRIDED_SLICE": "Slice", "DEPTH_TO_SPACE": "DepthToSpace", "TRANSPOSE": "Transpose", "SQUEEZE": "Squeeze",
    "SPLIT": "Split", "EXP": "Exp", "RESIZE_NEAREST_NEIGHBOR": "Resize", "DEQUANTIZE": "Identity", "MAXIMUM": "Max", "MINIMUM": "Min",
}  # fmt: skip
PRODUCTS = {
    "CONV_2D": "Conv", "DEPTHWISE_CONV_2D": "Conv", "TRANSPOSE_CONV": "ConvTranspose", "FULLY_CONNECTED": "Gemm",
    "CUSTOM": "ConvTranspose",
}  # fmt: skip
"""The one operator of MediaPipe's own is a transposed convolution with a bias."""

ACTIVATIONS = {1: "Relu", 2: "Relu", 3: "Clip"}


def graph_of(file: Path):
    """The ONNX model of a file: nodes, and the shape of every tensor."""
    import tflite
    from onnx import TensorProto, helper

    model = tflite.Model.GetRootAsModel(file.read_bytes(), 0)
    graph = model.Subgraphs(0)
    names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}

    def shape(index):
        dims = (
            [int(one) for one in graph.Tensors(index).ShapeAsNumpy()]
            if graph.Tensors(index).ShapeLength()
            else []
        )
        return (dims[0], dims[3], dims[1], dims[2]) if len(dims) == 4 else tuple(dims)

    nodes, weights, constants = [], {}, set()
    written = {
        graph.Operators(n).Outputs(k)
        for n in range(graph.OperatorsLength())
        for k in range(graph.Operators(n).OutputsLength())
    }
    inputs = [graph.Inputs(n) for n in range(graph.InputsLength())]
    constants |= {n for n in range(graph.TensorsLength()) if n not in written and n not in inputs}
    values = {f"t{n}": shape(n) for n in range(graph.TensorsLength())}
    for n in range(graph.OperatorsLength()):
        operator = graph.Operators(n)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        reads = [operator.Inputs(k) for k in range(operator.InputsLength()) if operator.Inputs(k) >= 0]
        output = operator.Outputs(0)
        if all(one in constants for one in reads):
            constants |= {operator.Outputs(k) for k in range(operator.OutputsLength())}
            continue
        attributes = {}
        live = [one for one in reads if one not in constants]
        if name in PRODUCTS:
            weight = next(
                one
                for one in reads
                if one in constants and len(values[f"t{one}"]) in (2, 4) and math.prod(values[f"t{one}"]) > 4
            )
            out, kernel, _, _ = dims = (
                values[f"t{weight}"] if len(values[f"t{weight}"]) == 4 else (*values[f"t{weight}"], 1, 1)
            )
            # TensorFlow Lite holds O x kh x kw x I, read above as O x I x kh x kw.
            if name == "DEPTHWISE_CONV_2D":
                dims, attributes = (kernel, 1, *dims[2:]), {"group": kernel}
            elif PRODUCTS[name] == "ConvTranspose":
                dims = (kernel, out, *dims[2:])
            elif name == "FULLY_CONNECTED":
                dims, attributes = dims[:2], {"transB": 1}
            weights[f"w{n}"] = dims
            feeds = [f"t{live[-1]}", f"w{n}"]
            kind = PRODUCTS[name]
            if kind == "Gemm":
                values[f"t{output}"] = values[f"t{output}"]
        else:
            kind = PLAIN[name]
            feeds = [f"t{one}" for one in live]
            if kind in ("Add", "Mul", "Sub", "Div", "PRelu", "Max", "Min") and len(live) == 1:
                weights[f"w{n}"] = (1,)
                feeds.append(f"w{n}")
        results = [f"t{operator.Outputs(k)}" for k in range(operator.OutputsLength())]
        fused = activation_of(tflite, operator, name)
        first = [f"t{output}_raw", *results[1:]] if fused else results
        nodes.append(helper.make_node(kind, feeds, first, **attributes))
        if fused:
            values[f"t{output}_raw"] = values[f"t{output}"]
            nodes.append(helper.make_node(fused, [f"t{output}_raw"], [f"t{output}"]))
    info = lambda key: helper.make_tensor_value_info(key, TensorProto.FLOAT, values[key])
    outputs = [f"t{graph.Outputs(n)}" for n in range(graph.OutputsLength())]
    made = {one for node in nodes for one in node.output}
    whole = helper.make_graph(
        nodes, "g", [info(f"t{one}") for one in inputs], [info(one) for one in outputs if one in made],
        [TensorProto(name=key, dims=dims, data_type=TensorProto.FLOAT) for key, dims in weights.items()],
        value_info=[info(one) for one in made if one not in outputs],
    )  # fmt: skip
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)])


def activation_of(tflite, operator, name):
    """The activation that stands in the options of an operator."""
    kinds = {
        "CONV_2D": "Conv2DOptions",
        "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
        "ADD": "AddOptions",
        "MUL": "MulOptions",
        "FULLY_CONNECTED": "FullyConnectedOptions",
    }
    if name not in kinds or operator.BuiltinOptions() is None:
        return None
    options = getattr(tflite, kinds[name])()
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return ACTIVATIONS.get(options.FusedActivationFunction())


def recipes() -> Iterator[Recipe]:
    root = Path(next(iter(FOUND.submodule_search_locations))) / "modules"
    for name, file in MODELS.items():
        path = root / f"{file}.tflite"
        found = graph_of(path).graph.input[0].type.tensor_type.shape.dim
        shape = tuple(one.dim_value for one in found)
        yield Recipe(name, shape, lambda _, path=path: graph_of(path), f"mediapipe 0.10.14 {path.name}")
