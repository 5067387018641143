"""`npubench convert --cut auto`: converts with surgery and says how many cases that helped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from npubench.cli.prepare_all import Wish, prepare_all
from npubench.domain.records import FailureClass, Stage
from npubench.domain.text import printable
from npubench.engine.plan import Job
from npubench.storage import ledger
from npubench.storage.ledger import Conversion
from npubench.storage.workspace import writing

if TYPE_CHECKING:
    from npubench.catalog import Catalog, Found
    from npubench.engine.context import Context, Prepared
    from npubench.graph.surgery.state import OutputComparison, Part, Surgery


def convert_with_cuts(chosen: "Found", catalog: "Catalog", wish: Wish) -> int:
    """Convert every case with surgery, tell what was cut, and count; the exit code."""
    from npubench.engine import unblock

    outcomes: dict[str, Conversion] = {}

    def step(job: Job, context: "Context") -> "Prepared":
        prepared = unblock.prepare(job, context)
        outcomes[job.key] = _noted(prepared, context)
        return prepared

    def finish(prepared: "Prepared", context: "Context") -> "Prepared":
        finished = unblock.measure_parts(prepared, context)
        outcomes[prepared.job.key] = _noted(finished, context)
        if finished.failure is None:
            _tell(unblock.record_of(finished))
        return finished

    code = prepare_all(chosen, catalog, wish, step, finish)
    for line in counts(list(outcomes.values())):
        click.echo(line)
    return code


def counts(outcomes: Sequence[Conversion]) -> list[str]:
    """For every backend and board: how many convert without `--cut auto`, and how many with it."""
    lines = []
    for backend, board in sorted({(one.backend, one.board) for one in outcomes}):
        here = [one for one in outcomes if (one.backend, one.board) == (backend, board)]
        with_cut = sum(not one.with_cut for one in here)
        without = sum(not one.as_is for one in here)
        lines.append(
            f"{backend} on {board}: of {len(here)}, {without} convert without --cut auto, {with_cut} with it"
        )
    return lines


def _noted(prepared: "Prepared", context: "Context") -> Conversion:
    """What became of a case, kept for `npubench coverage` where the toolchain had its say."""
    found, failure = _conversion(prepared), prepared.failure
    if failure is None or (
        failure.stage is Stage.COMPILE and failure.failure_class is not FailureClass.TOOL_MISSING
    ):
        with writing(context.workspace.root):
            ledger.note(context.workspace.root, found)
    return found


def _conversion(prepared: "Prepared") -> Conversion:
    from npubench.engine import unblock

    job, failure = prepared.job, prepared.failure
    asked = (job.case.name, job.board.backend, job.board.name, str(job.precision))
    if failure is not None:
        return Conversion(*asked, str(failure.failure_class), str(failure.failure_class), failure.operators)
    if not prepared.files:
        return Conversion(*asked, "", "")
    record = unblock.record_of(prepared)
    rewrites = tuple(one.name for one in record.rewrites)
    joined = (_lowest(record.joined_fp32), _lowest(record.joined_target or ()))
    return Conversion(*asked, str(record.as_is.failure_class), "", record.lacking, rewrites, *joined)


def _tell(record: "Surgery") -> None:
    done = [f"{one.name} ({one.nodes})" for one in record.rewrites]
    if record.lacking:
        done.append(f"{', '.join(record.lacking)} cut off")
    text = f"{record.case} [{record.precision}] on {record.board}: {'; '.join(done)}"
    for name, part in (("head", record.head), ("tail", record.tail)):
        if part is not None:
            text += f"; {name} {_time(part)}"
    text += f"; joined in FP32: {_worst(record.joined_fp32)}"
    if record.joined_target is not None:
        text += f"; with the body by {record.backend}: {_worst(record.joined_target)}"
    click.echo(printable(text))


def _time(part: "Part") -> str:
    if part.figures is None or part.figures.latency_us is None:
        return "not measured"
    return f"{part.figures.latency_us.mean:.1f} us on this CPU (measured)"


def _lowest(outputs: "Sequence[OutputComparison]") -> float | None:
    return min((one.cosine for one in outputs if one.cosine is not None), default=None)


def _worst(outputs: "Sequence[OutputComparison]") -> str:
    lowest = _lowest(outputs)
    equal = [one.equal for one in outputs if one.cosine is None and one.equal is not None]
    told = [] if lowest is None else [f"cosine {lowest:.5f}"]
    # Of whole numbers there is no cosine that means anything.
    told += [f"{min(equal):.1%} of the indices equal"] if equal else []
    return ", ".join(told) or "nothing to compare"
