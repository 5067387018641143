"""Equal times where they should differ: of two networks on one board, of one network on two chips."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from npubench.backends.axera.equal_figures import shared_numbers
from npubench.domain.records import Result
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.sanity.times import (
    Part,
    are_one_network,
    board_times,
    measured_of,
    plain,
    simulated_of,
)

TELLING_DIGITS = 4
"""Significant digits from which equal times are worth a word: of three, any table has some by chance."""

CERTAIN_DIGITS = 7
"""Digits that no two chips share by chance."""

LEAST_FIGURES = 3
LEAST_EQUAL = 3
EQUAL_SHARE = 0.25
"""Networks that two chips share a time of, and their share, until it is no chance: of 136 figures of four
digits that two chips have, three agree."""


def equal_times(results: Sequence[Result]) -> Iterator[Doubt]:
    """Different networks of one board with one time: always weak, as true rows have equal times, too."""
    groups: defaultdict[tuple[str, str, str, Part, float], list[Result]] = defaultdict(list)
    for row in results:
        for time in board_times(row):
            if _digits(time.printed) >= TELLING_DIGITS:
                groups[row.board, row.backend, row.precision.value, time.part, time.printed].append(row)
    told = set()
    for (board, backend, precision, part, number), rows in groups.items():
        cases = tuple(sorted({row.case for row in rows}))
        if len(cases) < 2 or (board, precision, cases) in told:
            continue
        if all(are_one_network(rows[0], row) for row in rows[1:]):
            continue
        told.add((board, precision, cases))
        yield Doubt(
            DoubtClass.EQUAL_TIMES,
            Strength.WEAK,
            board,
            backend,
            precision,
            cases,
            say("different networks with one time: by chance, or one was copied"),
            (_told(part, number),),
        )


@dataclass(frozen=True, slots=True)
class _Equal:
    """What two chips share of a network: a time, `whole` with all that a compiler said, too."""

    part: Part
    number: float
    whole: bool

    @property
    def certain(self) -> bool:
        return self.whole or _digits(self.number) >= CERTAIN_DIGITS


_Chip = tuple[str, str, str]
"""Board, chip and backend."""

_Shared = dict[tuple[_Chip, _Chip, str], dict[str, _Equal]]


def equal_chips(results: Sequence[Result]) -> Iterator[Doubt]:
    """Times of a board that stand under two names of chips; one doubt for two boards."""
    for (first, second, precision), equal in _shared(results).items():
        common = max(len(equal), _common(results, first[0], second[0], precision))
        many = len(equal) >= LEAST_EQUAL and len(equal) >= EQUAL_SHARE * common
        certain = many or any(one.certain for one in equal.values())
        yield Doubt(
            DoubtClass.EQUAL_CHIPS,
            Strength.STRONG if certain else Strength.WEAK,
            first[0],
            first[2],
            precision,
            tuple(sorted(equal)),
            say("the same times under two names of chips: one may have been copied from the other"),
            (
                say(
                    "{chip} on {board} and {other} on {other_board}",
                    chip=first[1],
                    board=first[0],
                    other=second[1],
                    other_board=second[0],
                ),
                say(
                    "{equal} of {common} networks that both have are equal to the last digit",
                    equal=len(equal),
                    common=common,
                ),
                *(
                    say("{case}: {told}", case=case, told=_told(one.part, one.number))
                    for case, one in sorted(equal.items())[:LEAST_EQUAL]
                ),
            ),
        )


def _shared(results: Sequence[Result]) -> _Shared:
    """Two boards of different chips and a precision to what they share, by case."""
    times: defaultdict[Hashable, list[tuple[Result, _Equal]]] = defaultdict(list)
    for row in results:
        simulation = _simulation(row)
        for time in board_times(row):
            key = (plain(row.case), row.precision, time.part, time.printed)
            if _digits(time.printed) >= TELLING_DIGITS:
                times[key].append((row, _Equal(time.part, time.printed, whole=False)))
            if simulation is not None:
                times[key, simulation].append((row, _Equal(time.part, time.printed, whole=True)))
    shared: _Shared = {}
    for rows in times.values():
        for at, (one, equal) in enumerate(rows):
            for other, _ in rows[at + 1 :]:
                if one.chip.casefold() != other.chip.casefold():
                    first, second = sorted((row.board, row.chip, row.backend) for row in (one, other))
                    known = shared.setdefault((first, second, one.precision.value), {})
                    if equal.whole or one.case not in known:
                        known[one.case] = equal
    return shared


def _simulation(row: Result) -> Hashable | None:
    """What the compiler said, where that are three figures and more."""
    figures = simulated_of(row)
    numbers = () if figures is None else shared_numbers(figures)
    return numbers if sum(map(bool, numbers)) >= LEAST_FIGURES else None


def _common(results: Sequence[Result], board: str, other: str, precision: str) -> int:
    names = [
        {
            plain(row.case)
            for row in results
            if row.board == one and row.precision.value == precision and measured_of(row) is not None
        }
        for one in (board, other)
    ]
    return len(names[0] & names[1])


def _told(part: Part, number: float) -> str:
    if part is Part.RATE:
        return say("each does {rate} samples/s", rate=f"{number:.12g}")
    return say("each takes {us} us", us=f"{number:.12g}")


def _digits(number: float) -> int:
    """Significant digits of a figure, up to its last one that is not zero."""
    text = f"{number:.12e}".partition("e")[0].rstrip("0").replace(".", "")
    return len(text)
