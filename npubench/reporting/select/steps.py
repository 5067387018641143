"""What would settle an unknown: a command that runs as printed, or a fact as lines of a file.

A model without a time is run on the chip's board or in its vendor's simulator; of a chip without a board of
the catalogue a row of a table of one's own tells it. A fact of the board is told in the requirements.
"""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from npubench.published.chips import where_to_look
from npubench.reporting.data.translate import translate
from npubench.reporting.select.board_checks import memory_taken
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Check, Job, Outcome, Step
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.requirements import Requirements
from npubench.reporting.select.times import accuracy_value

SIMULATORS = frozenset({"rknn", "tpu-mlir", "ethos-u", "pulsar2"})
"""Backends whose tools simulate a model's time without a board."""

_FACTS = {
    "decode": ("the rate of its decoder", 'decode = "{codec} 4K60"'),
    "memory": ("its memory", 'memory = "4 GB"'),
    "price": ("its price", "price_usd = 100"),
    "power": ("its power", "power_w = 5"),
}
"""What a check lacks, and how the requirements tell it; the figures are examples."""

WHAT = tuple(what for what, _ in _FACTS.values())
OF_TIMES = ("npu_time", "latency", "operators", "accuracy")


def steps_of(
    check: Check, jobs: Sequence[Job], candidate: Candidate, asked: Requirements, beyond: Beyond
) -> tuple[Step, ...]:
    """What would settle a check, the first first; nothing of one that is decided."""
    if check.outcome is not Outcome.UNKNOWN:
        return ()
    if check.name in OF_TIMES:
        # No table tells an accuracy; a vendor's simulator does.
        by_run = check.name == "accuracy" and not candidate.specs
        found = [
            run_step(job, candidate, beyond, by_run or _measured(check, job)) for job in _open(check, jobs)
        ]
    elif check.name == "memory" and any(memory_taken(job) is None for job in jobs) and check.have != "–":
        found = [run_step(job, candidate, beyond, False) for job in jobs if memory_taken(job) is None]
    else:
        found = [fact_step(check, candidate, asked)]
    return tuple(dict.fromkeys(found))


def _open(check: Check, jobs: Sequence[Job]) -> Iterator[Job]:
    """The models that leave a check open: those without a figure, else those whose figure is not sure."""
    if check.name == "accuracy":
        asked = [job for job in jobs if job.need.minimum is not None]
        # A row of another precision has one: then it is this precision that was never compared.
        yield from [job for job in asked if _uncompared(job)] or asked
        return
    without = [job for job in jobs if job.time is None or job.time.at_least]
    unsure = [
        job for job in jobs if job.time and (job.time.sigma or job.time.least < 1 or not job.time.latency)
    ]
    yield from without or unsure or jobs


def _uncompared(job: Job) -> bool:
    rows = [row for row in (job.row, *job.found.rows) if row]
    return all(accuracy_value(row, job.need.metric) is None for row in rows)


def _measured(check: Check, job: Job) -> bool:
    """Whether only a board can tell: a bound, a band or a percentile is no matter of a simulation."""
    return job.time is not None and check.name in ("npu_time", "latency")


def run_step(job: Job, candidate: Candidate, beyond: Beyond, measured: bool) -> Step:
    """The run that gives a model's time on a chip, or the row that does where no board file carries it."""
    name = next((one for one in job.need.names if beyond.runs(one)), "")
    model = name or job.need.file or f"{PurePath(job.need.names[0]).stem}.onnx"
    size = job.need.input_size
    if not candidate.specs and measured:
        what = translate(
            "no board file carries {chip}: write one (docs/boards.md) and run {model} on it",
            chip=candidate.chip,
            model=model,
        )
        return Step(what, brief=translate("a run of {model}", model=model))
    if not candidate.specs:
        told = (candidate.chip, "", job.need.names[0], f"{size[1]}x{size[0]}" if size else "", "int8")
        line = ",".join((*told, "latency", "...", "ms", "..."))
        what = translate(
            "no board file carries {chip}: give a row of {model} in a table of your own (docs/atlas.md)",
            chip=candidate.chip,
            model=job.need.names[0],
        )
        return Step(what, fact=f"{_HEAD}\n{line}", brief=translate("a row of {model}", model=told[2]))
    spec = candidate.specs[0]
    simulated = not measured and spec.backend in SIMULATORS
    command = ["npubench", "run", model, "--board", spec.name, *(["--simulate"] if simulated else [])]
    words = {"model": model, "board": spec.name, "how": f" ({translate('simulated')})" if simulated else ""}
    if name or job.need.file:
        what = translate("run {model} on {board}{how}; then select --with npubench-out", **words)
    else:
        what = translate(
            "with the network as {model} here, on {board}{how}; then select --with npubench-out", **words
        )
    return Step(what, shlex.join(command), brief=shlex.join(command))


_HEAD = "chip,mode,model,input,precision,metric,value,unit,source"


def fact_step(check: Check, candidate: Candidate, asked: Requirements) -> Step:
    """The fact that a check lacks, as lines of the requirements, and where it is likely to be found."""
    what, line = _FACTS[check.name]
    codec = check.need.partition(":")[0]
    level = asked.limits.price_of if check.name == "price" else asked.limits.power_of
    of = f'\n{check.name}_of = "{level}"' if level and check.name in ("price", "power") else ""
    text = translate(
        "tell {what} in the requirements: {look}",
        what=translate(what),
        look=where_to_look(candidate.chip, check.name),
    )
    lines = ("[[chip]]", f'chip = "{candidate.chip}"', 'source = "..."', line.format(codec=codec) + of)
    return Step(text, fact="\n".join(lines), brief=translate(what))
