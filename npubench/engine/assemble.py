"""From what is asked to a plan: the catalogue, its cases and boards, and what is done already."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.protocols import Checking, Locating, OpenHost, Session
from npubench.domain.specs import (
    SIMULATION,
    BatchAxes,
    CaseKind,
    CaseSpec,
    FileSpec,
    ModelSpec,
    OperatorSpec,
    Precision,
    SamplesFrom,
    case_kind,
)
from npubench.domain.text import did_you_mean, path_meant
from npubench.engine import plugins
from npubench.engine.plan import (
    CaseOptions,
    Job,
    Plan,
    PlannedBoard,
    Request,
    RunOptions,
    benchmark_job,
    build,
)
from npubench.engine.session import InputRefused, Listener, unheard
from npubench.graph.check import near_input, shown
from npubench.measure.statistics import OPTION
from npubench.storage.store import Store

if TYPE_CHECKING:
    from npubench.catalog import Catalog, Found
    from npubench.domain.specs import CalibrationSpec


STAGES_OF_CASES = {"ops": CaseKind.OPERATOR, "models": CaseKind.MODEL}


def plan_run(options: RunOptions, announce: Listener = unheard, reached: bool = True) -> Plan:
    """The plan for what is asked; what cannot be used is announced and left out.

    `reached` says that boards will be connected to. Raises UsageError or CatalogError where nothing is left.
    """
    catalog = load_catalog(options.selection.catalog_folders, announce)
    kinds, benchmarks = parse_stages(options.stages)
    found = _cases(catalog, options.selection, kinds, announce)
    boards = choose_boards(catalog, options, announce, reached)
    request = _with_digest(options)
    finished = {} if options.fresh else _finished_keys(options.out, options.deadline_s)
    plan = _crossed(found.cases, boards, options.precisions, request, finished)
    jobs = list(plan.jobs)
    for board, name in product(boards.values(), benchmarks):
        benchmark = plugins.benchmark(name)
        for case in benchmark.cases(board.spec, options.benchmark_options.get(name, {})):
            jobs.append(benchmark_job(board.spec, case, benchmark.tools(case), finished))
    if not jobs:
        have = "; ".join(f"{b.spec.name}: {', '.join(b.spec.precisions)}" for b in boards.values())
        raise UsageError(f"nothing to run: no case, or no board has that --precision ({have})")
    refused = len(set(options.boards)) - len(boards) + len(catalog.problems) + len(found.missing)
    return replace(plan, jobs=tuple(jobs), boards=boards, refused=refused)


def plan_again(plan: Plan, jobs: Sequence[Job], calibration: "CalibrationSpec") -> Plan:
    """The same jobs of one case with other calibration data, so with other keys; nothing of it is done."""
    request = _with_digest(replace(plan.request, calibration=calibration))
    case, precisions = jobs[0].case, tuple(dict.fromkeys(job.precision for job in jobs))
    return replace(plan, jobs=_crossed([case], plan.boards, precisions, request, {}).jobs, request=request)


def load_catalog(folders: Sequence[Path], announce: Listener = unheard) -> "Catalog":
    """The shipped catalogue with the user's; broken files are announced and left out."""
    from npubench.catalog import load, user_folders

    catalog = load(user_folders(tuple(folders)))
    for problem in catalog.problems:
        announce(InputRefused(problem))
    return catalog


def _cases(
    catalog: "Catalog", selection: CaseOptions, kinds: Collection[CaseKind], announce: Listener
) -> "Found":
    """The cases that are named, of these kinds; a word that names nothing is announced.

    Raises UsageError where none names anything, and when cases are named that no stage is for.
    """
    from npubench.catalog import Found, find_cases
    from npubench.exporters.input_shapes import parse_shape_option, spread_shapes

    if not kinds and (named := [*selection.cases, *selection.suites]):
        raise UsageError(f"{named[0]!r:.80} is named, but --stages has neither ops nor models: add one")
    if not kinds:
        return Found(())
    shapes = tuple(parse_shape_option(text) for text in selection.shapes)
    batch = parse_batch_axes(selection.batch_axes)
    found = find_cases(catalog, selection.cases, selection.suites, shapes, selection.task)
    for line in found.missing if found.cases else found.missing[:-1]:
        announce(InputRefused(line))
    if found.missing and not found.cases:
        raise UsageError(found.missing[-1])
    seeded = with_seed(with_batch_axes(spread_shapes(found.cases), batch), selection.seed)
    cases = with_checkpoints(seeded, selection.checkpoints, catalog)
    return replace(found, cases=tuple(case for case in cases if case_kind(case) in kinds))


