"""Figures of several toolchain versions in one table: told, or told by an order that others contradict."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

from npubench.reporting.sanity.atlas.cells import Cell, ratio_text
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass, doubt_of
from npubench.reporting.sanity.atlas.expected import Expected
from npubench.reporting.sanity.doubt import Strength

_VERSION = re.compile(r"([A-Za-z][A-Za-z_]*[0-9]?)\s+v?([0-9]+(?:\.[0-9A-Za-z-]+)+)")

INVERTED = 1.2
"""How much longer a network takes than one that takes longer elsewhere."""

ELSEWHERE = 1.15
"""How much shorter it is elsewhere."""

SHOWN = 4
"""Figures that are shown of a longer list."""


def versions_of(tool: str) -> dict[str, str]:
    """Tool names, in small letters, to versions: `ax_run_model 2.1.2c, pulsar2 1.2-patch2`."""
    return {name.casefold(): version.rstrip(".") for name, version in _VERSION.findall(tool)}


def tool_versions(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Figures of one chip by several versions of a tool: how many of each, and what equal networks show."""
    groups: defaultdict[tuple[str, str], list[tuple[str, Cell]]] = defaultdict(list)
    for cell in cells:
        for tool, version in versions_of(cell.figure.tool).items():
            groups[cell.chip, tool].append((version, cell))
    for (_, tool), found in groups.items():
        counts = Counter(version for version, _ in found)
        if len(counts) < 2:
            continue
        counted = ", ".join(f"{version} ({count})" for version, count in counts.most_common())
        reason = f"its figures are of {len(counts)} versions of {tool}: {counted}"
        usual = counts.most_common(1)[0][0]
        others = [cell for version, cell in found if version != usual]
        lines = list(_same_networks(found, usual)) or [cell.told for cell in others]
        yield doubt_of(others, FigureDoubtClass.TOOL_VERSIONS, Strength.WEAK, reason, *lines[:SHOWN])


def _same_networks(found: Sequence[tuple[str, Cell]], usual: str) -> Iterator[str]:
    """Networks that two versions have at one mode, precision and metric, with both figures."""
    known: dict[Hashable, Cell] = {}
    for version, cell in found:
        if version == usual and cell.known:
            known.setdefault(_at(cell), cell)
    for version, cell in found:
        one = known.get(_at(cell)) if version != usual and cell.known else None
        if one is not None:
            ratio = ratio_text(cell.image_ms / one.image_ms)
            mine, theirs = (f"{each.printed} ({each.figure.mode or '-'})" for each in (cell, one))
            yield f"{cell.figure.model}: {mine} by {version}, {theirs} by {usual}, ratio {ratio}"


def _at(cell: Cell) -> Hashable:
    return cell.network, cell.cores, cell.batch, cell.precision, cell.figure.metric


def compiled_apart(cells: Sequence[Cell], expected: Sequence[Expected | None]) -> Iterator[FigureDoubt]:
    """Networks of two pages of a publisher in an order that all other columns contradict, where no version is
    told: most likely compiled at different dates."""
    groups: defaultdict[Hashable, list[tuple[Cell, Expected]]] = defaultdict(list)
    for cell, due in zip(cells, expected, strict=True):
        if due is not None and due.neighbours and cell.known and not versions_of(cell.figure.tool):
            groups[cell.column, cell.task, cell.batch].append((cell, due))
    for group in groups.values():
        for cell, due in group:
            passed = [
                other
                for other, its_due in group
                if other.page != cell.page and _is_inverted(cell, due, other, its_due)
            ]
            if not passed:
                continue
            fastest = min(passed, key=lambda one: one.image_ms)
            reason = (
                f"it takes {ratio_text(cell.image_ms / fastest.image_ms)} times as long as "
                f"{fastest.figure.model}, which takes longer in other columns: compiled at another date, "
                "or by another version"
            )
            told = [cell.told, *(one.told for one in passed[:SHOWN])]
            yield doubt_of([cell], FigureDoubtClass.COMPILED_APART, Strength.WEAK, reason, *told)


def _is_inverted(slow: Cell, slow_due: Expected, fast: Cell, fast_due: Expected) -> bool:
    here = math.log(slow.image_ms / fast.image_ms)
    elsewhere = here - slow_due.log_ratio + fast_due.log_ratio
    return here > math.log(INVERTED) and elsewhere < -math.log(ELSEWHERE)
