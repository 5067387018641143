"""A job of a board benchmark: nothing is exported or compiled, its files come from the benchmark itself."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.protocols import Session
from npubench.domain.records import Failure, Figures, Outcome, Result
from npubench.domain.specs import BenchmarkSpec
from npubench.engine.events import Note
from npubench.engine.plan import Job

if TYPE_CHECKING:
    from npubench.engine.context import Context


def prepare(job: Job, case: BenchmarkSpec, context: "Context", log: Path) -> Mapping[str, Path] | Failure:
    """What the benchmark has to make on this machine; one case after the other, since they share files."""
    with context.locks[f"benchmark {case.benchmark}"]:
        return context.benchmarks[case.benchmark].prepare(
            case, job.board, context.request.deadline_s, log, lambda text: context.announce(Note(text))
        )


def measure(
    case: BenchmarkSpec, files: Mapping[str, Path], session: Session, context: "Context", log: Path
) -> Outcome:
    """Measure on a board. Raises BoardError when the board is lost."""
    return context.benchmarks[case.benchmark].measure(case, files, session, context.request.deadline_s, log)


def provenance(base: Result, case: BenchmarkSpec, outcome: Outcome | None, context: "Context") -> Result:
    """The row with what decided its figures: the benchmark's tool and options, no calibration, no seed."""
    told = outcome.tools if isinstance(outcome, Figures) else {}
    return replace(
        base,
        backend=case.tool,
        tools={**context.benchmarks[case.benchmark].tools(case), **told},
        artifact_sha256=outcome.artifact_sha256 if isinstance(outcome, Figures) else None,
        protocol={"deadline_s": context.request.deadline_s, **case.options},
        seeds={},
    )
