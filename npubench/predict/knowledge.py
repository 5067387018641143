"""What is known of a sample's chip, mode and network: what an answer rests on, or why there is none."""

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from npubench.domain.text import counted
from npubench.predict.answer import Basis, LackingOperator, Refusal, RefusalKind
from npubench.predict.experts import network_of
from npubench.predict.samples import Column, Sample

SHOWN = 6
"""Names that a sentence lists."""
LEAST_SHARED = 3
BIAS_WORTH = 2.0
"""Networks that equality of publishers is worth."""
FARTHEST = 4.5
"""Times the pixels, or a part of them, up to which costs are scaled to another input."""
LACKING = 0.1
"""Share of a graph's nodes of operators never measured from which on there is no figure."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer rests on."""

    basis: Basis
    rests_on: tuple[str, ...]


class Knowledge:
    """The samples by chip, mode, precision and network."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._of_chip: dict[str, list[Column]] = {}
        for column in dict.fromkeys(one.column for one in samples):
            self._of_chip.setdefault(column.chip, []).append(column)
        self._of_network = _grouped((network_of(one.subject), one) for one in samples)
        self._of_name = _grouped((one.subject.network, one) for one in samples)
        self._of_family = _grouped((one.subject.family, one) for one in samples)
        self._of_column = Counter(one.column for one in samples)
        self._times: dict[Column, dict[Hashable, float]] = {}
        for one in samples:
            self._times.setdefault(one.column, {})[network_of(one.subject)] = one.log_ms
        self._operators: dict[str, set[str]] = {}
        for one in samples:
            if one.subject.features is not None:
                self._operators.setdefault(one.column.generation, set()).update(
                    one.subject.features.operators
                )

    def basis(self, asked: Sample, is_left_out: Callable[[Sample], bool]) -> Ground | Refusal:
        """What the answer to a sample rests on; a refusal where nothing was measured that is near enough.

        `is_left_out`: samples that are taken for unknown.
        """
        return self._of_where(asked) or self._of_what(asked, is_left_out)

    def _of_where(self, asked: Sample) -> Refusal | None:
        column = asked.column
        known = self._of_chip.get(column.chip, [])
        if not known:
            return Refusal(RefusalKind.CHIP, f"chip {asked.row.chip!r} has no figure of a vision network")
        if not any(_is_of_mode(one, column) for one in known):
            told = _listed(one.mode or one.setting for one in known)
            words = f"mode {asked.row.mode!r} was never measured on {column.chip}; known are {told}"
            return Refusal(RefusalKind.MODE, words)
        if not any(one.precision == column.precision for one in known):
            told = _listed(one.precision for one in known)
            words = f"precision {asked.row.precision!r} was never measured on {column.chip}; known are {told}"
            return Refusal(RefusalKind.MODE, words)
        return None

    def _of_what(self, asked: Sample, is_left_out: Callable[[Sample], bool]) -> Ground | Refusal:
        def others(found: Iterable[Sample]) -> list[Sample]:
            return [one for one in found if not is_left_out(one)]

        subject, column = asked.subject, asked.column
        same = others(self._of_network.get(network_of(subject), ()))
        here = f"{self._of_column.get(column, 0)} other figures in this column"
        if same:
            chips = [one.column.chip for one in same]
            told = f"{counted(len(same), 'figure')} of {subject.network} on {_listed(chips)}"
            basis, more = _of_pair(column, [one.column for one in same if one.column.chip == column.chip])
            return Ground(basis, (*more, told, here, *self._bias(column)))
        if not subject.known:
            words = f"{asked.row.model!r} joins to no network ({asked.join.reason}), and has no other figure"
            return Refusal(RefusalKind.NETWORK, words)
        if subject.features is None:
            words = f"{subject.network} has no figure elsewhere, and no graph tells what it costs"
            command = "npubench predict --chip CHIP MODEL.onnx"
            return Refusal(RefusalKind.GRAPH, words, command=command)
        if far := self._far(asked):
            return far
        if lacking := self._lacking(asked):
            names = ", ".join(f"{one.operator} ({100 * one.share:.0f} %)" for one in lacking)
            words = f"operators of {subject.network} that were never measured on such a chip: {names}"
            return Refusal(RefusalKind.OPERATORS, words, lacking)
        graph = f"the graph {subject.features.name} ({subject.features.macs / 1e9:.2f} GMACs)"
        family = others(self._of_name.get(subject.network, ())) or others(
            self._of_family.get(subject.family, ())
        )
        if family:
            names = _listed(one.subject.network for one in family)
            return Ground(Basis.KNOWN_FAMILY, (f"{names} of its family", graph, here))
        return Ground(Basis.SEEN_OPERATORS, (graph, here))

    def _bias(self, asked: Column) -> tuple[str, ...]:
        """How the publisher's times compare to others' on the chip, shrunk to equality for few in common."""
        mine: dict[Hashable, float] = {}
        others: dict[Hashable, float] = {}
        for column in self._of_chip.get(asked.chip, ()):
            if (column.precision, column.setting) == (asked.precision, asked.setting):
                (mine if column.publisher == asked.publisher else others).update(self._times[column])
        shared = mine.keys() & others.keys()
        if len(shared) < LEAST_SHARED:
            return ()
        ratio = median(mine[key] - others[key] for key in shared) * len(shared) / (len(shared) + BIAS_WORTH)
        told = f"{asked.publisher}: times there are {math.exp(ratio):.2f} of other publishers'"
        return (f"{told}, by {counted(len(shared), 'network')}, shrunk",)

    def _far(self, asked: Sample) -> Refusal | None:
        """A refusal where a network was scaled to an input far from all that was counted or published."""
        subject, features = asked.subject, asked.subject.features
        if features is None or not features.scaled_from:
            return None
        told = [one.subject for one in self._of_name.get(subject.network, ())]
        near = [(one.height, one.width) for one in told if one.height and one.width]
        height, width = features.scaled_from[2:]
        ratios = [subject.height * subject.width / (h * w) for h, w in [*near, (height, width)]]
        if any(1 / FARTHEST <= ratio <= FARTHEST for ratio in ratios):
            return None
        words = (
            f"{subject.network} at {subject.height}x{subject.width} is far from any input that was measured"
        )
        return Refusal(RefusalKind.REGIME, f"{words} or counted ({height}x{width})")

    def _lacking(self, asked: Sample) -> tuple[LackingOperator, ...]:
        features = asked.subject.features
        if features is None:
            return ()
        seen = self._operators.get(asked.column.generation, set())
        nodes = sum(features.operators.values())
        lacking = {name: count / nodes for name, count in features.operators.items() if name not in seen}
        if sum(lacking.values()) <= LACKING:
            return ()
        ordered = sorted(lacking.items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple(LackingOperator(name, share) for name, share in ordered)


def _of_pair(asked: Column, here: Sequence[Column]) -> tuple[Basis, tuple[str, ...]]:
    """The basis of a network with figures in these columns of the chip, and in which precisions they are."""
    if not here:
        return Basis.KNOWN_NETWORK, ()
    precisions = dict.fromkeys(one.precision for one in here)
    if asked.precision in precisions:
        return Basis.SAME_CELL, ()
    told = f"on {asked.chip} it is known in {_listed(precisions)} alone, not in {asked.precision}"
    return Basis.OTHER_PRECISION, (told,)


def _is_of_mode(known: Column, asked: Column) -> bool:
    """Whether a mode is one that was measured: by its words, or by all that is read of other words."""
    if known.mode == asked.mode:
        return True
    cores_untold = "core" in asked.mode and "cores" not in asked.setting
    told = bool(asked.runtime) or _BATCH.search(asked.mode) or "cores" in asked.setting
    if cores_untold or not told:
        return False
    return (known.setting, known.runtime) == (asked.setting, asked.runtime)


_BATCH = re.compile(r"\bb(?:atch|s)?[\s:=_-]*\d")


def _grouped(pairs: Iterable[tuple[Hashable, Sample]]) -> dict[Hashable, list[Sample]]:
    found: dict[Hashable, list[Sample]] = {}
    for key, sample in pairs:
        found.setdefault(key, []).append(sample)
    return found


def _listed(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
