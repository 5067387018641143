"""What the completion learns of samples: groups of columns, the mixture, how wide bands have to be."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from npubench.predict.experts import Table, joined
from npubench.predict.mixture import Mixture, learned_mixture
from npubench.predict.parameters import TERMS, VERSION, Parameters
from npubench.predict.physical import Physics
from npubench.predict.process import Process
from npubench.predict.samples import Sample
from npubench.predict.training import Plan, learned

if TYPE_CHECKING:
    from npubench.predict.design import Index, Matrix


PLANS = (
    Plan("qualcomm", ("Qualcomm",), 0.1),
    Plan("hailo", ("Hailo",), 0.05),
    Plan("others", (), 0.015),
)
SHARED = 0.5
"""Part of what networks have in common within a group that all groups have in common."""
BAND = 0.9


@dataclass(frozen=True, slots=True)
class Bands:
    """Of each asked sample, logarithms of milliseconds; opinions: how many, the process's included."""

    low: "Matrix"
    middle: "Matrix"
    high: "Matrix"
    opinions: "Index"


def learn(samples: Sequence[Sample], data_sha256: str = "") -> Parameters:
    """Groups and mixture; bands are as wide as the mixture says. Takes about a minute of one core."""
    import numpy as np

    physics = Physics(samples)
    left = np.array([one.log_ms for one in samples]) - physics.log_times(samples)
    groups, taken = [], set[str]()
    for plan in PLANS:
        mine = [place for place, one in enumerate(samples) if _is_of(one, plan, taken)]
        taken |= set(plan.vendors)
        groups.append(learned([samples[place] for place in mine], left[mine], plan))
    shared = {term: 0.0 if term == "smooth" else SHARED for term in TERMS}
    found = Parameters(VERSION, data_sha256, float(np.median(left)), shared, {}, {}, tuple(groups))
    return with_mixture(samples, found, physics)


def _is_of(sample: Sample, plan: Plan, taken: set[str]) -> bool:
    vendor = sample.column.vendor
    return vendor in plan.vendors or (not plan.vendors and vendor not in taken)


def with_mixture(samples: Sequence[Sample], parameters: Parameters, physics: Physics) -> Parameters:
    """The parameters with a mixture learned on cells, and on whole networks, left out."""
    import numpy as np

    process = Process(samples, parameters, physics)
    times = np.array([one.log_ms for one in samples])
    opinions = Table(samples).opinions(samples, [True] * len(samples))
    sums = physics.opinions(samples)
    of_cells = Mixture(joined(opinions, sums), process.left_out([one.cell for one in samples]))
    of_networks = Mixture(sums, process.left_out([one.subject.network for one in samples]))
    return replace(parameters, mixture=learned_mixture([(of_cells, times), (of_networks, times)]))


def bands(mixture: Mixture, values: Mapping[str, float]) -> Bands:
    """The middle and the ends of the band of each sample."""
    low, middle, high = mixture.quantiles(values, ((1 - BAND) / 2, 0.5, (1 + BAND) / 2))
    return Bands(low, middle, high, mixture.counts)


def widened(found: Bands, widths: "Matrix") -> Bands:
    """Both halves of each band times a number of its own."""
    low = found.middle - widths * (found.middle - found.low)
    return replace(found, low=low, high=found.middle + widths * (found.high - found.middle))


def width_needed(found: Bands, times: "Matrix") -> float:
    """What both halves of bands have to be multiplied by for 90 % of the times to lie in them.

    The share of a conformal quantile (Vovk, Gammerman, Shafer 2005): of n + 1 where n are judged.
    """
    import numpy as np

    away = times - found.middle
    halves = np.where(away > 0, found.high - found.middle, found.middle - found.low)
    share = min(1.0, BAND * (1 + 1 / len(times)))
    return float(np.quantile(np.abs(away) / halves, share))


def distinct(keys: Sequence[Hashable]) -> tuple[Hashable, ...]:
    """Keys without those that came before."""
    return tuple(dict.fromkeys(keys))
