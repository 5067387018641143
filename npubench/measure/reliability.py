"""How far a row can be relied on: its rounds, the board before and after, and figures that others share."""

import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Bound, Figures, Kind
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import BoardState, Result, Verdict
from npubench.domain.specs import CaseKind, Precision
from npubench.measure.statistics import trend_of

STABLE_SPREAD = 0.02
CLOCK_CHANGE = 0.05
HOTTER_C = 10.0
BUSY_SHARE = 0.5
LOW_MEMORY_SHARE = 0.1
INTERRUPTED_SHARE = 0.1
CROWDED_SHARE = 0.1
CROWDED_SHARE = 0.1


def assess_stability(
    before: BoardState | None, after: BoardState | None, figures: Figures
) -> tuple[Verdict | None, tuple[Note, ...]]:
    """The verdict, None where one round or less tells nothing, and a note for every doubt.

    stable: the median of the rounds is known to 2 % (`statistics.spread_of`); drifting: rounds rise (or fall)
    from one to the next; throttled: they rise while the clock fell; noisy: otherwise apart, or together while
    other programs wanted the processors, by which all may be slower; invalid: the board restarted in between.
    """
    crowded = [*_crowded(figures)]
    warnings = [*_state_warnings(before, after), *crowded, *_interrupted(figures), *_bound_warnings(figures)]
    if _restarted(before, after):
        return Verdict.INVALID, (Note(NoteCode.RESTARTED), *warnings)
    latency = figures.latency_us
    spread = latency.spread if latency else figures.spread
    if spread is None or spread <= STABLE_SPREAD:
        calm = Verdict.NOISY if crowded else Verdict.STABLE
        return None if spread is None else calm, tuple(warnings)
    verdict, code = Verdict.NOISY, NoteCode.REPEATS_DIFFER
    if latency:
        verdict, code = classify_unstable(latency.rounds_p50, before, after)
    return verdict, (Note(code, {"spread": spread}), *warnings)


def _interrupted(figures: Figures) -> Iterator[Note]:
    share = figures.interrupted_share
    if share is not None and share > INTERRUPTED_SHARE:
        yield Note(NoteCode.INTERRUPTED, {"share": share})


def _crowded(figures: Figures) -> Iterator[Note]:
    share = figures.crowded_share
    if share is not None and share > CROWDED_SHARE:
        yield Note(NoteCode.CROWDED, {"share": share})


def _bound_warnings(figures: Figures) -> Iterator[Note]:
    """That a time leaves something out is no matter of stability, and yet of how far it can be relied on."""
    bounds = figures.bounds
    if figures.latency_us is None or bounds is None or bounds.bound is not Bound.LOWER:
        return
    if bounds.left_out is None or bounds.layers is None:
        yield Note(NoteCode.LOWER_BOUND)
    else:
        yield Note(NoteCode.LOWER_BOUND_OF_LAYERS, {"count": bounds.left_out, "all": bounds.layers})


def classify_unstable(
    medians: Sequence[float], before: BoardState | None, after: BoardState | None
) -> tuple[Verdict, NoteCode]:
    """How rounds with these medians, in their order, are unstable."""
    trend = trend_of(medians)
    slower = trend > 0 or (len(medians) == 2 and medians[0] < medians[1])
    if slower and (_clock_change(before, after) or 0.0) < -CLOCK_CHANGE:
        return Verdict.THROTTLED, NoteCode.CLOCK_FELL
    if trend:
        return Verdict.DRIFTING, NoteCode.SLOWER if slower else NoteCode.FASTER
    return Verdict.NOISY, NoteCode.ROUNDS_DIFFER


def _state_warnings(before: BoardState | None, after: BoardState | None) -> Iterator[Note]:
    if before is None or after is None:
        return
    if before.governor != after.governor:
        values = {"before": str(before.governor), "after": str(after.governor)}
        yield Note(NoteCode.GOVERNOR_CHANGED, values)
    elif after.governor not in (None, "performance"):
        yield Note(NoteCode.GOVERNOR, {"name": str(after.governor)})
    change = _clock_change(before, after)
    if change is not None and abs(change) > CLOCK_CHANGE:
        yield Note(NoteCode.CLOCKS_CHANGED, {"share": change})
    if before.temperature_c is not None and after.temperature_c is not None:
        rise = after.temperature_c - before.temperature_c
        if rise > HOTTER_C:
            yield Note(NoteCode.HOTTER, {"rise_c": rise})
    running = int(before.extra.get("running", "0"))
    if before.cores and running > BUSY_SHARE * before.cores:
        yield Note(NoteCode.BUSY, {"count": running, "cores": before.cores})
    if before.memory_available_bytes is not None and before.memory_total_bytes:
        share = before.memory_available_bytes / before.memory_total_bytes
        if share < LOW_MEMORY_SHARE:
            yield Note(NoteCode.LOW_MEMORY, {"share": share})


