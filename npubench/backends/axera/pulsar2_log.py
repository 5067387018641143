"""The build log of `pulsar2 build`: what it tells of the compiled model.

Format: Pulsar 2 documentation. Cycles come without a clock, so there is no time in it.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from npubench.backends.axera.lines import DamagedError, reject_split_number, unparsed, whole_lines
from npubench.records import Failure, Figures, Kind, Stage

_PREFIX = r".*\| (?:DEBUG|INFO|WARNING|SUCCESS) +\| [\w.]+:\w+:[0-9]+ - "
_COUNT = r"([0-9]{1,3}(?:,[0-9]{3}){0,5}|[0-9]{1,18})"
_CYCLES = re.compile(rf"{_PREFIX}max_cycle = {_COUNT}")
_MACS = re.compile(rf"{_PREFIX}QuantAxModel macs: {_COUNT}")
_MCODE = re.compile(rf"(?:{_PREFIX})?\s*Total mcode size: {_COUNT} (B|KiB|MiB)\s*")
_SUBGRAPHS = re.compile(rf"(?:{_PREFIX})?\s*fuse ([0-9]{{1,6}}) subgraph\(s\)\s*")
_KNOWN = re.compile(r"max_cycle|QuantAxModel macs|Total mcode size|subgraph\(s\)")
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20}


def parse_build_log(text: str) -> Figures | Failure:
    """Simulated figures: MACs, cycles and code size summed over the subgraphs; no time."""
    cycles: list[int] = []
    macs: list[int] = []
    mcode: list[int] = []
    subgraphs: set[int] = set()
    try:
        for previous, line in pairwise(["", *whole_lines(text)]):
            reject_split_number(previous, line)
            if match := _CYCLES.fullmatch(line):
                cycles.append(_number(match[1]))
            elif match := _MACS.fullmatch(line):
                macs.append(_number(match[1]))
            elif match := _MCODE.fullmatch(line):
                mcode.append(_number(match[1]) * _BYTES[match[2]])
            elif match := _SUBGRAPHS.fullmatch(line):
                subgraphs.add(int(match[1]))
            elif _KNOWN.search(line):
                raise DamagedError(f"the line {line.strip()[-80:]!r} is not whole")
        if len(subgraphs) > 1:
            raise DamagedError(f"subgraphs are counted as {sorted(subgraphs)}")
        count = subgraphs.pop() if subgraphs else 1
        return Figures(
            kind=Kind.SIMULATED,
            tool_macs=_total("QuantAxModel macs", macs, count),
            details={
                "max_cycle": _total("max_cycle", cycles, count),
                "mcode_bytes": _total("Total mcode size", mcode, 1),
                "subgraphs": count,
            },
        )
    except DamagedError as damage:
        return unparsed(Stage.COMPILE, "pulsar2 build", str(damage), text)


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))


def _total(what: str, values: Sequence[int], subgraphs: int) -> int | None:
    """One line a subgraph; None where some are missing."""
    if subgraphs == 1 and len(set(values)) == 1:
        return values[0]
    if len(values) > subgraphs:
        raise DamagedError(f"{what} is given {len(values)} times for {subgraphs} subgraph(s)")
    return sum(values) if values and len(values) == subgraphs else None
