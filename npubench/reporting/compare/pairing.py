"""The two sides of a comparison, and which row of one stands against which of the other."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from npubench.domain.records import Result
from npubench.reporting.compare.accuracy import Evaluation

Key = tuple[str, ...]
_DIMENSIONS = ("board", "backend", "precision")


@dataclass(frozen=True, slots=True)
class Side:
    """Rows under a label, and what `npubench accuracy` last said there."""

    label: str  # what the user called it by
    rows: tuple[Result, ...]  # oldest first
    fixed: frozenset[str] = frozenset()  # dimensions that the user named one value of
    scores: tuple[Evaluation, ...] = ()  # what `npubench accuracy` last said there
    nothing_new: str = ""  # why the run called the latest has no rows; empty: it has
    folder: Path | None = None  # of results that its rows are from, with their artifacts


@dataclass(frozen=True, slots=True)
class Pair:
    """One case on both sides."""

    before: Result  # the newest row of A
    after: Result  # the newest row of B
    repeats: tuple[Result, ...]  # B's earlier rows of that artifact and tools


@dataclass(frozen=True, slots=True)
class Pairing:
    """What stands against what, and what stands alone. Emulated rows are counted and left out."""

    pairs: tuple[Pair, ...]  # what stands against what
    only_a: tuple[str, ...]  # cases of A alone
    only_b: tuple[str, ...]  # cases of B alone
    emulated_a: int  # rows of A left out
    emulated_b: int  # rows of B left out


def pair_up(a: Side, b: Side) -> Pairing:
    """Rows of one case side by side, on the same board, backend and precision.

    A dimension does not count where each side is of one value of it: two boards, two backends. Precisions
    differ only where the user named one on each side.
    """
    real_a, real_b = [r for r in a.rows if not r.emulated], [r for r in b.rows if not r.emulated]
    counting = _counting(a.fixed & b.fixed, real_a, real_b)
    before, after = _by_key(real_a, counting), _by_key(real_b, counting)
    pairs = tuple(_pair(before[key], after[key]) for key in before if key in after)
    return Pairing(
        pairs,
        tuple(" ".join(key[1:]) for key in before if key not in after),
        tuple(" ".join(key[1:]) for key in after if key not in before),
        len(a.rows) - len(real_a),
        len(b.rows) - len(real_b),
    )


def paired_scores(a: Side, b: Side) -> tuple[tuple[Evaluation, Evaluation], ...]:
    """Evaluations of one case and kind side by side, as `pair_up` has rows; of the same evaluation none."""
    counting = ["case", "kind", *_counting(a.fixed & b.fixed, a.scores, b.scores)]
    before, after = (
        {tuple(str(getattr(score, name)) for name in counting): score for score in side.scores}
        for side in (a, b)
    )
    return tuple((before[key], after[key]) for key in before if key in after and before[key] != after[key])


def _counting(
    fixed: frozenset[str], one: Sequence[Result | Evaluation], other: Sequence[Result | Evaluation]
) -> list[str]:
    """The dimensions in which what stands side by side has to agree."""

    def is_free(name: str) -> bool:
        values = [{str(getattr(row, name)) for row in rows} for rows in (one, other)]
        return name in fixed or (name != "precision" and len(values[0]) == len(values[1]) == 1)

    return [name for name in _DIMENSIONS if not is_free(name)]


def _by_key(rows: Iterable[Result], counting: Sequence[str]) -> Mapping[Key, list[Result]]:
    found: defaultdict[Key, list[Result]] = defaultdict(list)
    for row in rows:
        found[row.case_kind.value, row.case, *(str(getattr(row, name)) for name in counting)].append(row)
    return found


def _pair(before: Sequence[Result], after: Sequence[Result]) -> Pair:
    newest = after[-1]
    repeats = [
        row
        for row in reversed(after[:-1])
        if row.artifact_sha256 is not None
        and row.artifact_sha256 == newest.artifact_sha256
        and (row.board, row.backend, row.precision) == (newest.board, newest.backend, newest.precision)
        and row.tools == newest.tools
    ]
    return Pair(before[-1], newest, tuple(repeats))
