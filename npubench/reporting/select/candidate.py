"""A candidate is one board with one kind of figures, and for each model that is asked the row that speaks.

Kinds never mix: a board with measured and simulated rows is two candidates.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from npubench.domain.figures import Accuracy, Bound, Bounds, Figures, Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import BoardSpec, CaseKind, Fact, Precision, Shape
from npubench.reporting.data.accuracy import WRONG
from npubench.reporting.data.figures import bounds_of, figures_of, published_simulation
from npubench.reporting.data.op_support import WITHOUT_VERDICT
from npubench.reporting.data.translate import translate
from npubench.reporting.select.requirements import ModelNeed

Shapes = Mapping[str, Sequence[Shape]]
"""Case name to declared input shapes, for rows that do not say theirs."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One board and one kind."""

    board: str  # name
    chip: str  # name
    backend: str  # name
    kind: Kind | None  # of its figures; None: no row of it has any
    origin: Kind | None  # simulated: by the publisher's own compiler
    rows: tuple[Result, ...]  # all of that board and backend, and those of its processor and codecs
    facts: Mapping[str, Fact]  # of its chip, by field


@dataclass(frozen=True, slots=True)
class SelectedResult:
    """The row that speaks for a model; one whose time is only a lower bound where there is no other."""

    result: Result  # the row
    figures: Figures  # its figures of the candidate's kind
    time_us: float  # NPU time of one inference
    share: float  # of the NPU that they are of; 1.0: the whole

    @property
    def at_least(self) -> Bounds | None:
        """What the time leaves out; such a time may fail a requirement, and passes none."""
        bounds = bounds_of(self.figures)
        return bounds if bounds and bounds.bound is Bound.LOWER else None


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a model has no time."""

    why: str  # one sentence
    failed: Result | None = None  # a row that is known not to run
    ran: Result | None = None  # a row of which only the time is missing


def candidates(
    results: Sequence[Result], boards: Sequence[BoardSpec], known: Sequence[BoardSpec]
) -> list[Candidate]:
    """Boards with rows, one candidate a kind of models' figures; those of `boards` without rows follow.

    Facts come from `known`. Times of emulated boards are no performance, so they are left out.
    """
    groups: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    of_board: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.case_kind in (CaseKind.MODEL, CaseKind.OPERATOR):
            groups[result.board, result.backend].append(result)
        else:
            # A tool of its own measures codecs and processor: that holds of the board with any backend.
            of_board[result.board].append(result)
    for board in of_board.keys() - {board for board, _ in groups}:
        groups[board, of_board[board][0].backend] = []
    found = []
    for (board, backend), own in sorted(groups.items()):
        rows = (*own, *of_board.get(board, ()))
        facts = facts_of_board(board, rows[0].chip, known)
        for kind, origin in [*_kinds(own)] or [(None, None)]:
            found.append(Candidate(board, rows[0].chip, backend, kind, origin, rows, facts))
    with_rows = {board for board, _ in groups}
    return found + [
        Candidate(one.name, one.chip, one.backend, None, None, (), {fact.field: fact for fact in one.facts})
        for one in boards
        if one.name not in with_rows
    ]


def _kinds(rows: Sequence[Result]) -> Iterator[tuple[Kind | None, Kind | None]]:
    for kind, origin in (*((kind, None) for kind in Kind), (Kind.PUBLISHED, Kind.SIMULATED)):
        counted = (r for r in rows if not (r.emulated and kind is Kind.MEASURED))
        if any(_time_us(figures) for r in counted if (figures := _figures(r, kind, origin))):
            yield kind, origin


def _figures(row: Result, kind: Kind, origin: Kind | None) -> Figures | None:
    if origin is None:
        return figures_of(row, kind)
    return published_simulation(row) if row.status is Status.OK else None


def facts_of_board(name: str, chip: str, boards: Sequence[BoardSpec]) -> Mapping[str, Fact]:
    """Facts of the board of that name, else of the first with that chip."""
    fitting = [one for one in boards if one.name == name or one.chip.lower() == chip.lower()]
    fitting.sort(key=lambda one: one.name != name)
    return next(({fact.field: fact for fact in one.facts} for one in fitting if one.facts), {})


def choose(need: ModelNeed, candidate: Candidate, shapes: Shapes) -> SelectedResult | Missing:
    """The fastest row that is accurate enough, else the fastest, of the first name that has rows."""
    for name in need.names:
        rows = _rows_named(name, candidate)
        if not rows:
            continue
        fitting = [row for row in rows if _fits(row, need, shapes)]
        timed = [found for row in fitting if (found := _chosen(row, candidate))]
        if timed:
            exact = [one for one in timed if is_accurate(one.result, need)]
            return min(exact or timed, key=lambda one: (one.at_least is not None, one.time_us * one.share))
        return _missing(rows, fitting, need, candidate)
    return Missing(translate("no row of {name}", name=" / ".join(need.names)))


def _rows_named(name: str, candidate: Candidate) -> list[Result]:
    """Rows of that name; else, of a file's, those of its stem, which is what its case is called."""
    stem = PurePath(name).stem if name.endswith(".onnx") else name
    for asked in dict.fromkeys((_plain(name), _plain(stem))):
        if rows := [row for row in candidate.rows if asked in _names(row)]:
            return rows
    return []


