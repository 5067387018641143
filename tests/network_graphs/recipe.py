"""What a graph is made by: a network's name, its inputs, and a function that builds it as a PyTorch module."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]
Build = Callable[[Shape], Any]
"""From the shape of the input to a module in any mode, or a pair of it and a tuple of sample inputs."""


@dataclass(frozen=True)
class Recipe:
    """One network at one input; `name` is the network's of reports/published/network_names.csv."""

    name: str
    shape: Shape
    build: Build
    origin: str  # package or paper

    @property
    def graph(self) -> str:
        """The graph's name: the network's and its input, which a picture's last two sizes are."""
        if len(self.shape) < 4:
            return self.name
        return f"{self.name}@{self.shape[-2]}x{self.shape[-1]}"


def picture(name: str, sizes: Any, build: Build, origin: str, channels: int = 3) -> Iterator[Recipe]:
    """A recipe for each size: a number, a pair of height and width, or a list of both."""
    for size in sizes if isinstance(sizes, list) else [sizes]:
        height, width = (size, size) if isinstance(size, int) else size
        yield Recipe(name, (1, channels, height, width), build, origin)
