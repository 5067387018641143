"""Equal times where they should differ: of two networks on one board, of one network on two chips."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from npubench.records import Result
from npubench.reporting.doubts.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.doubts.times import Part, are_one_network, board_times, measured_of, plain
from npubench.reporting.words import say

TELLING_DIGITS = 4
"""Significant digits from which equal times are worth a word: of three, any table has some by chance."""

CERTAIN_DIGITS = 7
"""Digits that no two chips share by chance."""

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


def equal_chips(results: Sequence[Result]) -> Iterator[Doubt]:
    """Times of a board that stand under two names of chips; one doubt for two boards."""
    times: defaultdict[tuple[str, str, Part, float], list[Result]] = defaultdict(list)
    for row in results:
        for time in board_times(row):
            if _digits(time.printed) >= TELLING_DIGITS:
                times[plain(row.case), row.precision.value, time.part, time.printed].append(row)
    pairs: defaultdict[tuple[tuple[str, str], tuple[str, str], str], dict[str, tuple[Part, float]]]
    pairs = defaultdict(dict)
    backends = {}
    for (_, precision, part, number), rows in times.items():
        for at, one in enumerate(rows):
            for other in rows[at + 1 :]:
                if one.chip.casefold() == other.chip.casefold():
                    continue
                first, second = sorted(((one.board, one.chip), (other.board, other.chip)))
                pairs[first, second, precision].setdefault(one.case, (part, number))
                backends[one.board] = one.backend
                backends[other.board] = other.backend
    for ((board, chip), (other_board, other_chip), precision), equal in pairs.items():
        common = max(len(equal), _common(results, board, other_board, precision))
        many = len(equal) >= LEAST_EQUAL and len(equal) >= EQUAL_SHARE * common
        certain = many or any(_digits(number) >= CERTAIN_DIGITS for _, number in equal.values())
        yield Doubt(
            DoubtClass.EQUAL_CHIPS,
            Strength.STRONG if certain else Strength.WEAK,
            board,
            backends[board],
            precision,
            tuple(sorted(equal)),
            say("the same times under two names of chips: one may have been copied from the other"),
            (
                say(
                    "{chip} on {board} and {other} on {other_board}",
                    chip=chip,
                    board=board,
                    other=other_chip,
                    other_board=other_board,
                ),
                say(
                    "{equal} of {common} networks that both have are equal to the last digit",
                    equal=len(equal),
                    common=common,
                ),
                *(
                    say("{case}: {told}", case=case, told=_told(*told))
                    for case, told in sorted(equal.items())[:LEAST_EQUAL]
                ),
            ),
        )


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
