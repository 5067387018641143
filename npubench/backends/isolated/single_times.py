"""Measuring by a vendor's bench tool that prints the time of every single inference."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from npubench.backends.options import text
from npubench.backends.signature import EXACT, Signature, Tolerance, ran_another
from npubench.domain.figures import Figures, Kind, NoAccuracy
from npubench.domain.notes import Note, NoteCode
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Failure
from npubench.domain.specs import Options, TimingProtocol
from npubench.measure.statistics import latency
from npubench.tools.board_runner import (
    explain_memory,
    find_tool,
    inside,
    run_rounds,
    temporary_directory,
    upload_verified,
)
from npubench.tools.process import classify_run

MOST_LOOPS = 10_000
"""Of one call: more lines than that would not fit into the output that a session keeps."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: the time of every inference in us, in order; whatever else it told.

    `memory_bytes` is what the model takes on the board, `tools` the versions that only the board knows.
    """

    samples_us: tuple[float, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    memory_bytes: int | None = None
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BenchTool:
    """A bench tool, found by its name unless `backend_options.<name>` gives a path.

    `argv` makes the arguments for an artifact and a count, `parse` reads what was printed when so
    many were asked for, `own_warmup` is what it runs unasked before it counts. `tensors` reads the inputs and
    outputs that it lists of the model it runs, which may differ from the model's in what `tolerance` says.
    """

    name: str
    own_warmup: int
    argv: Callable[[str, int], list[str]]
    parse: Callable[[str, int], Call | Failure]
    tensors: Callable[[str], Signature] = lambda _: Signature()
    tolerance: Tolerance = EXACT


def measure_single_times(
    tool: BenchTool, options: Options, artifact: Artifact, session: Session, timing: TimingProtocol,
    deadline_s: float, log: Path,
) -> Figures | Failure:  # fmt: skip
    """A call of the tool a round, on the file whose hash the board told. Raises BoardError, UsageError."""
    path = find_tool([text(options, tool.name, tool.name)], tool.name, session, log)
    if isinstance(path, Failure):
        return path
    uploaded = upload_verified(artifact, (), session, log)
    if isinstance(uploaded, Failure):
        return uploaded
    warmup = max(0, timing.warmup - tool.own_warmup)
    with temporary_directory(session, log) as folder:

        def call(repeat: int, left_s: float) -> tuple[Call, int] | Failure:
            loops = min(MOST_LOOPS, warmup + repeat)
            argv = inside(folder, [path, *tool.argv(str(uploaded[0]), loops)])
            done = session.run(argv, left_s, log)
            found = classify_run(tool.name, done, explain_memory) or tool.parse(done.output, loops)
            if isinstance(found, Failure):
                return explain_memory(tool.name, done.output) or found
            model, listed = artifact.onnx, tool.tensors(done.output)
            other = ran_another(tool.name, model, listed, tool.tolerance)
            return other or (found, loops)

        rounds = run_rounds(
            tool.name, call, lambda one: statistics.fmean(one[0].samples_us), timing, deadline_s
        )
    if isinstance(rounds, Failure):
        return rounds
    # Without the first runs, where every run that was asked for is listed.
    calls = [
        replace(one, samples_us=one.samples_us[warmup:]) if len(one.samples_us) == loops > warmup else one
        for one, loops in rounds
    ]
    figures = figures_of(tool.name, calls, artifact.sha256)
    warmup = max(tool.own_warmup, timing.warmup)
    return replace(figures, details={**figures.details, "bench_tool": path, "warmup_per_call": warmup})


def figures_of(name: str, calls: Sequence[Call], artifact_sha256: str | None) -> Figures:
    """Calls of a tool as one figure."""
    rounds = tuple(call.samples_us for call in calls)
    memory = [call.memory_bytes for call in calls if call.memory_bytes is not None]
    return Figures(
        kind=Kind.MEASURED,
        latency_us=latency(rounds),
        artifact_sha256=artifact_sha256,
        no_accuracy=NoAccuracy.NO_OUTPUTS,
        no_accuracy_why=Note(NoteCode.NO_OUTPUTS, {"tool": name}),
        samples_us=rounds,
        memory_bytes=max(memory) if memory else None,
        tools={name: version for call in calls for name, version in call.tools.items()},
        statistic=f"single times as {name} prints them",
        details={
            "runs_per_call": [len(one) for one in rounds],
            "calls": [dict(call.details) for call in calls],
        },
    )
