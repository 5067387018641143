"""What `rknn_benchmark` prints before it runs anything: versions, memory, and the model's tensors.

Format: the vendor's example program. Older ones print no memory; a runtime that cannot tell prints zeros.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_VERSIONS = re.compile(r"rknn_api/rknnrt version: (\S+)(?: \(([^()]*)\))?, driver version: (\S+)\s*")
_SIZES = re.compile(r"total weight size: ([0-9]{1,15}), total internal size: ([0-9]{1,15})\s*")
_DMA = re.compile(r"total dma used size: ([0-9]{1,15})\s*")
_COUNTS = re.compile(r"model input num: ([0-9]{1,4}), output num: ([0-9]{1,4})\s*")
_TENSORS = re.compile(r"(input|output) tensors:\s*")
_TENSOR = re.compile(
    r"\s+index=([0-9]{1,4}), name=(.*?), n_dims=([0-9]{1,2}), dims=\[([0-9, ]*)\], .*?"
    r"\bfmt=(\w+), type=(\w+), qnt_type=(\w+).*"
)
_REST = re.compile(r"\s*[0-9][0-9.,]*\s*")
_KNOWN = re.compile(
    r"\s*(?:rknn_api/rknnrt version|total weight size|total dma used size|model input num|index=[0-9])"
)


class DamagedHeadError(ValueError):
    """A line of the head that is not whole or contradicts another; stays inside the parsers."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the runtime has it; `kind` is its layout, type and quantisation as printed."""

    name: str
    shape: tuple[int, ...]
    kind: str


@dataclass(slots=True)
class Head:
    """The head so far; what is not printed is None. Sizes in bytes."""

    runtime: str | None = None
    runtime_build: str | None = None
    driver: str | None = None
    weight_bytes: int | None = None
    internal_bytes: int | None = None
    dma_bytes: int | None = None
    counts: tuple[int, int] | None = None
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    reading: str = ""

    @property
    def memory_bytes(self) -> int | None:
        """All that the NPU's memory holds of the model: what is mapped, else weights and tensors between.

        None where less is mapped than the weights have: then it is not told what is counted.
        """
        if self.dma_bytes:
            return self.dma_bytes if self.dma_bytes >= (self.weight_bytes or 0) else None
        parts = (self.weight_bytes or 0) + (self.internal_bytes or 0)
        return parts or None

    @property
    def tools(self) -> dict[str, str]:
        """The versions, by what they are of."""
        build = f" ({self.runtime_build})" if self.runtime_build else ""
        runtime = {"rknnrt": f"{self.runtime}{build}"} if self.runtime else {}
        return {**runtime, **({"rknpu driver": self.driver} if self.driver else {})}

    @property
    def details(self) -> dict[str, Any]:
        """What else it tells, for the details of a row; nothing of what is not printed."""
        sizes = {
            "weight_bytes": self.weight_bytes,
            "internal_bytes": self.internal_bytes,
            "dma_bytes": self.dma_bytes,
        }
        tensors = {
            kind: [{"name": one.name, "shape": list(one.shape), "kind": one.kind} for one in found]
            for kind, found in (("inputs", self.inputs), ("outputs", self.outputs))
            if found
        }
        return {**{key: value for key, value in sizes.items() if value is not None}, **tensors}


def read(line: str, head: Head) -> bool:
    """Note a line of the head; whether it is one. Raises DamagedHeadError for one that is not whole."""
    if match := _VERSIONS.fullmatch(line):
        _put(head, "runtime", match[1])
        _put(head, "runtime_build", match[2])
        _put(head, "driver", match[3])
    elif match := _SIZES.fullmatch(line):
        _put(head, "weight_bytes", int(match[1]))
        _put(head, "internal_bytes", int(match[2]))
    elif match := _DMA.fullmatch(line):
        _put(head, "dma_bytes", int(match[1]))
    elif match := _COUNTS.fullmatch(line):
        _put(head, "counts", (int(match[1]), int(match[2])))
    elif match := _TENSORS.fullmatch(line):
        head.reading = f"{match[1]}s"
    elif head.reading and (match := _TENSOR.fullmatch(line)):
        _put_tensor(head, match)
    elif _REST.fullmatch(line):
        raise DamagedHeadError(f"a number is broken over two lines: {line.strip()[:40]!r}")
    elif _KNOWN.match(line):
        raise DamagedHeadError(f"the line {line.strip()[:80]!r} is not whole")
    else:
        return False
    return True


def check(head: Head) -> None:
    """Raises DamagedHeadError where the tensors listed are not as many as the head says."""
    if head.counts is None:
        return
    for kind, count in zip(("inputs", "outputs"), head.counts, strict=True):
        listed: Sequence[Tensor] = getattr(head, kind)
        if listed and len(listed) != count:
            raise DamagedHeadError(f"{count} {kind} are told of, and {len(listed)} are listed")


def _put(head: Head, key: str, value: Any) -> None:
    known = getattr(head, key)
    if known is not None and known != value:
        raise DamagedHeadError(f"{key} is given as {known} and as {value}")
    setattr(head, key, value)


def _put_tensor(head: Head, match: re.Match[str]) -> None:
    found: tuple[Tensor, ...] = getattr(head, head.reading)
    dims = tuple(int(word) for word in match[4].replace(",", " ").split())[: int(match[3])]
    if int(match[1]) != len(found) or len(dims) != int(match[3]):
        raise DamagedHeadError(f"{head.reading[:-1]} {match[1]} is not the next one, or lacks dimensions")
    tensor = Tensor(match[2], dims, f"{match[5]} {match[6]} {match[7]}")
    setattr(head, head.reading, (*found, tensor))
