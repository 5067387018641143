"""Rows that look like one file measured under two names: different models, same artifact or figures."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind, Result
from npubench.reporting.charts.pairs import latency_of


@dataclass(frozen=True, slots=True)
class Suspect:
    """Cases whose ONNX files differ although `shared` is the same to the last digit."""

    board: str
    precision: str
    shared: str
    cases: tuple[str, ...]


def suspects(results: Sequence[Result]) -> list[Suspect]:
    """Groups of different models with the same artifact, or with the same measured times.

    Simulated figures are left out: a compiler lowers different operators to the same program.
    """
    return [*_groups(results, _artifact, "artifact"), *_groups(results, _times, "measured times")]


def _groups(
    results: Sequence[Result], mark: Callable[[Result], Hashable | None], shared: str
) -> Iterator[Suspect]:
    seen: dict[Hashable, Result] = {}
    groups: dict[Hashable, list[Result]] = {}
    for result in results:
        found = mark(result)
        if found is None or result.onnx_sha256 is None:
            continue
        key = (result.board, result.backend, result.precision, found)
        first = seen.setdefault(key, result)
        if first is not result:
            # Of very many rows hardly any are alike: a list for each would be most of the work.
            groups.setdefault(key, [first]).append(result)
    for group in groups.values():
        if len({result.onnx_sha256 for result in group}) > 1:
            cases = tuple(dict.fromkeys(result.case for result in group))
            yield Suspect(group[0].board, group[0].precision.value, shared, cases)


def _artifact(result: Result) -> Hashable | None:
    return result.artifact_sha256


_MEASURED = Kind.MEASURED


def _times(result: Result) -> Hashable | None:
    latency = latency_of(result, _MEASURED)
    if latency is None or latency.n < 2 or latency.std is None:
        return None
    return (latency.n, latency.mean, latency.std, latency.min, latency.max)
