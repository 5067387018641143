"""Speed-ups that hardware cannot give: more than the cores, the width of numbers or the batch are worth.

And batches that are slower a sample than one sample alone.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Result
from npubench.domain.specs import SamplesFrom
from npubench.reporting.data.figures import pairs, speedup
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.doubt import (
    Doubt,
    DoubtClass,
    Part,
    Strength,
    board_times,
    doubt_of,
    measured_of,
    plain,
    samples_per_call,
    us,
)

OVER = 1.1
"""Above what cores or batch can give: noise of two measurements, and caches that fit now."""

FAR_OVER = 1.25
"""The same, strong."""

INT8_GAIN = 4.0
"""Bytes of FP32 over those of INT8, and multiply-accumulates an instruction of VNNI and of ARM's dot
products over those of FP32: more is unusual on a processor."""

MOST_INT8_GAIN = 8.0
"""i8mm's matrix instructions: more is impossible."""

SLOWER = 1.1
MUCH_SLOWER = 1.5
"""Time a sample in a batch over that alone: a batch shares weights, so it should not cost more."""

_CORES = re.compile(r"(\d{1,3})[ -]cores?")
_BATCH = re.compile(
    r"(?:(?<=int4)|(?<=int8)|(?<=fp16)|(?<=fp32))-(\d{1,3})b$"
    r"|[- ](?:batch|bs)[- ]?(\d{1,4})$|^batch (\d{1,4})$"
)
"""As Sophgo's names and Hailo's modes have it. A `7b` alone is the size of a language model."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Microseconds of a call of `count` samples, or on `count` cores.

    `most_us` differs where a table does not say whether its time is of a call or of a sample.
    """

    row: Result
    count: int
    us: float
    most_us: float


def cores_of(row: Result, figures: Figures) -> int | None:
    """Cores of the NPU (halves of an AX620A's), or threads of the processor; None where nothing tells."""
    if figures.npu_mode and figures.npu and figures.npu.cores:
        return figures.npu.cores
    told = str(row.protocol.get("mode", "")).casefold()
    if found := _CORES.search(told):
        return int(found[1])
    if "single core" in told:
        return 1
    return figures.npu.cores if figures.npu else None


def odd_speed_ups(results: Sequence[Result]) -> Iterator[Doubt]:
    """More cores, INT8 or a batch, and a gain that none of them can give; or a batch that costs time."""
    yield from _by_cores(results)
    yield from _by_precision(results)
    for one, many in _batches(results):
        if one.us > OVER * many.most_us:
            told = translate(
                "{many} samples take {many_us} us, {one} take {one_us} us: {gain} times as many a second",
                **_both(one, many),
                gain=significant(one.us / many.us * many.count / one.count),
            )
            yield _impossible(many.row, one.us / many.us, told)
        elif many.us / many.count > SLOWER * one.us / one.count:
            yield _slower_batch(one, many)


def _both(one: _Run, many: _Run) -> dict[str, object]:
    return {"one": one.count, "one_us": us(one.us, 4), "many": many.count, "many_us": us(many.us, 4)}


def _slower_batch(one: _Run, many: _Run) -> Doubt:
    alone, together = one.us / one.count, many.us / many.count
    told = translate(
        "a sample takes {many_us} us of {many} at once, {one_us} us of {one}: {factor} times",
        **_both(one, many) | {"many_us": us(together, 4), "one_us": us(alone, 4)},
        factor=significant(together / alone),
    )
    strength = Strength.strong_if(together / alone > MUCH_SLOWER)
    reason = translate(
        "a sample takes longer in a batch than alone: memory ran out, or the batch is miscounted"
    )
    return doubt_of(many.row, DoubtClass.SLOWER_BATCH, strength, reason, told)


def _by_cores(results: Sequence[Result]) -> Iterator[Doubt]:
    groups: defaultdict[Hashable, list[_Run]] = defaultdict(list)
    by_chip: defaultdict[str, list[tuple[Result, Figures, int]]] = defaultdict(list)
    for row in results:
        if (figures := measured_of(row)) and (cores := cores_of(row, figures)) is not None:
            by_chip[row.chip.casefold()].append((row, figures, cores))
    # Where all of a chip's rows are of as many cores nothing is to be held against each other.
    several = (told for told in by_chip.values() if len({cores for _, _, cores in told}) > 1)
    for row, figures, cores in chain.from_iterable(several):
        network = (row.chip.casefold(), row.backend, row.precision, plain(row.case))
        shapes = (len(row.inputs), *(tensor.shape for tensor in row.inputs))
        source = (str(row.protocol.get("table", "")), str(row.protocol.get("input", "")), figures.kind)
        for time in board_times(row):
            groups[network, shapes, source, time.part].append(_Run(row, cores, time.us, time.us))
    for few, many in _pairs(groups):
        gain, possible = few.us / many.us, many.count / few.count
        if gain > OVER * possible:
            told = translate(
                "{many} cores take {many_us} us and {one} {one_us} us: {gain} times as fast, "
                "and at most {possible} can be",
                **_both(few, many),
                gain=significant(gain),
                possible=significant(possible),
            )
            yield _impossible(many.row, gain / possible, told)


