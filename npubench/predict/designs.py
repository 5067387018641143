"""What a model of costs is made of: classes of kernels and what is thought of their prices beforehand.

Designs are data, `reports/calibrations/designs.toml`; a calibration names the one that it fills with numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from npubench.predict.kernels import POINTWISE, Kernel
from npubench.storage.files import data_root
from npubench.storage.json import Table, Text
from npubench.storage.toml import checked

ANY = "*"


class Work(StrEnum):
    """What a kernel is paid by."""

    LANES = "lanes"  # multiply-accumulates, of lanes that stand idle too
    MACS = "macs"
    ELEMENTS = "elements"  # of activations that go in and out
    WINDOWS = "windows"  # of each group, one a place of what goes out


@dataclass(frozen=True, slots=True)
class Price:
    """A positive number that is not known yet: log-normal."""

    median: float
    spread: float  # standard deviation of its natural logarithm

    def times(self, factor: float) -> "Price":
        """A price of so many times its size."""
        return replace(self, median=self.median * factor)


@dataclass(frozen=True, slots=True)
class CostClass:
    """Kernels that are paid alike."""

    name: str
    work: Work
    compute: Price  # ps a unit of work
    hides: bool = False  # whether weights come in while it computes
    spill: Price | None = None  # bytes of memory an element that goes in or out; None: it stays inside

    def scaled(self, factor: float) -> "CostClass":
        """The same, so many times as dear; what spills is not more for that."""
        return replace(self, compute=self.compute.times(factor))


@dataclass(frozen=True, slots=True)
class Rule:
    """Which kernels a class is for."""

    cost_class: CostClass
    operators: tuple[str, ...]  # `ANY` alone: all
    each: bool  # an operator a class of its own, all with these prices
    least_channels_in: int = 0
    least_channels_out: int = 0

    def fits(self, kernel: Kernel) -> bool:
        """Whether a kernel is paid by it."""
        wide = kernel.channels_in >= self.least_channels_in and kernel.channels_out >= self.least_channels_out
        return wide and (kernel.operator in self.operators or ANY in self.operators)


@dataclass(frozen=True, slots=True)
class Spreads:
    """Standard deviations of ln(time / sum of its costs), by what shares them."""

    factor: float  # everything on one board
    family: float  # networks that are made alike
    family_target: float  # the same, of one target alone
    family_length: float  # distance of compositions at which networks stop being alike
    network: float  # one network
    network_target: float  # the same, of one target alone
    noise: float  # one figure of a network
    operator_noise: float  # one figure of a single operator
    unseen: float  # the share of a time that goes to what was never timed


@dataclass(frozen=True, slots=True)
class Design:
    """A model of costs without its numbers."""

    name: str
    targets: tuple[str, ...]  # what is timed, the last one is what is asked for
    lanes: tuple[int, int, int]  # input channels, output channels and taps that multiply at once
    fixed: Price  # us a kernel
    launch: Price  # us an inference
    weights: Mapping[str, Price]  # GB/s by target
    activations: Mapping[str, Price]  # GB/s by target
    spreads: Spreads
    reach: float  # factor beyond the sizes that were seen up to which a class is trusted
    tolerated: float  # share of a time that may go to what was never timed
    scales: bool  # whether all prices may be some factor off together, which the figures tell first
    rules: tuple[Rule, ...]

    def scaled(self, factor: float) -> "Design":
        """The design of a machine that takes `factor` times as long for everything."""
        return replace(
            self,
            fixed=self.fixed.times(factor),
            launch=self.launch.times(factor),
            weights={target: price.times(1 / factor) for target, price in self.weights.items()},
            activations={target: price.times(1 / factor) for target, price in self.activations.items()},
            rules=tuple(replace(rule, cost_class=rule.cost_class.scaled(factor)) for rule in self.rules),
        )

    def class_of(self, kernel: Kernel) -> CostClass:
        """What a kernel is paid by; every design ends with a rule for all."""
        rule = next(rule for rule in self.rules if rule.fits(kernel))
        found = rule.cost_class
        if not rule.each and found.name != ANY:
            return found
        return CostClass(kernel.operator, found.work, found.compute, found.hides, found.spill)

    def work_of(self, kernel: Kernel, work: Work) -> float:
        """Units of work. Of a strided 1x1 convolution every second line is skipped and no column, so that it
        pays for the geometric mean of what comes in and goes out."""
        if work is Work.ELEMENTS:
            return float(kernel.activations)
        if work is Work.MACS:
            return float(kernel.macs)
        if work is Work.WINDOWS:
            return float(kernel.pixels * kernel.groups)
        lanes_in, lanes_out, lanes_of_taps = self.lanes
        pixels = float(kernel.pixels)
        if kernel.operator == POINTWISE:
            pixels = math.sqrt(kernel.read // kernel.channels_in * kernel.pixels)
        filled = _filled(kernel.channels_in, lanes_in) * _filled(kernel.channels_out, lanes_out)
        return filled * _filled(kernel.taps, lanes_of_taps if kernel.taps > 1 else 1) * pixels


def _filled(count: int, lanes: int) -> int:
    return math.ceil(count / lanes) * lanes


class _Price(Table, frozen=True, kw_only=True):
    median: Annotated[float, Meta(gt=0)]
    spread: Annotated[float, Meta(gt=0)]

    def made(self) -> Price:
        return Price(self.median, self.spread)


class _Class(Table, frozen=True, kw_only=True):
    name: Text
    operators: tuple[Text, ...]
    work: Work
    compute: _Price
    hides: bool = False
    spill: _Price | None = None
    each: bool = False
    least_channels_in: int = 0
    least_channels_out: int = 0

    def made(self) -> Rule:
        spill = self.spill.made() if self.spill else None
        cost = CostClass(self.name, self.work, self.compute.made(), self.hides, spill)
        channels = self.least_channels_in, self.least_channels_out
        return Rule(cost, self.operators, self.each, *channels)


class _Design(Table, frozen=True, kw_only=True):
    name: Text
    targets: tuple[Text, ...]
    lanes: tuple[int, int, int]
    fixed: _Price
    launch: _Price
    weights: dict[str, _Price]
    activations: dict[str, _Price]
    factor: float
    family: float
    family_target: float
    family_length: float
    network: float
    network_target: float
    noise: float
    operator_noise: float = 0.0
    unseen: float
    reach: float
    tolerated: float
    scales: bool = False
    classes: tuple[_Class, ...] = field(name="class")

    def made(self) -> Design:
        spreads = Spreads(
            *(self.factor, self.family, self.family_target, self.family_length),
            *(self.network, self.network_target, self.noise, self.operator_noise, self.unseen),
        )
        return Design(
            name=self.name,
            targets=self.targets,
            lanes=self.lanes,
            fixed=self.fixed.made(),
            launch=self.launch.made(),
            weights={target: price.made() for target, price in self.weights.items()},
            activations={target: price.made() for target, price in self.activations.items()},
            spreads=spreads,
            reach=self.reach,
            tolerated=self.tolerated,
            scales=self.scales,
            rules=tuple(one.made() for one in self.classes),
        )


class _File(Table, frozen=True, kw_only=True):
    design: tuple[_Design, ...]


@cache
def designs() -> Mapping[str, Design]:
    """The shipped designs by name."""
    path = calibrations_folder() / "designs.toml"
    return {one.name: one.made() for one in checked(path, path.read_bytes(), _File).design}


def calibrations_folder() -> Path:
    """Where designs and the shipped calibrations lie."""
    return data_root() / "reports" / "calibrations"
