"""In PyTorch's place inside the environment `tpu-mlir`: to be imported, not to be used.

TPU-MLIR imports PyTorch wherever it starts, and needs it for models that are no ONNX files. For an ONNX model
it wants names at import and `torch.tensor(array).numpy()`; anything else that is called raises.
"""

import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any

__version__ = "0"
__path__: list[str] = []


class _Name(type):
    """A name of PyTorch's: may be looked into, subclassed, or stand in an annotation."""

    def __getattr__(cls, name: str) -> Any:
        return _named(cls.__name__, name)

    def __or__(cls, other: Any) -> Any:
        return cls

    __ror__ = __or__

    def __getitem__(cls, item: Any) -> Any:
        return cls


class Absent(metaclass=_Name):
    """What stands for everything of PyTorch."""

    def __init__(self, *_given: Any, **_named: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} needs PyTorch, which this environment is without")


class _Tensor:
    def __init__(self, array: Any) -> None:
        self._array = array

    def numpy(self) -> Any:
        return self._array


def tensor(array: Any) -> Any:
    """An array on its way back to numpy."""
    return _Tensor(array)


def no_grad() -> Any:
    """A decorator that changes nothing."""
    return lambda function: function


def _named(inside: str, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Name(f"{inside}.{name}", (Absent,), {})


def __getattr__(name: str) -> Any:
    return _named("torch", name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes `import torch.nn.functional` and `import torchvision` as empty as this."""

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        if name == "torch" or name.partition(".")[0] not in {"torch", "torchvision"}:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> Any:
        module = types.ModuleType(spec.name)
        vars(module)["__getattr__"] = lambda name: _named(spec.name, name)
        return module

    def exec_module(self, module: Any) -> None:
        pass


sys.meta_path.append(_Finder())
