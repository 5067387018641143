"""Times that nobody published: the atlas completed by `npubench.predict`, with bands, or why there is none.

Asked is a figure as the chip's largest table would tell it: in its mode, precision, metric and unit. All that
a selection lacks is asked at once, as a fit takes seconds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from npubench.domain.figures import Bound, BoundReason, Bounds, Kind, Latency
from npubench.predict.answer import Answer, Prediction
from npubench.predict.asked import AskedRow
from npubench.published.atlas import PublishedFigure, family, figures
from npubench.published.chips import canonical, chip_named, mode_of, share_of_mode
from npubench.published.metrics import Family
from npubench.published.networks import Network
from npubench.reporting.data.formatting import duration
from npubench.reporting.data.translate import translate
from npubench.reporting.select.atlas_times import CALCULATED, LATENCY, METRICS, RATE
from npubench.reporting.select.bands import sigma_of
from npubench.reporting.select.times import IN_FLIGHT, ONE_CORE, Missing, ModelTime, is_of_precision


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure that nobody published."""

    chip: str  # canonical name
    network: Network
    precision: str = ""  # int8, fp16 or fp32; empty: int8 before others


WIDEST = 20.0
"""Upper end of a band over its lower one beyond which a prediction decides nothing."""

Answers = Mapping[Wanted, ModelTime | Missing]


def predicted_times(wanted: Iterable[Wanted]) -> Answers:
    """The time of each, of kind predicted, or why there is none; one fit for all of them."""
    from npubench.predict.completion import complete

    asked = [(one, column) for one in dict.fromkeys(wanted) if (column := column_of(one.chip, one.precision))]
    if not asked:
        return {}
    rows = [_row(line, *one) for line, one in enumerate(asked, 1)]
    found = complete(rows, [one.network for one, _ in asked])
    return {
        one: time_of_answer(judged.answer, one, column)
        for (one, column), judged in zip(asked, found.rows, strict=True)
    }


def column_of(chip: str, precision: str = "") -> PublishedFigure | None:
    """A figure of the chip's largest table, whose mode, precision, metric and unit are asked; None: no table.

    INT8 before other precisions where none is asked, one input a call before batches, the most figures first.
    """
    counted = [
        one for one in _columns().get(canonical(chip), ()) if is_of_precision(one[0].precision, precision)
    ]
    return max(counted, key=_preference)[0] if counted else None


def _preference(one: tuple[PublishedFigure, int]) -> tuple[bool, bool, int]:
    figure, count = one
    return is_of_precision(figure.precision, "int8"), (mode_of(figure.mode).batch or 1) == 1, count


@cache
def _columns() -> Mapping[str, Sequence[tuple[PublishedFigure, int]]]:
    """By chip a figure of each of its columns, with how many the column has."""
    counted: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], PublishedFigure] = {}
    for one in figures():
        if one.metric in METRICS and one.value and family(one) is Family.VISION:
            key = (one.chip, one.mode, one.precision, one.metric, one.unit, one.table)
            counted[key] += 1
            first.setdefault(key, one)
    found: defaultdict[str, list[tuple[PublishedFigure, int]]] = defaultdict(list)
    for column, figure in first.items():
        chip = chip_named(figure.chip)
        for name in chip.speaks_for if mode_of(figure.mode).modules == 1 else ():
            found[name].append((figure, counted[column]))
    return found


def _row(line: int, wanted: Wanted, column: PublishedFigure) -> AskedRow:
    network = wanted.network
    size = f"{network.height}x{network.width}" if network.height and network.width else ""
    return AskedRow(
        line,
        *(column.chip, column.mode, network.name, size, column.precision, column.metric, column.unit),
        source=column.source,
        tool=column.tool,
    )


def time_of_answer(answer: Answer, wanted: Wanted, column: PublishedFigure) -> ModelTime | Missing:
    """A prediction as a time: rates turned round, with the part of the NPU that the column is of."""
    chip = chip_named(wanted.chip)
    if not isinstance(answer, Prediction):
        return Missing(translate("not predicted: {reason}", reason=answer.reason))
    scale = column.known_metric.scales[column.unit.casefold()] if column.known_metric else 1.0
    ends = [end * scale for end in (answer.low, answer.value, answer.high)]
    low, time_us, high = sorted(1e6 / end if column.metric == RATE else end * 1e3 for end in ends)
    if high > WIDEST * low:
        words = {"low": duration(low), "high": duration(high)}
        return Missing(translate("not predicted: between {low} and {high} is too wide to decide on", **words))
    mode = mode_of(column.mode)
    share, batch = share_of_mode(chip, mode) or 1.0, mode.batch or 1
    if column.metric == LATENCY:
        low, time_us, high = (one / batch for one in (low, time_us, high))
    bounds = Bounds(Bound.UPPER, BoundReason.PART_OF_NPU, share=share) if share < 1 else None
    return ModelTime(
        *(wanted.network.key, "npubench", Kind.PREDICTED, time_us, share),
        latency=Latency(1, time_us) if column.metric in (LATENCY, CALCULATED) else None,
        in_flight=ONE_CORE if 1 in (mode.cores, chip.cores) else IN_FLIGHT,
        # The wider side counts on both: a band may lie askew of its figure.
        sigma=max(sigma_of(time_us, high), sigma_of(low, time_us)) * 2,
        ends=(low, high),
        bounds=Bounds(Bound.LOWER, BoundReason.BATCH) if batch > 1 else bounds,
        mode=column.mode,
        precision=column.precision,
        source="; ".join((str(answer.basis), *answer.rests_on)),
    )
