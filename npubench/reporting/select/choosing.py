"""Which figure speaks for a model on a chip: measured before published before simulated before predicted.

What leaves something out speaks where there is nothing else, what is known to be too inaccurate comes last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import PurePath

from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Shape
from npubench.published.graphs import graph_for
from npubench.published.network_facts import stated
from npubench.published.networks import Network
from npubench.reporting.data.op_support import WITHOUT_VERDICT
from npubench.reporting.data.translate import translate
from npubench.reporting.select.asked_models import plain
from npubench.reporting.select.atlas_times import Atlas, network_asked, why_not
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.requirements import ModelNeed
from npubench.reporting.select.times import (
    Found,
    Missing,
    ModelTime,
    accuracy_value,
    is_inaccurate,
    is_of_precision,
    strength,
    times_of,
)

Shapes = Mapping[str, Sequence[Shape]]
"""Case name to declared input shapes, for rows that do not say theirs."""

Predictor = Callable[[str, Network, str], ModelTime | Missing | None]
"""The time of a network on a chip of that name in a precision, or why there is none; None: not asked."""


@dataclass(frozen=True, slots=True)
class Beyond:
    """What is known beside the rows of a workspace."""

    shapes: Shapes = field(default_factory=dict)
    atlas: Atlas | None = None  # what others published; None: not asked for
    predict: Predictor | None = None  # for what nobody published; None: not asked for
    runs: Callable[[str], bool] = lambda _: False  # whether `npubench run` knows a case of that name

    def network(self, name: str, size: tuple[int, int] | None) -> Network | None:
        """The network of the atlas that a name means at an input of (width, height)."""
        return (
            network_asked(PurePath(name).stem if name.endswith(".onnx") else name, size, self.atlas)
            if self.atlas
            else None
        )


def choose(need: ModelNeed, candidate: Candidate, beyond: Beyond) -> Found:
    """What is known of the first of the names that has rows or published figures, else a prediction."""
    first: Found | None = None
    for name in need.names:
        network = beyond.network(name, need.input_size)
        rows = _rows_named(name, candidate)
        fitting = [row for row in rows if _fits(row, need, beyond.shapes)]
        fitting += [row for row in _rows_of(network, candidate, beyond) if row not in rows]
        times = [time for row in fitting for time in times_of(row, candidate.facts)]
        if beyond.atlas and network:
            times += beyond.atlas.times(candidate.chip, network)
        times = [time for time in times if is_of_precision(time.precision, need.precision)]
        if times:
            best, *others = sorted(times, key=lambda time: _speaks(time, need))
            best = _with_least(best, others, need)
            return Found(best, None, tuple(others), tuple(fitting), network, graph_bytes(best, network))
        if rows and first is None:
            first = Found(None, _missing(rows, fitting, need), (), tuple(fitting))
    if first and first.missing and first.missing.failed:
        return first
    return _predicted(need, candidate, beyond, first)


MAPS = 64
"""Values a pixel of the input that the largest activation of nine in ten graphs of the atlas has at most."""


def graph_bytes(time: ModelTime, network: Network | None) -> float | None:
    """Bytes of weights and of the largest activation: by a network's graph, else by what is stated of it.

    None: it has no graph, and nobody states its parameters and its input.
    """
    graph = graph_for(network) if network else None
    wide = 1 if is_of_precision(time.precision, "int8") else 2
    wide = 4 if time.precision.casefold() in ("fp32", "f32") else wide
    if graph is not None:
        return float(wide * (graph.parameters + graph.largest_elements))
    millions = _stated_parameters().get(network.name) if network else None
    if network is None or not network.height or not network.width or not millions:
        return None
    return wide * (millions * 1e6 + MAPS * network.height * network.width)


@cache
def _stated_parameters() -> Mapping[str, float]:
    """Millions of parameters by network, as publishers state them: the most of several."""
    found: dict[str, float] = {}
    for one in stated():
        if one.params_m:
            found[one.network] = max(one.params_m, found.get(one.network, 0.0))
    return found


def _predicted(need: ModelNeed, candidate: Candidate, beyond: Beyond, known: Found | None) -> Found:
    """A prediction of the first of the names that has one, else why there is nothing."""
    whys: list[str] = []
    for name in need.names:
        network = beyond.network(name, need.input_size)
        if network is None:
            whys += filter(None, [why_not(name, need.input_size, beyond.atlas) if beyond.atlas else ""])
            continue
        if beyond.predict is None:
            continue
        answer = beyond.predict(candidate.chip, network, need.precision)
        if isinstance(answer, ModelTime):
            rows = known.rows if known else ()
            return Found(answer, None, (), rows, network, graph_bytes(answer, network))
        whys += [answer.why] if answer else []
    if known:
        return known
    nothing = translate("no row of {name}", name=" / ".join(need.names))
    return Found(None, Missing("; ".join([nothing, *dict.fromkeys(whys)])))


def _speaks(time: ModelTime, need: ModelNeed) -> tuple[bool, bool, float, bool, bool, float]:
    """What speaks before another: the accurate, the whole, the stronger kind; then what the NPU alone took,
    what was compared with the reference where that is asked, and the faster."""
    wrong = time.result is not None and is_inaccurate(time.result, need)
    compared = time.result is not None and accuracy_value(time.result, need.metric) is not None
    uncompared = need.minimum is not None and not compared
    return wrong, time.at_least is not None, strength(time), time.with_host, uncompared, time.time_us


def _with_least(best: ModelTime, others: Sequence[ModelTime], need: ModelNeed) -> ModelTime:
    """With what a part of the NPU takes, multiplied by its share, where that is less than the time itself.

    Three cores may do more apart than together: the figure of one bounds what the whole can do at best.
    """
    equal = [one for one in others if strength(one) <= strength(best) and not one.at_least]
    equal = [one for one in equal if one.result is None or not is_inaccurate(one.result, need)]
    least = min((one.time_us * one.share for one in equal), default=best.time_us)
    return replace(best, least_us=least) if least < best.time_us * best.share else best


def _rows_of(network: Network | None, candidate: Candidate, beyond: Beyond) -> list[Result]:
    """Rows of the same network under another name, at its input."""
    if network is None:
        return []
    return [
        row
        for row in candidate.rows
        if row.case_kind is CaseKind.MODEL
        and (told := beyond.network(row.case, _size_of(row, beyond.shapes)))
        and told.key == network.key
    ]


def _size_of(row: Result, shapes: Shapes) -> tuple[int, int] | None:
    """Width and height of a row's first input, else of the declared one of its name; None: not told."""
    shape = next(iter(_shapes_of(row, shapes)), ())
    return (shape[-1], shape[-2]) if len(shape) >= 2 else None