def _by_precision(results: Sequence[Result]) -> Iterator[Doubt]:
    """Of processors alone: where an NPU takes INT8 only, FP32 runs elsewhere and may be any slower."""
    of_processors = [row for row in results if row.chip.casefold() == "cpu" and measured_of(row) is not None]
    for pair in pairs(of_processors):
        found = speedup(pair, Kind.MEASURED)
        if found is None or pair.fp32 is None or pair.int8 is None or found.factor <= INT8_GAIN:
            continue
        told = translate(
            "INT8 is {gain} times as fast as FP32 ({statistic}); bytes and instructions give {possible}",
            gain=significant(found.factor),
            statistic=found.statistic,
            possible=significant(INT8_GAIN),
        )
        fastest = _fastest(pair.fp32), _fastest(pair.int8)
        if fastest[0] and fastest[1] and fastest[0] / fastest[1] <= INT8_GAIN:
            # Then FP32 is what was held up: of a machine with other work its median may be any slower.
            runs = {"fp32": us(fastest[0]), "int8": us(fastest[1])}
            held_up = translate(
                "the fastest runs, {fp32} and {int8} us, are no such speed-up: other programs held FP32 up",
                **runs,
            )
            yield _impossible(pair.fp32, FAR_OVER, told, held_up)
        else:
            yield _impossible(pair.int8, FAR_OVER if found.factor <= MOST_INT8_GAIN else 2 * FAR_OVER, told)


def _fastest(row: Result) -> float | None:
    figures = measured_of(row)
    return None if figures is None or figures.latency_us is None else figures.latency_us.min


def _batches(results: Sequence[Result]) -> Iterator[tuple[_Run, _Run]]:
    """A network in the smallest batch that there is of it beside each larger one, on the same board."""
    groups: defaultdict[Hashable, list[_Run]] = defaultdict(list)
    for row in results:
        figures = measured_of(row)
        if figures is None:
            continue
        name, batch = _batch(row, figures)
        for time in board_times(row):
            if batch is not None and time.part is not Part.NPU:
                of_batch = time.us * (batch if time.part is Part.RATE else 1)
                told = time.part is Part.RATE or figures.kind is not Kind.PUBLISHED
                run = _Run(row, batch, of_batch, of_batch if told else batch * of_batch)
                groups[_place(row, figures), name, time.part].append(run)
    yield from _pairs(groups)


def _place(row: Result, figures: Figures) -> Hashable:
    """Where a row was measured: a board, or the table of a publisher, whose boards are named by modes."""
    if figures.kind is Kind.PUBLISHED:
        source = (str(row.protocol.get(name, "")) for name in ("table", "source"))
        return row.chip.casefold(), row.precision, *source
    return row.board, row.backend, row.precision


def _pairs(groups: Mapping[Hashable, Sequence[_Run]]) -> Iterator[tuple[_Run, _Run]]:
    for runs in groups.values():
        least = min(runs, key=lambda run: run.count)
        yield from ((least, run) for run in runs if run.count > least.count)


def _batch(row: Result, figures: Figures) -> tuple[Hashable, int | None]:
    """What names the network whatever its batch, and the batch.

    Own rows: the same operators, weights and shapes but for the leading size. Published ones: the name
    without its batch (`yolov8s_int8_4b`), or the mode (`batch 8`).
    """
    if row.inputs and row.operators:
        leading = {tensor.shape[0] for tensor in row.inputs if tensor.shape}
        one_a_call = figures.sampling is not None and figures.sampling.source is SamplesFrom.ONE_A_CALL
        batch = (
            samples_per_call(figures) if figures.sampling else (leading.pop() if len(leading) == 1 else None)
        )
        name = (tuple(sorted(row.operators.items())), row.parameters)
        rest = tuple(tensor.shape[1:] for tensor in (*row.inputs, *row.outputs))
        return (name, rest), None if one_a_call or not batch or batch < 1 else batch
    name_of = plain(row.case)
    for text in (str(row.protocol.get("mode", "")).casefold(), name_of):
        if found := _BATCH.search(text):
            return _BATCH.sub("", name_of), int(next(filter(None, found.groups()))) or None
    return name_of, None


def _impossible(row: Result, over: float, *evidence: str) -> Doubt:
    reason = translate("a speed-up above what the hardware can give: one of the two times is wrong")
    strength = Strength.strong_if(over > FAR_OVER)
    return doubt_of(row, DoubtClass.IMPOSSIBLE_SPEED_UP, strength, reason, *evidence)
