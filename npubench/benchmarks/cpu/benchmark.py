"""The stage `cpu`: our probe cpupeak, or a megpeak that the user has on the board."""

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

from npubench.benchmarks.cpu import builds, outputs
from npubench.benchmarks.cpu.builds import TARGETS, of_machine, target
from npubench.benchmarks.cpu.outputs import figures, parse_megpeak
from npubench.domain.figures import Figures, Kind
from npubench.domain.protocols import Session
from npubench.domain.records import Failure, FailureClass, Outcome, Stage
from npubench.domain.specs import BenchmarkSpec, BoardSpec, CaseKind, Options
from npubench.storage import json
from npubench.storage.hashing import sha256_of_file
from npubench.tools.process import classify_run

CPUPEAK: Final = "cpupeak"
MEGPEAK: Final = "megpeak"
MODES = {
    "cpu-one-core": ("one-core", 3.0),
    "cpu-each-core": ("each-core", 3.0),
    "cpu-all-cores": ("all-cores", 1.5),
    "cpu-memory": ("memory", 3.0),
    "cpu-memory-all-cores": ("memory-all-cores", 1.5),
}
"""Cases of the probe: its mode, and about how many seconds it may measure."""

ASKING_TIMEOUT_S = 60.0


class CpuOptions(json.Table, frozen=True):
    """`[benchmark_options.cpu]` of a board.

    `megpeak` is its path on the board (else it is looked for on PATH), `target` what the probe is built for
    (else the board is asked).
    """

    tool: Literal["cpupeak", "megpeak"] = CPUPEAK
    megpeak: json.Text = MEGPEAK
    target: str | None = None


class CpuBenchmark:
    """Cases of the processor."""

    name = "cpu"

    def cases(self, board: BoardSpec, options: Options) -> tuple[BenchmarkSpec, ...]:
        """A case a mode. Raises UsageError for options that are not ours."""
        table = {**board.benchmark_options.get(self.name, {}), **options}
        own = json.options(table, CpuOptions, f"board {board.name}: benchmark_options.cpu")
        here = of_machine(platform.machine()) if board.shares_host else None
        built_for = target(own.target).name if own.target else here.name if here else None
        if own.tool == MEGPEAK:
            options = {"command": own.megpeak}
            return (BenchmarkSpec("cpu-megpeak", CaseKind.CPU, self.name, MEGPEAK, options),)
        return tuple(
            BenchmarkSpec(
                *(name, CaseKind.CPU, self.name, CPUPEAK),
                {"mode": mode, "seconds": seconds, "target": built_for},
            )
            for name, (mode, seconds) in MODES.items()
        )

    def tools(self, case: BenchmarkSpec) -> Mapping[str, str]:
        """The probe by its sources; megpeak has no version."""
        return {CPUPEAK: f"sources {builds.sources_digest()[:12]}"} if case.tool == CPUPEAK else {}

    def prepare(
        self,
        case: BenchmarkSpec,
        board: BoardSpec,  # noqa: ARG002 - what matters of it is in the case
        deadline_s: float,
        log: Path,
        say: Callable[[str], None],
    ) -> Mapping[str, Path] | Failure:
        """Build the probe for the board, or for every target that it may be."""
        if case.tool != CPUPEAK:
            return {}
        declared = case.options["target"]
        wanted = [target(declared)] if declared else list(TARGETS.values())
        made = [builds.build(one, log, deadline_s, say) for one in wanted]
        files = {one.target: one.path for one in made if isinstance(one, builds.Build)}
        return files or next(one for one in made if isinstance(one, Failure))

    def measure(
        self, case: BenchmarkSpec, files: Mapping[str, Path], session: Session, deadline_s: float, log: Path
    ) -> Outcome:
        """Run the tool and read what it prints."""
        if case.tool == CPUPEAK:
            return _run_probe(case, files, session, deadline_s, log)
        # env ends with 127 where there is no such program; that says nothing about the board's link.
        completed = session.run(["env", case.options["command"]], deadline_s, log)
        if failure := classify_run(MEGPEAK, completed):
            return failure
        output = parse_megpeak(completed.output)
        return output if isinstance(output, Failure) else figures(output)


def _run_probe(
    case: BenchmarkSpec, files: Mapping[str, Path], session: Session, deadline_s: float, log: Path
) -> Outcome:
    binary = _binary_for(case, files, session, log)
    if isinstance(binary, Failure):
        return binary
    sha256 = sha256_of_file(binary)
    path = session.put(binary, sha256)
    argv = [str(path), case.options["mode"], "--seconds", str(case.options["seconds"])]
    completed = session.run(["env", *argv], deadline_s, log)
    output = outputs.parse_probe(completed.output)
    told = output if isinstance(output, Failure) and output.failure_class is FailureClass.TOOL_ERROR else None
    if failure := told or classify_run(CPUPEAK, completed):
        return failure
    if isinstance(output, Failure):
        return output
    return Figures(
        Kind.MEASURED,
        artifact_sha256=sha256,
        processor=outputs.processor(output, case.options["mode"]),
        details=outputs.details(output),
        tools={"cpupeak_compiler": binary.parent.name.partition("--")[2]},
        spread=outputs.middle_spread(output),
    )


def _binary_for(
    case: BenchmarkSpec, files: Mapping[str, Path], session: Session, log: Path
) -> Path | Failure:
    """The build for the declared target, else for what the board says that it is."""
    if case.options["target"]:
        return files[case.options["target"]]
    machine = session.run(["uname", "-m"], ASKING_TIMEOUT_S, log).output.strip()[:40]
    wanted = of_machine(machine)
    if wanted and wanted.name in files:
        return files[wanted.name]
    message = f"cpupeak knows {', '.join(TARGETS)}, not the board's processor, {machine!r}"
    if wanted:
        message = f"cpupeak is not built for {wanted.name}: run `npubench probe build {wanted.name}`"
    return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message)