def choose_boards(
    catalog: "Catalog", options: RunOptions, announce: Listener = unheard, reached: bool = False
) -> Mapping[str, PlannedBoard]:
    """The boards that are named; an unknown one, or one whose options are wrong, is announced and left out.

    Raises CatalogError or UsageError when there is no other.
    """
    boards: dict[str, PlannedBoard] = {}
    names = tuple(dict.fromkeys(options.boards))
    for name in names:
        try:
            board = _board(catalog, name, options.simulate, reached)
            boards[board.spec.name] = board
        except UsageError as error:
            if not boards and name == names[-1]:
                raise
            announce(InputRefused(str(error)))
    return boards


def host_opener(catalog: "Catalog") -> OpenHost:
    """Opens sessions on build hosts, which are described as boards are."""
    from npubench.catalog import find_board

    def open_host(name: str) -> Session:
        host = find_board(catalog, name)
        return plugins.transport(host.transport).connect(host)

    return open_host


def _board(catalog: "Catalog", name: str, simulate: bool, reached: bool) -> PlannedBoard:
    from npubench.catalog import find_board

    found = find_board(catalog, name)
    if name in catalog.broken_boards:
        raise UsageError(f"board {name} is not run without what its file says: correct that file")
    board = replace(found, transport=SIMULATION, shares_host=False) if simulate else found
    backend = plugins.backend_of(board, host_opener(catalog))
    if isinstance(backend, Checking):
        backend.check(board.chip)
    if reached and not board.simulated:
        transport = plugins.transport(board.transport)
        if isinstance(transport, Locating):
            transport.check(board)
    return PlannedBoard(board, backend, backend.probe())


def _with_digest(request: Request) -> Request:
    """What decides the figures. Raises UsageError when the calibration data cannot be read."""
    from npubench.measure.calibration import calibration_digest

    return replace(request, calibration_digest=calibration_digest(request.calibration))


def _crossed(
    cases: Sequence[CaseSpec],
    boards: Mapping[str, PlannedBoard],
    precisions: Sequence[str],
    request: Request,
    finished: Mapping[str, str],
) -> Plan:
    """Cases on boards, with exporter versions looked up."""
    versioned = [(case, plugins.exporter(case).version(case)) for case in cases]
    known = [(board.spec, board.tool) for board in boards.values()]
    for one in precisions:
        if one not in {*Precision}:
            raise UsageError(f"no precision is called {one!r}: name some of {', '.join(Precision)}")
    return build(versioned, known, [Precision(one) for one in precisions], request, finished)


def _finished_keys(out: Path, deadline_s: float) -> Mapping[str, str]:
    """What has a final row at `out` already; nothing where there are no results."""
    if not (out / "results.db").is_file():
        return {}
    with Store.read(out / "results.db") as store:
        return store.final_keys(deadline_s)


def parse_stages(text: str) -> tuple[Collection[CaseKind], Sequence[str]]:
    """Kinds of catalogue cases, and names of board benchmarks, that a comma-separated list names.

    Raises UsageError for a stage that there is not.
    """
    known = [*STAGES_OF_CASES, *plugins.names(plugins.BENCHMARKS)]
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in known:
            hint = did_you_mean(word, known)
            raise UsageError(f"--stages {word!r:.80}: no such stage{hint}: name some of {','.join(known)}")
    if not words:
        raise UsageError(f"--stages names none: name some of {','.join(known)}")
    kinds = {STAGES_OF_CASES[word] for word in words if word in STAGES_OF_CASES}
    return kinds, [word for word in dict.fromkeys(words) if word not in STAGES_OF_CASES]


WITHOUT_FILE = ("random", "auto")
"""Weights that are no file: seeded ones, and those that OpenMMLab offers for download."""


def with_seed(cases: Sequence[CaseSpec], seed: int) -> tuple[CaseSpec, ...]:
    """Cases with seeded weights moved by `seed`; 0 leaves the catalogue's own."""
    return tuple(
        replace(case, seed=case.seed + seed) if isinstance(case, (ModelSpec, OperatorSpec)) else case
        for case in cases
    )


