"""Equal figures, times and artifacts where they should differ: one file read, run or copied twice."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.measure.reliability import EqualFigures, lowering, shared_numbers, suspicious_groups
from npubench.reporting.data.figures import latency_of
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.doubt import (
    Doubt,
    DoubtClass,
    Part,
    Strength,
    are_one_network,
    board_times,
    doubt_of,
    measured_of,
    plain,
    simulated_of,
)


def identical(results: Sequence[Result]) -> Iterator[Doubt]:
    """Different cases of one board that agree to the last digit without a reason known to npubench."""
    equal = [_equal_figures(group) for group in suspicious_groups(results)]
    artifacts = translate(
        "different models, the same artifact: one file may have been run under several names"
    )
    times = translate(
        "different models, the same measured times: one file may have been run under several names"
    )
    shared = (
        *_shared_by_files(results, DoubtClass.IDENTICAL_ARTIFACT, lambda row: row.artifact_sha256, artifacts),
        *_shared_by_files(results, DoubtClass.IDENTICAL_FIGURES, _measured_times, times),
    )
    told = {doubt.place for doubt in equal}
    yield from (*equal, *(doubt for doubt in shared if doubt.place not in told))


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
        rows = [*{row.case: row for row in sorted(group, key=lambda row: row.case)}.values()]
        if len({row.onnx_sha256 for row in group}) < 2 or len({lowering(row.case) for row in rows}) == 1:
            continue
        evidence = [
            translate("{case}: model SHA-256 {sha256}", case=row.case, sha256=row.onnx_sha256) for row in rows
        ]
        if doubt_class is DoubtClass.IDENTICAL_ARTIFACT:
            evidence.insert(0, translate("artifact SHA-256 {sha256}", sha256=rows[0].artifact_sha256))
        yield doubt_of(rows, doubt_class, Strength.STRONG, reason, *evidence)


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
    kind = translate("published, simulated") if group.kind is Kind.PUBLISHED else translate(group.kind.value)
    reason = translate(
        "different networks with figures ({kind}) that are equal to the last digit: "
        "at most one of them is what it says",
        kind=kind,
    )
    evidence = (translate("shared: {figures}", figures=shared), *_fits(group.rows))
    return doubt_of([*group.rows.values()], DoubtClass.IDENTICAL_FIGURES, Strength.STRONG, reason, *evidence)


def _fits(rows: Mapping[str, Result]) -> Iterator[str]:
    """How the tool's count of MACs fits each of them."""
    for case, row in rows.items():
        counts = [figures.tool_macs for figures in reversed(row.all_figures) if figures.tool_macs]
        if counts and row.macs:
            yield translate(
                "{case}: {own} GMAC in its graph, {ratio} times that by the tool",
                case=case,
                own=significant(row.macs / 1e9),
                ratio=significant(counts[0] / row.macs),
            )


def _labels(kind: Kind) -> tuple[str, ...]:
    """Names of what `reliability.shared_numbers` gives."""
    if kind is Kind.MEASURED:
        return (
            translate("mean latency, us"),
            translate("load, us"),
            translate("NPU time, us"),
            translate("NPU counter"),
        )
    return (
        translate("latency, us"),
        translate("inferences/s"),
        translate("MACs by the tool"),
        translate("MAC utilisation"),
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
                groups[row.board, row.backend, row.precision, time.part, time.printed].append(row)
    reason = translate("different networks with one time: by chance, or one was copied")
    found: dict[object, Doubt] = {}
    for (*_, part, number), rows in groups.items():
        if all(are_one_network(rows[0], row) for row in rows[1:]):
            continue
        rows.sort(key=lambda row: row.case)
        doubt = doubt_of(rows, DoubtClass.EQUAL_TIMES, Strength.WEAK, reason, _told(part, number))
        found.setdefault(doubt.place, doubt)
    yield from found.values()


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


def equal_chips(results: Sequence[Result]) -> Iterator[Doubt]:
    """Times of a board that stand under two names of chips; one doubt for two boards."""
    for (first, second, precision), equal in _shared(results).items():
        common = max(len(equal), _common(results, first[0], second[0], precision))
        many = len(equal) >= LEAST_EQUAL and len(equal) >= EQUAL_SHARE * common
        boards = {"board": first[0], "chip": first[1], "other_board": second[0], "other": second[1]}
        counts = {"equal": len(equal), "common": common}
        yield Doubt(
            DoubtClass.EQUAL_CHIPS,
            Strength.strong_if(many or any(one.certain for one in equal.values())),
            *(first[0], first[2], precision, tuple(sorted(equal))),
            translate("the same times under two names of chips: one may have been copied from the other"),
            (
                translate("{chip} on {board} and {other} on {other_board}", **boards),
                translate(
                    "{equal} of {common} networks that both have are equal to the last digit", **counts
                ),
                *(
                    translate("{case}: {told}", case=case, told=_told(one.part, one.number))
                    for case, one in sorted(equal.items())[:LEAST_EQUAL]
                ),
            ),
        )


def _shared(results: Sequence[Result]) -> dict[tuple[_Chip, _Chip, str], dict[str, _Equal]]:
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
    shared: dict[tuple[_Chip, _Chip, str], dict[str, _Equal]] = {}
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
    rows = [row for row in results if row.precision.value == precision and measured_of(row) is not None]
    one, two = ({plain(row.case) for row in rows if row.board == name} for name in (board, other))
    return len(one & two)


def _told(part: Part, number: float) -> str:
    if part is Part.RATE:
        return translate("each does {rate} samples/s", rate=f"{number:.12g}")
    return translate("each takes {us} us", us=f"{number:.12g}")


def _digits(number: float) -> int:
    """Significant digits of a figure, up to its last one that is not zero."""
    return len(f"{number:.12e}".partition("e")[0].rstrip("0").replace(".", ""))
