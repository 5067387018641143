"""Which graph stands for which network: reports/published/network_graphs.csv, checked against stated MACs.

`python -m tests.network_graphs.mapping`. A network's own graph is the one of its name, or what aliases.csv says.
reports/published/networks.csv holds what publishers state of a network themselves. A graph whose MACs are more than a tenth off is not taken, unless aliases.csv says why they are (`reviewed`).
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from npubench.published import folder, lines_of
from npubench.published.graphs import graphs
from npubench.published.networks import LANGUAGE_TASKS, Network, entries

HERE = Path(__file__).parent
TAKEN = 0.10
TOLD = 0.05
COLUMNS = ("network", "variant", "height", "width", "graph", "how", "stated_gmacs", "deviation")


def lines() -> Iterator[dict[str, str]]:
    """A line for each network and input of the reviewed list that is vision's."""
    named = lines_of(HERE / "aliases.csv")
    other = {(line["network"], line["variant"]): (line["graph"], line["how"]) for line in named}
    seen = set()
    for entry in entries():
        network = entry.join.network
        if network is None or network.task in LANGUAGE_TASKS:
            continue
        key = (network.name, network.variant, network.height or 0, network.width or 0)
        if key in seen:
            continue
        seen.add(key)
        default = (network.name, f"{network.variant}: same layers" if network.variant else "same")
        graph, how = other.get((network.name, network.variant), other.get((network.name, ""), default))
        yield from line_for(network, graph, how)


def line_for(network: Network, graph: str, how: str) -> Iterator[dict[str, str]]:
    """Nothing where no graph stands for it; an empty graph where its MACs are too far off."""
    found, taken = features(graph, network)
    if not found:
        return
    stated = stated_of(network)
    weights = stated_of(network, "params_m")
    if weights and abs(taken.parameters / 1e6 / weights - 1) > TAKEN:
        print(f"{network.key}: {taken.parameters / 1e6:.4g} M parameters, stated {weights:g}")
    deviation = taken.macs / 1e9 / stated - 1 if stated else None
    if taken.scaled_from:
        how += "; scaled by pixels"
    if deviation is not None and abs(deviation) > TAKEN and not how.startswith("reviewed"):
        found, how = "", f"not taken: {how}"
    yield {
        "network": network.name,
        "variant": network.variant,
        "height": str(network.height or ""),
        "width": str(network.width or ""),
        "graph": found,
        "how": how,
        "stated_gmacs": f"{stated:g}" if stated else "",
        "deviation": "" if deviation is None else f"{deviation:.3f}",
    }


def features(graph: str, network: Network):
    """The graph's name and its features at the network's input."""
    all_graphs = graphs()
    size = (network.height or 0, network.width or 0)
    if graph in all_graphs:
        names = [graph]
    else:
        names = [name for name in all_graphs if name.partition("@")[0] == graph]
    for name in names:
        if 0 in size or all_graphs[name].shape[-2:] == size:
            return name, all_graphs[name]
    return next(((name, one) for name in names if (one := all_graphs[name].at(*size))), ("", None))


def stated_of(network: Network, column: str = "gmacs") -> float | None:
    """GMACs, or millions of parameters (`params_m`), as a publisher states them."""
    size = (str(network.height or ""), str(network.width or ""))
    told = [
        float(line[column])
        for line in lines_of(folder() / "networks.csv")
        if line[column] and (line["network"], line["height"], line["width"]) == (network.name, *size)
    ]
    return told[0] if told else None


def main() -> None:
    found = sorted(lines(), key=lambda line: [line[name] for name in COLUMNS[:4]])
    with (folder() / "network_graphs.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    for line in found:
        if line["deviation"] and abs(float(line["deviation"])) > TOLD:
            print(*line.values(), sep=",")


if __name__ == "__main__":
    main()
