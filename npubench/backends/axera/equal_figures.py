"""Different cases with figures equal to the last digit: a sign of a report read twice, unless it is not.

Two things make equal figures right, and are known here. The compiler lowers a dilated kernel to
its effective size (k - 1) * d + 1 and a 1x1 kernel to a 3x3 one with one more padding, so such
convolutions are one and the same; all equal rows of the published AX620A operator table are of
that kind. And OpenMMLab names differ by training recipe (`8xb32`, `8xb256-rsb-a1-600e`) where the
network does not.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from npubench.records import Figures, Kind, Result

_CONV = re.compile(r"conv([0-9]+)s([0-9]+)p([0-9]+)d([0-9]+)(ic[0-9]+oc[0-9]+g[0-9]+.*)")
_RECIPE = re.compile(r"[0-9]+xb[0-9]+(?:-.*)?")
_LEAST_KNOWN = 3


@dataclass(frozen=True, slots=True)
class EqualFigures:
    """Cases that should differ and do not."""

    kind: Kind
    cases: tuple[str, ...]


def suspicious_groups(results: Iterable[Result]) -> list[EqualFigures]:
    """Groups of rows of one board whose figures of one kind are equal without a reason known here."""
    groups: defaultdict[tuple[object, ...], dict[str, Result]] = defaultdict(dict)
    for result in results:
        for figures in (result.figures, result.estimate):
            numbers = () if figures is None else _numbers(figures)
            if figures is not None and len([n for n in numbers if n]) >= _LEAST_KNOWN:
                groups[figures.kind, result.board, result.precision, *numbers].setdefault(result.case, result)
    return [
        EqualFigures(Kind(str(key[0])), tuple(sorted(rows)))
        for key, rows in groups.items()
        if len({lowering(case) for case in rows}) > 1 and not _one_model(rows)
    ]


def lowering(case: str) -> str:
    """A name that cases share when the compiler makes the same of them."""
    if match := _CONV.fullmatch(case):
        kernel, stride, pad, dilation = (int(group) for group in match.groups()[:4])
        effective = (kernel - 1) * dilation + 1
        if effective == 1:
            effective, pad = 3, pad + 1
        return f"conv{effective}s{stride}p{pad}{match[5]}"
    return "_".join(part for part in case.split("_") if not _RECIPE.fullmatch(part))


def _numbers(figures: Figures) -> tuple[float | None, ...]:
    latency = None if figures.latency_us is None else figures.latency_us.mean
    if figures.kind is Kind.MEASURED:
        details = figures.details
        return latency, figures.load_us, details.get("neu_us"), details.get("perf_count_total")
    return latency, figures.throughput_fps, figures.tool_macs, figures.mac_utilisation


def _one_model(rows: Mapping[str, Result]) -> bool:
    """Whether all rows are of one ONNX file under several names."""
    hashes = {row.onnx_sha256 for row in rows.values()}
    return len(hashes) == 1 and None not in hashes
