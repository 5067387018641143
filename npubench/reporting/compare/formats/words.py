"""The sentences that all formats share."""

from collections.abc import Iterator

from npubench.domain.records import Bound
from npubench.reporting.compare.accuracy import Rated
from npubench.reporting.compare.change import TIMES_NOISE, Change
from npubench.reporting.compare.comparison import Comparison, Mean
from npubench.reporting.compare.statistics import Interval
from npubench.reporting.data.bounds import mark

HEADER = ("case", "board", "precision", "kind", "A us", "B us", "B / A", "95 % interval", "outcome")
"""Of an accuracy the kind names it, and its figures stand in the places of A, B and the interval."""


def cells(change: Change) -> tuple[str, ...]:
    """A change under `HEADER`."""
    timed = change.timed
    board = change.board_b if change.board_a == change.board_b else f"{change.board_a} / {change.board_b}"
    figures = _rated(change.rated) if change.rated else ("-",) * 5 if timed is None else (
        timed.kind,
        *(f"{mark(one.bound if one else Bound.EXACT)}{us:.6g}" for one, us in
          zip(timed.bounds, (timed.before_us, timed.after_us), strict=True)),
        f"{mark(timed.ratio_bound)}{timed.ratio:.3f}" if timed.ratio_bound else "-",
        "-" if timed.low is None or timed.high is None else f"{timed.low:.3f} to {timed.high:.3f}",
    )  # fmt: skip
    return (change.case, board, change.precision, *figures, change.outcome.value)


def _rated(rated: Rated) -> tuple[str, ...]:
    known = rated.low is not None and rated.high is not None
    interval = f"drop {rated.low:.4f} to {rated.high:.4f}" if known else "-"
    return (measure(rated), f"{rated.before:.5f}", f"{rated.after:.5f}", "-", interval)


def measure(rated: Rated) -> str:
    """The kind of an accuracy: `measured cosine`."""
    return f"{rated.kind} {rated.measure}"


def mean(one: Mean) -> str:
    """The geometric mean of one kind, with its interval and the method."""
    ratio = one.ratio
    told = (
        f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}; {ratio.method})"
        if isinstance(ratio, Interval)
        else f"{ratio:.3f}"
    )
    cases = f"{one.cases} case" if one.cases == 1 else f"{one.cases} cases"
    return f"geometric mean of B / A, {one.kind}, {one.case_kind}, {cases}: {told}"


def remarks(of: Comparison) -> Iterator[str]:
    """What else is to be known: methods, noise, what was left out."""
    if of.nothing_new:
        yield of.nothing_new
    counts = ", ".join(f"{count} {outcome}" for outcome, count in of.counts().items())
    yield f"{len(of.changes)} comparisons: {counts or 'none'}"
    yield (
        f"a change counts beyond {of.gate.share:.1%} and {TIMES_NOISE:g} times the noise of the board, "
        "and when its interval leaves out 1"
    )
    if of.gate.accuracy is not None:
        yield (
            f"an accuracy counts where a cosine changes by more than {of.gate.accuracy:g}, or where the 95 % "
            "interval of a drop of top-1 excludes 0"
        )
    for noise in of.noise:
        yield f"noise of {noise.board}: {noise.share:.2%} ({noise.method}, {noise.pairs} pairs)"
    methods = dict.fromkeys(
        f"{c.timed.statistic}; {c.timed.method}" for c in of.changes if c.timed is not None
    )
    yield from (f"method: {method}" for method in methods)
    emulated = of.emulated_a + of.emulated_b
    if emulated:
        yield f"emulated rows left out: {of.emulated_a} of A, {of.emulated_b} of B"
    for label, names in (("A", of.only_a), ("B", of.only_b)):
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            yield f"only in {label}: {', '.join(names[:10])}{more}"
    yield from of.warnings


def details(change: Change) -> str:
    """Why the outcome is what it is."""
    return "; ".join((change.reason, *change.notes))
