"""Short cases of the stage `codec` for tests: real streams, made once a session, and little time on each."""

from pathlib import Path

from npubench.benchmarks.codec.benchmark import CodecBenchmark
from npubench.domain.protocols import Session
from npubench.domain.records import Failure, Outcome
from npubench.domain.specs import BoardSpec

QUICK = {"least_s": 0.05, "most_s": 0.1, "stream_s": 0.08, "search_s": 0.01}


def measured(name: str, board: BoardSpec, session: Session, folder: Path, **options) -> Outcome:
    """What comes of one case on a board, prepared and measured as a run does it."""
    benchmark = CodecBenchmark()
    table = {**QUICK, **board.benchmark_options.get("codec", {})}
    spec = next(spec for spec in benchmark.cases(_with(board, table), options) if spec.name == name)
    log = folder / f"{name}.log"
    files = benchmark.prepare(spec, board, 300, log, lambda text: None)
    if isinstance(files, Failure):
        return files
    return benchmark.measure(spec, files, session, 120, log)


def _with(board: BoardSpec, table: dict) -> BoardSpec:
    from dataclasses import replace

    return replace(board, benchmark_options={"codec": table})
