"""`--stages`: which kinds of cases a run is about, models and operators or a board's own benchmarks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from npubench.cli.options import Selection, chosen_cases
from npubench.domain.errors import UsageError
from npubench.domain.nearest import did_you_mean
from npubench.domain.specs import BenchmarkSpec, CaseKind, Options, case_kind

if TYPE_CHECKING:
    from npubench.catalog import Catalog, Found
    from npubench.cli.assemble import Boards
    from npubench.engine.plan import Job

OF_MODELS = {"ops": CaseKind.OPERATOR, "models": CaseKind.MODEL}
DEFAULT = "ops,models"


@dataclass(frozen=True, slots=True)
class Stages:
    """What was asked: kinds of catalogue cases, and board benchmarks by name."""

    kinds: frozenset[CaseKind]
    benchmarks: tuple[str, ...]


def parse(text: str) -> Stages:
    """Stages of a comma-separated list. Raises UsageError for one that there is not."""
    from npubench.engine import plugins

    known = [*OF_MODELS, *plugins.names(plugins.BENCHMARKS)]
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in known:
            hint = did_you_mean(word, known)
            raise UsageError(f"--stages {word!r:.80}: no such stage{hint}: name some of {','.join(known)}")
    if not words:
        raise UsageError(f"--stages names none: name some of {','.join(known)}")
    kinds = frozenset(OF_MODELS[word] for word in words if word in OF_MODELS)
    return Stages(kinds, tuple(dict.fromkeys(word for word in words if word not in OF_MODELS)))


def cases_of(stages: Stages, catalog: "Catalog", selection: Selection) -> "Found":
    """The cases of the catalogue that these stages are about; none without `ops` and `models`.

    Raises UsageError when cases are named that no stage is for.
    """
    from npubench.catalog import Found

    if not stages.kinds:
        named = [*selection.cases, *selection.suites]
        if named:
            raise UsageError(f"{named[0]!r:.80} is named, but --stages has neither ops nor models: add one")
        return Found(())
    chosen = chosen_cases(catalog, selection)
    return replace(chosen, cases=tuple(one for one in chosen.cases if case_kind(one) in stages.kinds))


def benchmark_jobs(
    stages: Stages, boards: "Boards", options: Mapping[str, Options], finished: Mapping[str, str]
) -> "tuple[Job, ...]":
    """Jobs of the board benchmarks, board by board; `options` of the command line by benchmark."""
    from npubench.engine import plan, plugins

    found: list[tuple[object, ...]] = []
    for board, _ in boards.known:
        for name in stages.benchmarks:
            benchmark = plugins.benchmark(name)
            cases: Sequence[BenchmarkSpec] = benchmark.cases(board, options.get(name, {}))
            found += [(board, case, benchmark.tools(case)) for case in cases]
    return plan.benchmark_jobs(found, finished)  # type: ignore[arg-type]
