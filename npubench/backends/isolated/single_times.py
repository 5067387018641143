"""Measuring by a vendor's bench tool that prints the time of every single inference."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from npubench.backends.options import text
from npubench.backends.signature import EXACT, Signature, Tolerance, ran_another
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Failure, FailureClass, Figures, Kind, NoAccuracy, Stage
from npubench.domain.specs import Options, TimingProtocol
from npubench.measure.statistics import latency
from npubench.tools.board_runner import bring, failed_run, find_tool, folder_on, inside, without_memory

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
    end = time.monotonic() + deadline_s
    path = find_tool([text(options, tool.name, tool.name)], tool.name, session, log)
    if isinstance(path, Failure):
        return path
    brought = bring(artifact, (), session, log)
    if isinstance(brought, Failure):
        return brought
    calls: list[Call] = []
    with folder_on(session, log) as folder:
        warmup, repeat = max(0, timing.warmup - tool.own_warmup), timing.repeat
        for _ in range(max(1, timing.rounds)):
            left_s = end - time.monotonic()
            if left_s <= 0:
                message = f"{tool.name} did not end its rounds within {deadline_s:g} s"
                return Failure(Stage.MEASURE, FailureClass.HANG, message)
            loops = min(MOST_LOOPS, warmup + repeat)
            argv = inside(folder, [path, *tool.argv(str(brought[0]), loops)])
            done = session.run(argv, left_s, log)
            call = failed_run(tool.name, done, left_s) or tool.parse(done.output, loops)
            if isinstance(call, Failure):
                return without_memory(tool.name, done.output) or call
            model, told = artifact.onnx, tool.tensors(done.output)
            if other := ran_another(tool.name, model.inputs, model.outputs, told, tool.tolerance):
                return other
            calls.append(_warm(call, warmup, loops))
            repeat = _repeat(timing, statistics.fmean(call.samples_us))
    figures = figures_of(tool.name, calls, artifact.sha256)
    warmup = max(tool.own_warmup, timing.warmup)
    return replace(figures, details={**figures.details, "bench_tool": path, "warmup_per_call": warmup})


def _warm(call: Call, warmup: int, loops: int) -> Call:
    """Without the first runs, where every run that was asked for is listed."""
    if len(call.samples_us) == loops > warmup:
        return replace(call, samples_us=call.samples_us[warmup:])
    return call


def _repeat(timing: TimingProtocol, mean_us: float) -> int:
    per_round_s = timing.min_duration_s / max(1, timing.rounds)
    return max(timing.repeat, math.ceil(per_round_s * 1e6 / mean_us))


def figures_of(name: str, calls: Sequence[Call], artifact_sha256: str | None) -> Figures:
    """Calls of a tool as one figure."""
    rounds = tuple(call.samples_us for call in calls)
    memory = [call.memory_bytes for call in calls if call.memory_bytes is not None]
    return Figures(
        kind=Kind.MEASURED,
        latency_us=latency(rounds),
        artifact_sha256=artifact_sha256,
        no_accuracy=NoAccuracy.NO_OUTPUTS,
        no_accuracy_why=f"{name} gives no outputs",
        samples_us=rounds,
        memory_bytes=max(memory) if memory else None,
        tools={name: version for call in calls for name, version in call.tools.items()},
        statistic=f"single times as {name} prints them",
        details={
            "runs_per_call": [len(one) for one in rounds],
            "calls": [dict(call.details) for call in calls],
        },
    )
