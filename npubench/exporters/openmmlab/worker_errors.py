"""Why there is no model: what exceptions mean, and outputs that differ from PyTorch's.

Runs inside the OpenMMLab environment, imports nothing of npubench.
"""

import re
from collections.abc import Iterator
from typing import Any

_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc|Cannot allocate memory")
_NO_PACKAGE = re.compile(r"No module named '(?P<module>[\w.]+)'|pip install \\?\"?(?P<package>[\w-]+)")
_DOWNLOAD = re.compile(
    r"URLError|HTTPError|ConnectionError|Max retries|couldn't connect|[Nn]ame resolution|LocalEntryNotFound"
    r"|offline mode"
)
_OPERATOR = re.compile(
    r"operator '?(?P<name>\w+::\w+)'? to ONNX opset|Unsupported: ONNX export of operator (\w+)"
)
_ADDED = re.compile(r"added in version (\d+)")


class Refused(Exception):  # noqa: N818 - a value on its way to the answer
    """Why there is no model: failure class, one line, operators at fault."""

    def __init__(self, failure_class: str, message: str, operators: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.failure_class = failure_class
        self.operators = operators


def classify(error: BaseException) -> Refused:
    """The class of an exception, by its type, its own words and those of what caused it."""
    words = " ".join(f"{type(cause).__name__}: {cause}" for cause in _chain(error))
    if refused := _judged(words):
        return refused
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "it gives no reason")
    return Refused("export_failed", f"{type(error).__name__}: {text:.300}")


def _judged(words: str) -> Refused | None:
    if _NO_MEMORY.search(words) or words.startswith("MemoryError"):
        return Refused("out_of_memory", "the model does not fit into memory while it is exported")
    if match := _NO_PACKAGE.search(words):
        name = (match["module"] or match["package"]).partition(".")[0]
        return Refused("missing_package", f"it needs the package {name}, which its environment does not have")
    if match := _DOWNLOAD.search(words):
        message = f"it wants to download something while it is built, and cannot ({match[0]})"
        return Refused("export_failed", f"{message}: use a config without pretrained parts")
    if names := tuple(dict.fromkeys(match[1] or match[2] for match in _OPERATOR.finditer(words))):
        added = _ADDED.search(words)
        advice = f": export at opset {added[1]} or above" if added else ""
        message = f"PyTorch cannot export {', '.join(names)} to ONNX{advice}"
        return Refused("unsupported_operator", message, names)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    told: list[BaseException] = []
    while error is not None and error not in told:
        told.append(error)
        yield error
        error = error.__cause__ or error.__context__


TOLERANCE = 1e-3
"""Largest difference to PyTorch's output that is accepted, relative to that output's largest magnitude."""

ROUNDING_LIMIT = 0.05
"""Where PyTorch's own floats are further from double precision than this, nothing can be compared."""

ROUNDINGS = 1e-6
"""A few roundings of single precision (1.2e-7), such as one layer's sums leave behind."""


class TooNoisyError(Refused):
    """With these weights the network multiplies rounding until nothing can be compared."""


def check(have: list[Any], want: list[Any], model: Any, sample: Any) -> float:
    """Largest difference over the largest magnitude of PyTorch's output, of all outputs. Raises Refused.

    A deep network with random weights may add up rounding beyond the tolerance by itself. Then the same
    network in double precision is the judge, and the export may be as far from it as PyTorch's own floats,
    or as double precision moves when the input does by some roundings: a network that picks the nearest of
    its features picks others then.
    """
    import numpy as np

    if len(have) != len(want):
        message = f"the exported model has {len(have)} outputs, PyTorch's {len(want)}"
        raise Refused("export_mismatch", f"{message}: one of them is an input or constant")
    theirs = [tensor.numpy() for tensor in want]
    if not all(np.isfinite(one).all() for one in theirs) or not any(one.any() for one in theirs):
        raise Refused("export_failed", "PyTorch's own output is not finite, or zero: use another seed")
    error = _largest(have, theirs)
    if error > TOLERANCE and np.isfinite(error):
        error = _largest(have, exact := _in_double(model, sample))
        own = _largest(theirs, exact)
        moved = max(_largest(_in_double(model, other), exact) for other in _rounded(sample))
        print(  # noqa: T201
            f"in double precision: PyTorch's floats are off by {own:.3g}, the export by {error:.3g}; "
            f"an input off by {ROUNDINGS:g} of itself moves it by {moved:.3g}"
        )
        own = max(own, moved)
        if own > ROUNDING_LIMIT:
            raise TooNoisyError(
                "export_failed", f"rounding alone changes PyTorch's output by {own:.2g} of it"
            )
        if error <= 2 * own:
            return error
    if not error <= TOLERANCE:
        message = f"the exported model differs from PyTorch by {error:.2g} of the largest output"
        raise Refused("export_mismatch", f"{message} (at most {TOLERANCE:g}): use another opset")
    return error


def _in_double(model: Any, sample: Any) -> list[Any]:
    import torch

    with torch.no_grad():
        return [tensor.numpy() for tensor in model.double()(sample.double())]


def _rounded(sample: Any) -> list[Any]:
    """The sample off by random roundings, and by the same the other way: near equals swap in one of them."""
    import torch

    generator = torch.Generator().manual_seed(0)
    noise = ROUNDINGS * torch.randn(sample.shape, generator=generator)
    return [sample * (1 + noise), sample * (1 - noise)]


def _largest(have: list[Any], want: list[Any]) -> float:
    return max((_difference(ours, theirs) for ours, theirs in zip(have, want, strict=True)), default=0.0)


def _difference(have: Any, want: Any) -> float:
    import numpy as np

    if have.shape != want.shape:
        return float("inf")
    scale = float(np.abs(want).max()) if want.size else 0.0
    return float(np.abs(have - want).max()) / scale if scale else float(np.abs(have).max(initial=0.0))