def _clock_change(before: BoardState | None, after: BoardState | None) -> float | None:
    if before is None or after is None or not before.clocks_mhz or not after.clocks_mhz:
        return None
    return statistics.fmean(after.clocks_mhz) / statistics.fmean(before.clocks_mhz) - 1


def _restarted(before: BoardState | None, after: BoardState | None) -> bool:
    if before is None or after is None or before.uptime_s is None or after.uptime_s is None:
        return False
    return after.uptime_s < before.uptime_s


_CONV = re.compile(r"conv([0-9]+)s([0-9]+)p([0-9]+)d([0-9]+)(ic[0-9]+oc[0-9]+g[0-9]+.*)")
_RECIPE = re.compile(r"[0-9]+xb[0-9]+(?:-.*)?")
"""Three things make equal figures right, and are known here. The compiler lowers a dilated kernel to its
effective size (k - 1) * d + 1 and a 1x1 kernel to a 3x3 one with one more padding, so such convolutions are
one and the same; all equal rows of the published AX620A operator table are of that kind. OpenMMLab names
differ by training recipe (`8xb32`, `8xb256-rsb-a1-600e`) where the network does not. And a simulation knows
no names: one graph under two of them, as many MACs and parameters of the same operators, has one simulation.
"""
_LEAST_KNOWN = 3


@dataclass(frozen=True, slots=True)
class EqualFigures:
    """Rows of one board, by case, that should differ and do not; `numbers` as `shared_numbers` has them."""

    kind: Kind
    rows: Mapping[str, Result]
    numbers: tuple[float | None, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """Their names in order."""
        return tuple(self.rows)


_Key = tuple[Kind, str, Precision, tuple[float | None, ...]]


def suspicious_groups(results: Iterable[Result]) -> list[EqualFigures]:
    """Groups of rows of one board whose figures of one kind are equal without a reason known here."""
    seen: dict[_Key, Result] = {}
    groups: dict[_Key, dict[str, Result]] = {}
    for result in results:
        for figures in result.all_figures:
            numbers = shared_numbers(figures)
            if sum(map(bool, numbers)) >= _LEAST_KNOWN:
                key = (figures.kind, result.board, result.precision, numbers)
                first = seen.setdefault(key, result)
                if first is not result:
                    groups.setdefault(key, {first.case: first}).setdefault(result.case, result)
    return [
        EqualFigures(kind, dict(sorted(rows.items())), numbers)
        for (kind, _, _, numbers), rows in groups.items()
        if len(rows) > 1 and not one_program(rows, simulated=kind is not Kind.MEASURED)
    ]


def warned(results: Sequence[Result]) -> list[Result]:
    """The same rows, those with a warning that share their figures with another case."""
    others: dict[str, list[Note]] = {}
    for group in suspicious_groups(results):
        for name in group.cases:
            same = ", ".join(case for case in group.cases if case != name)
            values = {"kind": group.kind.value, "cases": same}
            others.setdefault(name, []).append(Note(NoteCode.EQUAL_FIGURES, values))
    return [replace(row, warnings=(*row.warnings, *others.get(row.case, ()))) for row in results]


def one_program(rows: Mapping[str, Result], simulated: bool) -> bool:
    """Whether these cases, by name, may rightly have the same figures.

    A simulation is the same for one graph under two names, and for operators that a compiler fuses or
    treats alike as long as they multiply as much; times of a board never agree to the last digit.
    """
    if len({lowering(case) for case in rows}) == 1:
        return True
    hashes = {row.onnx_sha256 for row in rows.values()}
    graphs = {_graph(row) if simulated else None for row in rows.values()}
    return any(len(marks) == 1 and None not in marks for marks in (hashes, graphs))


def lowering(case: str) -> str:
    """A name that cases share when the compiler makes the same of them."""
    if match := _CONV.fullmatch(case):
        kernel, stride, pad, dilation = (int(group) for group in match.groups()[:4])
        effective = (kernel - 1) * dilation + 1
        if effective == 1:
            effective, pad = 3, pad + 1
        return f"conv{effective}s{stride}p{pad}{match[5]}"
    return "_".join(part for part in case.split("_") if not _RECIPE.fullmatch(part))


def shared_numbers(figures: Figures) -> tuple[float | None, ...]:
    """What is compared. Measured: mean latency, load and NPU time in us, NPU counter. Else: latency in us,
    inferences a second, MACs by the tool's count, MAC utilisation."""
    latency = None if figures.latency_us is None else figures.latency_us.mean
    if figures.kind is Kind.MEASURED:
        return latency, figures.load_us, figures.npu_time_us, figures.npu_counter
    return latency, figures.throughput_fps, figures.tool_macs, figures.mac_utilisation


def _graph(row: Result) -> tuple[object, ...] | None:
    if row.macs is None:
        return None
    if row.case_kind is CaseKind.OPERATOR:
        return (row.macs,)
    if row.parameters is None and not row.operators:
        # A published count of MACs has three digits: fast_scnn and resnet18 share it.
        return None
    return row.macs, row.parameters, tuple(sorted(row.operators.items()))
