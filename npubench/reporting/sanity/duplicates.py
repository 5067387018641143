"""Equal figures, times and artifacts where they should differ: one file read, run or copied twice."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind, Result
from npubench.measure.equal_figures import EqualFigures, lowering, shared_numbers, suspicious_groups
from npubench.reporting.data.figures import latency_of
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength
from npubench.reporting.sanity.times import (
    Part,
    are_one_network,
    board_times,
    measured_of,
    plain,
    simulated_of,
)


def identical(results: Sequence[Result]) -> Iterator[Doubt]:
    """Different cases of one board that agree to the last digit without a reason known to npubench."""
    equal = [_equal_figures(group) for group in suspicious_groups(results)]
    yield from equal
    told = {(doubt.board, doubt.precision, doubt.cases) for doubt in equal}
    for doubt in (
        *_shared_by_files(
            results,
            DoubtClass.IDENTICAL_ARTIFACT,
            lambda row: row.artifact_sha256,
            say("different models, the same artifact: one file may have been run under several names"),
        ),
        *_shared_by_files(
            results,
            DoubtClass.IDENTICAL_FIGURES,
            _measured_times,
            say("different models, the same measured times: one file may have been run under several names"),
        ),
    ):
        if (doubt.board, doubt.precision, doubt.cases) not in told:
            yield doubt


def _shared_by_files(
    results: Sequence[Result], doubt_class: DoubtClass, mark: Callable[[Result], Hashable | None], reason: str
) -> Iterator[Doubt]:
    """Groups of cases whose ONNX files differ although the mark is the same to the last digit."""
    seen: dict[Hashable, Result] = {}
    groups: dict[Hashable, list[Result]] = {}
    for row in results:
        found = mark(row)
        if found is None or row.onnx_sha256 is None:
            continue
        key = (row.board, row.backend, row.precision, found)
        first = seen.setdefault(key, row)
        if first is not row:
            # Of very many rows hardly any are alike: a list for each would be most of the work.
            groups.setdefault(key, [first]).append(row)
    for group in groups.values():
        rows = {row.case: row for row in sorted(group, key=lambda row: row.case)}
        if len({row.onnx_sha256 for row in group}) < 2 or len({lowering(case) for case in rows}) == 1:
            continue
        first = group[0]
        evidence = [
            say("{case}: model SHA-256 {sha256}", case=case, sha256=row.onnx_sha256)
            for case, row in rows.items()
        ]
        if doubt_class is DoubtClass.IDENTICAL_ARTIFACT:
            evidence.insert(0, say("artifact SHA-256 {sha256}", sha256=first.artifact_sha256))
        where = (first.board, first.backend, first.precision.value)
        yield Doubt(doubt_class, Strength.STRONG, *where, tuple(rows), reason, tuple(evidence))


def _measured_times(row: Result) -> Hashable | None:
    """All of a row's statistics. Simulated ones say nothing: compilers lower different operators alike."""
    latency = latency_of(row, Kind.MEASURED)
    if latency is None or latency.n < 2 or latency.std is None:
        return None
    return (latency.n, latency.mean, latency.std, latency.min, latency.max)


def _equal_figures(group: EqualFigures) -> Doubt:
    shared = ", ".join(
        f"{label} {number:.12g}"
        for label, number in zip(_labels(group.kind), group.numbers, strict=True)
        if number is not None
    )
    # Of published rows their compiler's simulation is compared: of the board there is one figure.
    published = group.kind is Kind.PUBLISHED
    first = next(iter(group.rows.values()))
    return Doubt(
        DoubtClass.IDENTICAL_FIGURES,
        Strength.STRONG,
        *(first.board, first.backend, first.precision.value, group.cases),
        say(
            "different networks with figures ({kind}) that are equal to the last digit: "
            "at most one of them is what it says",
            kind=say("published, simulated") if published else say(group.kind.value),
        ),
        (say("shared: {figures}", figures=shared), *_fits(group.rows)),
    )


def _fits(rows: Mapping[str, Result]) -> Iterator[str]:
    """How the tool's count of MACs fits each of them."""
    for case, row in rows.items():
        counts = [figures.tool_macs for figures in reversed(row.all_figures) if figures.tool_macs]
        if counts and row.macs:
            yield say(
                "{case}: {own} GMAC in its graph, {ratio} times that by the tool",
                case=case,
                own=significant(row.macs / 1e9),
                ratio=significant(counts[0] / row.macs),
            )


def _labels(kind: Kind) -> tuple[str, ...]:
    """Names of what `equal_figures.shared_numbers` gives."""
    if kind is Kind.MEASURED:
        return say("mean latency, us"), say("load, us"), say("NPU time, us"), say("NPU counter")
    return say("latency, us"), say("inferences/s"), say("MACs by the tool"), say("MAC utilisation")


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
            Strength.strong_if(certain),
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
