"""Shared by the emulators of AXera's compilers: what they read of an ONNX file, and made-up figures.

Reads the protocol buffer wire format by hand (fields of onnx.proto), so that a build takes
milliseconds. No figure means anything: all are derived from the file's hash.
"""

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

PEAK_MACS_PER_CYCLE = 1152
CLOCK_HZ = 800_000_000
FAULT_MARK = "emulate: "
TYPES = {1: ("float32", 4), 2: ("uint8", 1), 3: ("int8", 1), 6: ("int32", 4), 7: ("int64", 8), 9: ("bool", 1)}


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple
    dtype: str
    item_bytes: int

    @property
    def size(self):
        return math.prod(self.shape) * self.item_bytes


@dataclass(frozen=True)
class Model:
    sha256: str
    operators: tuple
    inputs: tuple
    outputs: tuple
    doc: str

    def number(self, purpose, low, high):
        """A number between low and high that this model always has for a purpose."""
        digest = hashlib.sha256(f"{self.sha256} {purpose}".encode()).digest()
        return low + int.from_bytes(digest[:8], "big") % (high - low)


def fields(data):
    """(number, value) of a message: whole numbers, or bytes of what has a length."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        else:
            length = {1: 8, 5: 4}.get(kind) or varint()
            yield key >> 3, data[at : at + length]
            at += length


def _all(message, number):
    return [value for key, value in fields(message) if key == number]


def _text(message, number):
    return "".join(value.decode() for value in _all(message, number)[-1:])


def _tensor(value_info):
    tensor_type = _all(_all(value_info, 2)[0], 1)[0]
    dims = [dim for shape in _all(tensor_type, 2) for dim in _all(shape, 1)]
    dtype, item_bytes = TYPES[_all(tensor_type, 1)[0]]
    return Tensor(_text(value_info, 1), tuple(_all(dim, 1)[0] for dim in dims), dtype, item_bytes)


def read_model(path):
    """The parts of an ONNX file that an emulator looks at."""
    data = Path(path).read_bytes()
    graph = _all(data, 7)[0]
    weights = {_text(tensor, 8) for tensor in _all(graph, 5)}
    inputs = [_tensor(value) for value in _all(graph, 11)]
    return Model(
        hashlib.sha256(data).hexdigest(),
        tuple(_text(node, 4) for node in _all(graph, 1)),
        tuple(tensor for tensor in inputs if tensor.name not in weights),
        tuple(_tensor(value) for value in _all(graph, 12)),
        _text(data, 6),
    )


def fault(name, model=None):
    """The fault to show: from the environment, or from the doc string of the model."""
    mark = model.doc.partition(FAULT_MARK)[2].split("\n")[0].strip() if model else ""
    return os.environ.get(f"EMULATED_{name}_FAULT") or mark


def hang():
    """Never end, with a child that left the process group, as a converter's workers do."""
    if os.fork() == 0:
        os.setsid()
    while True:
        os.read(os.pipe()[0], 1)
