"""The stage `cpu`: a probe of our own, or a megpeak that the user has on the board."""

from collections.abc import Callable, Mapping
from pathlib import Path

from npubench.benchmarks.cpu.megpeak import details, parse_megpeak
from npubench.benchmarks.ended import failed_run
from npubench.errors import UsageError
from npubench.protocols import Session
from npubench.records import Failure, Figures, Kind, Outcome
from npubench.specs import BenchmarkSpec, BoardSpec, CaseKind, Options

MEGPEAK = "megpeak"
OPTIONS = ("tool", "megpeak")


class CpuBenchmark:
    """Cases of the processor. Board options: `megpeak`, its path there (else it is looked for on PATH)."""

    name = "cpu"

    def cases(self, board: BoardSpec, options: Options) -> tuple[BenchmarkSpec, ...]:
        """A case a mode. Raises UsageError for options that are not ours."""
        own = {**board.benchmark_options.get(self.name, {}), **options}
        for key in own:
            if key not in OPTIONS:
                where = f"board {board.name}: benchmark_options.cpu has {key!r:.40}"
                raise UsageError(f"{where}, which nothing reads: name some of {', '.join(OPTIONS)}")
        path = str(own.get("megpeak", MEGPEAK))
        return (BenchmarkSpec("cpu-megpeak", CaseKind.CPU, self.name, MEGPEAK, {"command": path}),)

    def tools(self, case: BenchmarkSpec) -> Mapping[str, str]:  # noqa: ARG002 - one for all
        """Nothing that could be known here: megpeak has no version."""
        return {}

    def prepare(
        self,
        case: BenchmarkSpec,  # noqa: ARG002
        board: BoardSpec,  # noqa: ARG002
        deadline_s: float,  # noqa: ARG002
        log: Path,  # noqa: ARG002
        say: Callable[[str], None],  # noqa: ARG002
    ) -> Mapping[str, Path] | Failure:
        """Nothing has to be made."""
        return {}

    def measure(
        self,
        case: BenchmarkSpec,
        files: Mapping[str, Path],  # noqa: ARG002
        session: Session,
        deadline_s: float,
        log: Path,
    ) -> Outcome:
        """Run megpeak and read what it prints."""
        # env ends with 127 where there is no such program; that says nothing about the board's link.
        completed = session.run(["env", case.options["command"]], deadline_s, log)
        failure = failed_run(MEGPEAK, completed, deadline_s)
        if failure:
            return failure
        output = parse_megpeak(completed.output)
        return output if isinstance(output, Failure) else Figures(Kind.MEASURED, details=details(output))
