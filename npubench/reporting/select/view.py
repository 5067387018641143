"""What the page's verdict section is drawn of: the texts of `texts`, and cost against throughput."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Bound, Kind
from npubench.reporting.charts.scatter import Corner, Point, Scatter, Titles, scatter
from npubench.reporting.data.bounds import mark, opposite
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.words import say, say_count
from npubench.reporting.select import texts
from npubench.reporting.select.caveats import warnings_of
from npubench.reporting.select.decide import ChipVerdict, Decision
from npubench.reporting.select.outcome import Outcome


@dataclass(frozen=True, slots=True)
class VerdictView:
    """A decision with the cells of its tables in the language of now."""

    decision: Decision
    summary: str
    head: tuple[str, ...]
    numeric: tuple[int, ...]
    cells: tuple[tuple[str, ...], ...]
    check_head: tuple[str, ...]
    check_cells: tuple[tuple[tuple[str, ...], ...], ...]
    term_head: tuple[str, ...]
    term_cells: tuple[tuple[tuple[str, ...], ...], ...]
    pareto: Scatter | None
    without_price: str


def view_of(decision: Decision) -> VerdictView:
    """The section's view."""
    verdicts = decision.verdicts
    drawn = [one for one in verdicts if one.price_usd and one.jobs]
    absent = dict.fromkeys(one.board for one in verdicts if one not in drawn)
    return VerdictView(
        decision,
        summary_of(decision),
        tuple(say(name) for name in texts.HEAD),
        (0, 5, 7, 8, 9),
        tuple(texts.cells(one) for one in verdicts),
        tuple(say(name) for name in texts.CHECK_HEAD),
        tuple(tuple(texts.check_cells(check) for check in one.checks) for one in verdicts),
        tuple(say(name) for name in texts.TERM_HEAD),
        tuple(tuple(texts.term_cells(one)) for one in verdicts),
        _pareto(drawn),
        ", ".join(absent),
    )


def summary_of(decision: Decision) -> str:
    """The answer in a sentence."""
    counts = {outcome: sum(one.outcome is outcome for one in decision.verdicts) for outcome in Outcome}
    passing = [one for one in decision.verdicts if one.outcome is Outcome.PASS]
    if passing:
        best = passing[0]
        head = say(
            "{chip} ({kind}) does the job with {room} of room, bound by {binding}.",
            chip=best.chip,
            kind=texts.kind_text(best),
            room=texts.percent(best.headroom),
            binding=texts.binding_text(best),
        )
    else:
        head = say("No candidate is known to do the job.")
    rest = [
        say_count(counts[Outcome.PASS], "{count} candidate passes", "{count} candidates pass"),
        say_count(counts[Outcome.UNKNOWN], "{count} is not fully known", "{count} are not fully known"),
        say_count(counts[Outcome.FAIL], "{count} fails", "{count} fail"),
    ]
    return f"{head} {', '.join(rest)}."


def _pareto(drawn: Sequence[ChipVerdict]) -> Scatter | None:
    """Cost against how often the job fits; a line a kind through what no other of its kind beats."""
    groups: dict[tuple[Kind | None, Kind | None], list[ChipVerdict]] = {}
    for one in drawn:
        groups.setdefault((one.kind, one.origin), []).append(one)
    points, corners, kinds = [], [], []
    for (kind, origin), members in groups.items():
        name = texts.kind_text(members[0])
        kinds.append(origin or kind)
        for one in members:
            text = f"{one.chip} ({one.board}, {name}): {texts.price_text(one)}, {texts.jobs_text(one)}"
            label = f"{mark(opposite(one.bound))}{one.chip}"
            points.append(Point(one.price_usd or 0.0, one.jobs or 0.0, name, text, label))
        # What fits at most so often beats nobody for sure.
        front = _front([one for one in members if one.bound is Bound.EXACT])
        if len(front) > 1:
            corners.append(Corner(tuple(front), say("best for its price: {kind}", kind=name), origin or kind))
    warnings = [one for one in warnings_of(drawn) if one]
    titles = Titles(
        "pareto",
        say("Cost against throughput"),
        say("up and to the left is better"),
        say("price, USD"),
        say("how often the job fits"),
    )
    return scatter(titles, None, points, corners, (_show, _show), kinds, "; ".join(warnings))


def _front(members: Sequence[ChipVerdict]) -> list[tuple[float, float]]:
    """Places from cheap to dear at which nothing cheaper or as cheap does more."""
    places = sorted((one.price_usd or 0.0, -(one.jobs or 0.0)) for one in members)
    front: list[tuple[float, float]] = []
    for price, minus in places:
        if not front or -minus > front[-1][1]:
            front.append((price, -minus))
    return front


def _show(value: float, digits: int) -> str:
    return significant(value, digits)
