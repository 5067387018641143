"""The page's charts over all boards, in the order in which they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind, Result
from npubench.domain.specs import BoardSpec
from npubench.reporting.charts.board_charts import (
    accuracy_charts,
    codec_chart,
    cpu_chart,
    latency_charts,
    price_charts,
)
from npubench.reporting.charts.board_charts import missing_chart as missing_chart
from npubench.reporting.charts.dots import DotChart
from npubench.reporting.charts.roofline import rooflines
from npubench.reporting.charts.scatter import Scatter


@dataclass(frozen=True, slots=True)
class Overview:
    """Empty where there is nothing to compare."""

    dots: tuple[DotChart, ...]
    rooflines: tuple[Scatter, ...]


def charts_over_boards(
    results: Sequence[Result], kinds: Sequence[Kind], boards: Sequence[BoardSpec]
) -> Overview:
    """Latency, price, accuracy, CPU and codecs as dot plots; rooflines apart."""
    others = (cpu_chart(results), codec_chart(results))
    dots = [
        *latency_charts(results, kinds),
        *price_charts(results, kinds, boards),
        *accuracy_charts(results, kinds),
        *(chart for chart in others if chart),
    ]
    return Overview(tuple(dots), tuple(rooflines(results, kinds, boards)))