def with_checkpoints(
    cases: Sequence[CaseSpec], checkpoints: Sequence[str], catalog: "Catalog"
) -> tuple[CaseSpec, ...]:
    """Models with weights given as CASE=FILE or CASE=auto. Raises UsageError for what fits no case."""
    given: dict[str, str] = {}
    for text in checkpoints:
        name, separator, file = text.partition("=")
        if not separator or not (file in WITHOUT_FILE or Path(file).is_file()):
            told = f"--checkpoint {text}: no such file{path_meant(Path(file)) if separator else ''}"
            raise UsageError(f"{told}: give CASE=FILE, such as resnet18=resnet18.pth, or CASE=auto")
        weights = file if file in WITHOUT_FILE else str(Path(file).resolve())
        given[catalog.aliases.get(name, name)] = weights
    models = {case.name for case in cases if isinstance(case, ModelSpec)}
    if unknown := sorted(set(given) - models):
        near = [alias for alias, name in catalog.aliases.items() if name in models]
        told = f"not a model of this run{did_you_mean(unknown[0], [*models, *near])}"
        raise UsageError(f"--checkpoint {unknown[0]}: {told}: name the model as a case, too")
    return tuple(
        replace(case, weights=given.get(case.name, case.weights)) if isinstance(case, ModelSpec) else case
        for case in cases
    )


NONE = "none"
_AXIS = re.compile(r"-?[0-9]{1,3}")


def parse_batch_axes(texts: Sequence[str]) -> BatchAxes | None:
    """`NAME=AXIS`, `AXIS`, `NAME=none` and `none` as one declaration; None without any. Raises UsageError."""
    given: dict[str, int | None] = {}
    for text in texts:
        name, separator, axis = text.rpartition("=")
        if not (axis == NONE or _AXIS.fullmatch(axis)) or (separator and not name):
            told = f"{OPTION} {shown(text)}: no axis"
            raise UsageError(f"{told}: give AXIS, NAME=AXIS or none, such as images=0")
        place = None if axis == NONE else int(axis)
        if given.setdefault(name, place) != place:
            raise UsageError(f"{OPTION} {shown(text)}: given differently before: give one of them")
    if "" in given and given[""] is None and len(given) > 1:
        raise UsageError(f"{OPTION} none goes alone: it says that no input holds more than one sample")
    return BatchAxes(tuple(given.items()), SamplesFrom.OPTION) if given else None


def with_batch_axes(cases: Sequence[CaseSpec], batch: BatchAxes | None) -> tuple[CaseSpec, ...]:
    """Every case with what is said of inputs that it has; a name that no case has is refused."""
    if batch is None:
        return tuple(cases)
    known: dict[str, int] = {}
    found, unread = list[CaseSpec](), False
    for case in cases:
        inputs = dict(_inputs(case))
        unread = unread or not inputs
        known |= inputs
        own = tuple((name, axis) for name, axis in batch.axes if not name or not inputs or name in inputs)
        for name, axis in own:
            _check(case, name, axis, inputs)
        if own and isinstance(case, (OperatorSpec, ModelSpec, FileSpec)):
            found.append(replace(case, batch=replace(batch, axes=own)))
        else:
            found.append(case)
    for name, _ in batch.axes:
        if name and known and not unread and name not in known:
            hint = near_input(name, known, f"there are {', '.join(sorted(known))}")
            raise UsageError(f"{OPTION} {shown(name)}: no input of that name: {hint}")
    return tuple(found)


def _check(case: CaseSpec, name: str, axis: int | None, inputs: dict[str, int]) -> None:
    """A named input must have the axis; of a file that leaves its rank open the run will tell."""
    rank = inputs.get(name, -1)
    if axis is not None and rank >= 0 and not -rank <= axis < rank:
        told = f"'{shown(name)}' of {shown(case.name)} has {rank} dimensions"
        raise UsageError(f"{OPTION} {shown(name)}={axis}: {told}: give one of 0 to {rank - 1}")


def _inputs(case: CaseSpec) -> Iterator[tuple[str, int]]:
    """Names of inputs with their ranks, -1 unknown; nothing where only an export tells them."""
    if isinstance(case, (OperatorSpec, ModelSpec)):
        yield from ((tensor.name, len(tensor.shape)) for tensor in case.inputs)
    elif isinstance(case, FileSpec):
        yield from _inputs_of_file(case.path)


def _inputs_of_file(path: Path) -> Iterator[tuple[str, int]]:
    from npubench.domain.records import Failure
    from npubench.graph.check import not_a_model
    from npubench.graph.read import load
    from npubench.graph.walk import dimensions, has_rank, true_inputs

    # What cannot be read becomes a row of its own later.
    if not_a_model(path):
        return
    try:
        model = load(path)
    except OSError:
        return
    if not isinstance(model, Failure):
        for value in true_inputs(model.graph):
            yield value.name, len(dimensions(value)) if has_rank(value) else -1