def _rows_named(name: str, candidate: Candidate) -> list[Result]:
    """Rows of that name; else, of a file's, those of its stem, which is what its case is called."""
    stem = PurePath(name).stem if name.endswith(".onnx") else name
    models = [row for row in candidate.rows if row.case_kind in (CaseKind.MODEL, CaseKind.OPERATOR)]
    for asked in dict.fromkeys((plain(name), plain(stem))):
        if rows := [row for row in models if asked in _names(row)]:
            return rows
    return []


def _names(row: Result) -> tuple[str, str]:
    return plain(row.case), plain(str(row.protocol.get("same_network", "")))


def _missing(rows: Sequence[Result], fitting: Sequence[Result], need: ModelNeed) -> Missing:
    for row in rows if not any(row.status is Status.OK for row in rows) else ():
        if row.failure and row.failure.failure_class not in WITHOUT_VERDICT:
            return Missing(f"{need.role}: {row.failure.failure_class}: {row.failure.message}", row)
    if not fitting and need.input_size:
        wide, high = need.input_size
        return Missing(
            translate("{name} has no figure at {wide}x{high}", name=rows[0].case, wide=wide, high=high)
        )
    ran = next((row for row in fitting if row.status is Status.OK), None)
    return Missing(translate("{name} has no time", name=rows[0].case), ran=ran)


def _fits(row: Result, need: ModelNeed, shapes: Shapes) -> bool:
    """Whether a row's input, else the declared one of its name, is of the size that is asked."""
    if need.input_size is None:
        return True
    wide, high = need.input_size
    return any((high, wide) in pairwise(shape) for shape in _shapes_of(row, shapes))


def _shapes_of(row: Result, shapes: Shapes) -> list[Shape]:
    """Shapes of a row's inputs, else those that its name declares, else the size that its table tells."""
    names = (row.case, str(row.protocol.get("same_network", "")))
    told = [tensor.shape for tensor in row.inputs] or [
        shape for one in names for shape in shapes.get(one, ())
    ]
    published = str(row.protocol.get("input", ""))
    if not told and published.isascii() and published.isdigit():
        told = [(int(published), int(published))]
    return told