def _names(row: Result) -> tuple[str, str]:
    return _plain(row.case), _plain(str(row.protocol.get("same_network", "")))


def _plain(name: str) -> str:
    """Tables of one vendor write `yolox-s` and `YOLOX_s`."""
    return name.casefold().replace("_", "-")


def _missing(
    rows: Sequence[Result], fitting: Sequence[Result], need: ModelNeed, candidate: Candidate
) -> Missing:
    for row in rows if not any(row.status is Status.OK for row in rows) else ():
        if row.failure and row.failure.failure_class not in WITHOUT_VERDICT:
            return Missing(f"{need.role}: {row.failure.failure_class}: {row.failure.message}", row)
    if not fitting and need.input_size:
        wide, high = need.input_size
        return Missing(
            translate("{name} has no figure at {wide}x{high}", name=rows[0].case, wide=wide, high=high)
        )
    kind = translate(candidate.kind.value) if candidate.kind else translate("any")
    ran = next((row for row in fitting if row.status is Status.OK), None)
    return Missing(translate("{name} has no figure that is {kind}", name=rows[0].case, kind=kind), ran=ran)


def _chosen(row: Result, candidate: Candidate) -> SelectedResult | None:
    figures = _figures(row, candidate.kind, candidate.origin) if candidate.kind else None
    if figures is None or (time_us := _time_us(figures)) is None:
        return None
    return SelectedResult(row, figures, time_us, share_of_npu(figures, candidate.facts))


def _time_us(figures: Figures) -> float | None:
    """NPU time of one inference: the inverse of the throughput, else the mean latency."""
    if figures.throughput_fps and figures.throughput_fps > 0:
        return 1e6 / figures.throughput_fps
    mean = figures.latency_us.mean if figures.latency_us else 0.0
    return mean if mean > 0 else None


def share_of_npu(figures: Figures, facts: Mapping[str, Fact]) -> float:
    """Part of the NPU that figures are of: a half in the 1_1 modes, n cores of how many the chip has."""
    bounds = bounds_of(figures)
    if bounds is not None and bounds.share is not None:
        return bounds.share
    part, all_cores = figures.npu, facts.get("npu_cores")
    cores = part.cores if part is not None and part.mode and not part.halved else None
    if cores and all_cores and all_cores.value.isdigit() and cores < int(all_cores.value):
        return cores / int(all_cores.value)
    return 1.0


def accuracy_of(row: Result) -> tuple[Accuracy, Kind] | None:
    """Accuracy with the kind of its own: a row's outputs may come of a simulation, its times of a board."""
    return next(((one.accuracy, one.kind) for one in row.all_figures if one.accuracy is not None), None)


def accuracy_value(row: Result, metric: str) -> float | None:
    """The figure of that metric; an FP32 row is its own reference, whose cosine and agreement are 1.

    Outputs that are one number throughout where FP32's differ are worth 0.
    """
    found = accuracy_of(row)
    value: float | None = getattr(found[0], metric) if found else None
    if metric not in {"cosine", "top1_agreement"}:
        return value
    if any(figures.no_accuracy in WRONG for figures in row.all_figures):
        return 0.0
    return 1.0 if value is None and row.precision is Precision.FP32 else value


def is_accurate(row: Result, need: ModelNeed) -> bool:
    """Whether a row is known to be accurate enough."""
    if need.minimum is None:
        return True
    value = accuracy_value(row, need.metric)
    return value is not None and value >= need.minimum


def _fits(row: Result, need: ModelNeed, shapes: Shapes) -> bool:
    """Whether a row's input, else the declared one of its name, is of the size that is asked."""
    if need.input_size is None:
        return True
    wide, high = need.input_size
    names = (row.case, str(row.protocol.get("same_network", "")))
    dims = [tensor.shape for tensor in row.inputs] or [
        shape for one in names for shape in shapes.get(one, ())
    ]
    published = str(row.protocol.get("input", ""))
    if not dims and published.isascii() and published.isdigit():
        dims = [(int(published), int(published))]
    return any((high, wide) in pairwise(shape) for shape in dims)
