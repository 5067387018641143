"""Cost against how often the job fits: the plot of the page's verdict, a series a kind."""

from collections import defaultdict
from collections.abc import Sequence

from npubench.domain.figures import Bound, Kind
from npubench.reporting.charts.plots import Subject
from npubench.reporting.charts.scatter import Corner, Point, Scatter, scatter
from npubench.reporting.data.figures import opposite
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.select.verdict import ChipVerdict, warnings_of
from npubench.reporting.select.wording import jobs_text, kind_text, price_text, sign_of_bound


def pareto(drawn: Sequence[ChipVerdict]) -> Scatter | None:
    """Cost against how often the job fits; a line a kind through what no other of its kind beats."""
    groups: defaultdict[tuple[Kind | None, Kind | None], list[ChipVerdict]] = defaultdict(list)
    for one in drawn:
        groups[one.kind, one.origin].append(one)
    points, corners, kinds = [], [], []
    for (kind, origin), members in groups.items():
        name = kind_text(members[0])
        kinds.append(origin or kind)
        for one in members:
            text = f"{one.chip} ({one.board}, {name}): {price_text(one)}, {jobs_text(one)}"
            label = f"{sign_of_bound(opposite(one.bound))}{one.chip}"
            band = (1 / one.load_band[1], 1 / one.load_band[0]) if one.load_band else None
            text += f" [{significant(band[0])} … {significant(band[1])}]" if band else ""
            points.append(Point(one.price_usd or 0.0, one.jobs or 0.0, name, text, label, band=band))
        # What fits at most so often beats nobody for sure.
        front = _front([one for one in members if one.bound is Bound.EXACT])
        if len(front) > 1:
            corners.append(
                Corner(tuple(front), translate("best for its price: {kind}", kind=name), origin or kind)
            )
    warnings = "; ".join(warnings_of(drawn))
    title, about = translate("Cost against throughput"), translate("up and to the left is better")
    return scatter(
        Subject(
            *("pareto", title, about, None, significant),
            band=translate("A line through a dot is the 90 % band of how often the job fits."),
        ),
        (translate("price, USD"), translate("how often the job fits")),
        points,
        corners,
        kinds,
        warnings,
    )


def _front(members: Sequence[ChipVerdict]) -> list[tuple[float, float]]:
    """Places from cheap to dear at which nothing cheaper or as cheap does more."""
    front: list[tuple[float, float]] = []
    for one in sorted(members, key=lambda one: (one.price_usd or 0.0, -(one.jobs or 0.0))):
        if not front or (one.jobs or 0.0) > front[-1][1]:
            front.append((one.price_usd or 0.0, one.jobs or 0.0))
    return front
