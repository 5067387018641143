"""Finds implementations: backends, benchmarks and transports by entry point, exporters by what is asked."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any, assert_never, cast

from npubench.domain.errors import UsageError
from npubench.domain.protocols import Backend, BoardBenchmark, Configurable, Exporter, OpenHost, Transport
from npubench.domain.specs import (
    BUILT,
    BenchmarkSpec,
    BoardSpec,
    CaseSpec,
    FileSpec,
    ModelSpec,
    OperatorSpec,
)

BACKENDS = "npubench.backends"
BENCHMARKS = "npubench.benchmarks"
TRANSPORTS = "npubench.transports"


def names(group: str) -> tuple[str, ...]:
    """Names of all installed implementations of a group, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def backend(name: str) -> Backend:
    """The backend of that name. Raises UsageError when there is none, or it cannot be imported."""
    return cast(Backend, _load(BACKENDS, name))


def backend_of(board: BoardSpec, open_host: OpenHost) -> Backend:
    """The backend of a board, bound to its options where it knows any. Raises UsageError like `backend`."""
    found = backend(board.backend)
    if isinstance(found, Configurable):
        return found.configured(board.backend_options, open_host)
    return found


def benchmark(name: str) -> BoardBenchmark:
    """The board benchmark of that name. Raises UsageError like `backend`."""
    return cast(BoardBenchmark, _load(BENCHMARKS, name))


def transport(name: str) -> Transport:
    """The transport of that name. Raises UsageError like `backend`."""
    return cast(Transport, _load(TRANSPORTS, name))


def exporter(
    spec: CaseSpec, say: Callable[[str], None] = lambda _line: None, deadline_s: float = 600.0
) -> Exporter:
    """The exporter for a spec; `say` hears of an environment that has to be made first.

    One export ends after `deadline_s`; making an environment is not counted.
    """
    match spec:
        case OperatorSpec():
            from npubench.exporters.operators import OperatorExporter

            return OperatorExporter()
        case ModelSpec(codebase=codebase) if codebase == BUILT:
            from npubench.exporters.built.exporter import BuiltExporter

            return BuiltExporter()
        case ModelSpec():
            from npubench.exporters.openmmlab.exporter import OpenMMLabExporter

            return OpenMMLabExporter(say, deadline_s)
        case FileSpec():
            from npubench.exporters.files import FileExporter

            return FileExporter(deadline_s)
        case BenchmarkSpec():
            raise UsageError(f"{spec.name} is no model: it has no ONNX file")
        case _:
            assert_never(spec)


@cache
def _load(group: str, name: str) -> Any:
    points = [point for point in entry_points(group=group) if point.name == name]
    if not points:
        kind = group.rpartition(".")[2].removesuffix("s")
        raise UsageError(f"no {kind} named {name!r}: there are {', '.join(names(group))}")
    try:
        return points[0].load()()
    except ImportError as error:
        raise UsageError(
            f"{points[0].value} cannot be imported: {error}: install its package again"
        ) from error
