"""LiteRT models: run with inputs and outputs in ONNX's layout, which onnx2tf changes to channels last."""

from typing import Any

import numpy as np


class ChangedError(RuntimeError):
    """What onnx2tf made has other inputs or outputs than the model."""


class Layout:
    """How tensors of the ONNX model lie in the LiteRT one: permuted to channels last, or as they are."""

    def __init__(self, inputs: bool, outputs: tuple[bool, ...] = ()) -> None:
        self.inputs = inputs
        self.outputs = outputs

    def to_model(self, array: Any) -> Any:
        """An input as the LiteRT model wants it."""
        return array.transpose(channels_last(array.ndim)) if self.inputs and array.ndim > 2 else array


def channels_last(rank: int) -> tuple[int, ...]:
    """Axes of N, C, ... as N, ..., C."""
    return (0, *range(2, rank), 1)


def channels_first(rank: int) -> tuple[int, ...]:
    """Axes of N, ..., C as N, C, ...."""
    return (0, rank - 1, *range(1, rank - 1))


def open_model(path: str) -> Any:
    """An interpreter with its tensors allocated."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    return interpreter


def tensors_of(path: str) -> dict[str, list[dict[str, Any]]]:
    """Inputs and outputs of a LiteRT file, also of one that only an Ethos-U runs; names are onnx2tf's."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    sides = {"inputs": interpreter.get_input_details(), "outputs": interpreter.get_output_details()}
    return {
        side: [
            {
                "name": plain(detail["name"]),
                "shape": [int(size) for size in detail["shape"]],
                "dtype": np.dtype(detail["dtype"]).name,
            }
            for detail in details
        ]
        for side, details in sides.items()
    }


def without_lost(told: dict[str, list[dict[str, Any]]], path: str) -> dict[str, list[dict[str, Any]]]:
    """The tensors of a float model without outputs that nothing computes.

    onnx2tf makes one operator of a convolution and its Relu also where the convolution is an output, too.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    there = {int(index) for one in interpreter._get_ops_details() for index in one["outputs"]}
    there |= {detail["index"] for detail in interpreter.get_input_details()}
    pairs = zip(told["outputs"], interpreter.get_output_details(), strict=True)
    kept = [one for one, detail in pairs if detail["index"] in there or _is_constant(interpreter, detail)]
    return {**told, "outputs": kept}


def _is_constant(interpreter: Any, detail: dict[str, Any]) -> bool:
    """Whether the file itself holds the tensor's numbers."""
    try:
        interpreter.get_tensor(detail["index"])
    except ValueError:
        return False
    return True


def by_name(interpreter: Any, names: list[str]) -> list[dict[str, Any]]:
    """Details of the model's inputs in the order of ONNX's. Raises ChangedError when names are lost."""
    details = {plain(detail["name"]): detail for detail in interpreter.get_input_details()}
    if len(details) == 1 == len(names):
        return list(details.values())
    if missing := [name for name in names if spelt(name) not in details]:
        raise ChangedError(f"onnx2tf lost the input {missing[0]}: it has {', '.join(details)}")
    return [details[spelt(name)] for name in names]


def run(interpreter: Any, sample: dict[str, Any], layout: Layout) -> list[Any]:
    """Outputs in floating point and in ONNX's layout; integer inputs and outputs by their scales."""
    for detail, array in zip(by_name(interpreter, list(sample)), sample.values(), strict=True):
        interpreter.set_tensor(detail["index"], _quantised(layout.to_model(array), detail))
    interpreter.invoke()
    outputs = []
    for number, detail in enumerate(interpreter.get_output_details()):
        found = _real(_written(interpreter, detail), detail)
        turned = number < len(layout.outputs) and layout.outputs[number]
        outputs.append(found.transpose(channels_first(found.ndim)) if turned else found)
    return outputs


def find_layout(interpreter: Any, sample: dict[str, Any], expected: list[Any]) -> Layout:
    """The layout in which the float model gives the reference's outputs best. Raises when no shape fits."""
    best: tuple[float, Layout] | None = None
    shapes: list[tuple[int, ...]] = []
    for inputs in (True, False):
        layout = Layout(inputs)
        shapes = [tuple(map(int, detail["shape"])) for detail in by_name(interpreter, list(sample))]
        if [layout.to_model(array).shape for array in sample.values()] != shapes:
            continue
        error, turns = 0.0, []
        names = [plain(detail["name"]) for detail in interpreter.get_output_details()]
        for name, ours, theirs in zip(names, run(interpreter, sample, layout), expected, strict=True):
            options = [(False, ours)]
            if ours.ndim > 2:
                options.append((True, ours.transpose(channels_first(ours.ndim))))
            fitting = [
                (float(np.nan_to_num(np.abs(np.subtract(o, theirs, dtype=np.float64))).sum()), turned)
                for turned, o in options
                if o.shape == theirs.shape
            ]
            if not fitting:
                raise ChangedError(f"onnx2tf gives {name} as {ours.shape} where the model has {theirs.shape}")
            error += min(fitting)[0]
            turns.append(min(fitting)[1])
        if best is None or error < best[0]:
            best = (error, Layout(inputs, tuple(turns)))
    if best is None:
        raise ChangedError(f"onnx2tf gives inputs of {shapes}, which are not the model's")
    return best[1]


def steps(interpreter: Any) -> list[float | None]:
    """How far apart two neighbouring values of each output are; None where it is not quantised."""
    return [float(detail["quantization"][0]) or None for detail in interpreter.get_output_details()]


def spelt(name: str) -> str:
    """A tensor's name of the ONNX model as onnx2tf spells it: TensorFlow knows no colon in a name."""
    return name.replace(":", "__")


def plain(name: str) -> str:
    """A tensor's name without what TensorFlow puts around it."""
    return name.removeprefix("serving_default_").partition(":")[0]


def _written(interpreter: Any, detail: dict[str, Any]) -> Any:
    """What a run left in an output. Raises ChangedError for one that is in the file and nothing writes."""
    try:
        return interpreter.get_tensor(detail["index"])
    except ValueError as error:
        name = plain(detail["name"])
        raise ChangedError(f"onnx2tf lost what computes the output {name}: nothing writes it") from error


def _quantised(array: Any, detail: dict[str, Any]) -> Any:
    scale, zero = detail["quantization"]
    if not scale or np.issubdtype(detail["dtype"], np.floating):
        return array.astype(detail["dtype"])
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.round(array / scale) + zero, limits.min, limits.max).astype(detail["dtype"])


def _real(array: Any, detail: dict[str, Any]) -> Any:
    scale, zero = detail["quantization"]
    return (array.astype(np.float32) - zero) * scale if scale else array
