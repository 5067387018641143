"""Times of the atlas: what others published of a network on a chip, found by the identity of networks.

A network that is asked by any name finds every publisher's row of it at that input. What a table tells of one
run (time, rate, calculate time) is one figure here: the NPU's own time where it is told, else the inverse of
the rate, else the latency.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from npubench.domain.figures import Bound, BoundReason, Bounds, Kind, Latency
from npubench.published.atlas import PublishedFigure, family, figures, join_of, publisher_of
from npubench.published.chips import Chip, canonical, chip_named, mode_of, share_of_mode
from npubench.published.metrics import Family
from npubench.published.networks import Head, Join, Network, join
from npubench.reporting.select.times import IN_FLIGHT, ONE_CORE, ModelTime

CALCULATED, RATE, LATENCY = "calculate time", "throughput", "latency"
METRICS = (CALCULATED, RATE, LATENCY)


@dataclass(frozen=True, slots=True)
class AtlasTime:
    """A published time with the network that it is of."""

    network: Network
    time: ModelTime


@dataclass(frozen=True, slots=True)
class Atlas:
    """Published times of vision networks by chip, each chip's by the name of the network."""

    by_chip: Mapping[str, Mapping[str, tuple[AtlasTime, ...]]]  # canonical name of the chip first
    usual_input: Mapping[str, tuple[int, int]]  # height and width that most figures of a network have
    named: Mapping[str, Network]  # networks with figures, by their own names, without input
    pixels: Mapping[str, tuple[int, int]] = field(
        default_factory=dict
    )  # least and most of a network's inputs

    def times(self, chip: str, network: Network) -> list[ModelTime]:
        """Of that network at its input on a chip of any spelling."""
        found = self.by_chip.get(canonical(chip), {}).get(network.name, ())
        return [one.time for one in found if one.network.key == network.key]


@lru_cache(maxsize=4)
def atlas(folders: tuple[Path, ...] = ()) -> Atlas:
    """The times of the shipped tables and of those in `folders`. Raises UsageError as `published.figures`."""
    groups: defaultdict[tuple[str, ...], list[PublishedFigure]] = defaultdict(list)
    for figure in figures(folders):
        if figure.metric in METRICS and figure.value and family(figure) is Family.VISION:
            key = (figure.table, figure.chip, figure.mode, figure.model, figure.input, figure.precision)
            groups[*key, figure.source, figure.tool, figure.note].append(figure)
    found: defaultdict[str, defaultdict[str, list[AtlasTime]]] = defaultdict(lambda: defaultdict(list))
    inputs: defaultdict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    named: dict[str, Network] = {}
    for told in groups.values():
        joined, chip = join_of(told[0]), chip_named(told[0].chip)
        if joined.network is None or not joined.sure or mode_of(told[0].mode).modules > 1:
            continue
        network = joined.network
        if network.height and network.width:
            inputs[network.name][network.height, network.width] += 1
        named.setdefault(network.name, Network(network.name, network.variant, network.task))
        time = _time(told, chip, network)
        for name in chip.speaks_for:
            found[name][network.name].append(AtlasTime(network, time))
    return Atlas(
        {chip: {name: tuple(times) for name, times in of.items()} for chip, of in found.items()},
        {name: counted.most_common(1)[0][0] for name, counted in inputs.items()},
        named,
        {name: _range(counted) for name, counted in inputs.items()},
    )


def _range(counted: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """Least and most pixels of some inputs."""
    pixels = [height * width for height, width in counted]
    return min(pixels), max(pixels)


def _time(told: Sequence[PublishedFigure], chip: Chip, network: Network) -> ModelTime:
    """One run's figures as a time; `told` are of one line of a table, or of lines that differ in metric."""
    one = told[0]
    values = {figure.metric: figure.standard_value or 0.0 for figure in told}
    mode = mode_of(one.mode)
    share, batch = share_of_mode(chip, mode) or 1.0, mode.batch or network.batch or 1
    calculated_us, latency_us = values.get(CALCULATED, 0.0) * 1e3, values.get(LATENCY, 0.0) * 1e3
    rate_us = 1e6 / values[RATE] if RATE in values else 0.0
    bounds = None
    if batch > 1:
        bounds = Bounds(Bound.LOWER, BoundReason.BATCH)
    elif share < 1:
        bounds = Bounds(Bound.UPPER, BoundReason.PART_OF_NPU, share=share)
    mean = latency_us or calculated_us
    return ModelTime(
        *(one.model, publisher_of(one.source), Kind.PUBLISHED),
        calculated_us or rate_us or latency_us / batch,
        share,
        origin=Kind.SIMULATED if one.kind is Kind.SIMULATED else None,
        latency=Latency(1, mean) if mean else None,
        in_flight=ONE_CORE if 1 in (mode.cores, chip.cores) else IN_FLIGHT,
        bounds=bounds,
        mode=one.mode,
        precision=one.precision,
        source=one.source,
        with_host=network.head is Head.HOST,
        places=tuple(f"{figure.table}:{figure.line}" for figure in told),
    )


@lru_cache(maxsize=1 << 14)
def _joined(name: str, text: str) -> Join:
    return join("", name, text)


def network_asked(name: str, size: tuple[int, int] | None, atlas: Atlas) -> Network | None:
    """The network that a name means at an input of (width, height), else at the one that most figures have.

    A name is read as a publisher's would be, or as the atlas writes networks (`yolov8s`, `resnet50`); None
    where it says no network, or not which of several.
    """
    network = atlas.named.get(name.casefold().replace("_", "-"))
    if network is None:
        network = _joined(name, "").network
        if network is None:
            return None
    height, width = (size[1], size[0]) if size else atlas.usual_input.get(network.name, (None, None))
    if height is None or width is None:
        height, width = network.height, network.width
    if network.name in atlas.named:
        return replace(atlas.named[network.name], height=height, width=width)
    joined = _joined(name, f"{height}x{width}" if height else "")
    return joined.network if joined.sure else None


def why_not(name: str, size: tuple[int, int] | None, atlas: Atlas) -> str:
    """Why a name says no network of the atlas, with those that it may mean; empty where nothing is near."""
    plain = name.casefold().replace("_", "-")
    near = [one for one in atlas.named if one.startswith(f"{plain}-")]
    text = f"{size[1]}x{size[0]}" if size else ""
    reason = join("", name, text).reason.removeprefix("rule: ") if near else ""
    return f"{name}: {reason} ({', '.join(sorted(near)[:6])})" if near else ""
