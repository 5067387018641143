"""What is known of networks beside their names: OpenMMLab's names for them, MACs and parameters as stated."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from npubench.published.names import Input, input_of
from npubench.published.tables import folder, lines_of
from npubench.storage.files import data_root


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated of a network at one input; figures are a publisher's, not counted here."""

    network: str
    height: int | None
    width: int | None
    zoo: str  # OpenMMLab's name for it; empty: none
    gmacs: float | None  # 1e9 multiply-accumulates
    params_m: float | None  # 1e6 parameters
    stated_by: str


@cache
def stated() -> tuple[Stated, ...]:
    """Networks with OpenMMLab's names and what publishers state of them (reports/published/networks.csv)."""
    return tuple(
        Stated(
            line["network"],
            int(line["height"]) if line["height"] else None,
            int(line["width"]) if line["width"] else None,
            line["zoo"],
            float(line["gmacs"]) if line["gmacs"] else None,
            float(line["params_m"]) if line["params_m"] else None,
            line["stated_by"],
        )
        for line in lines_of(folder() / "networks.csv")
    )


@dataclass(frozen=True, slots=True)
class ZooName:
    """A name of OpenMMLab's zoo."""

    network: str  # what it is called here; the zoo's name where nobody published it
    task: str
    height: int | None
    width: int | None


@cache
def zoo() -> Mapping[str, ZooName]:
    """OpenMMLab's names of networks, by name."""
    ours = {one.zoo: one.network for one in stated() if one.zoo}
    found = {}
    for file in sorted((data_root() / "models" / "zoo").glob("*.tsv")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line:
                continue
            name, task, shape, *_ = line.split("\t")
            size = input_of(shape) if shape.count("x") == 3 else Input()
            found[name] = ZooName(ours.get(name, name), task, size.height, size.width)
    return found
