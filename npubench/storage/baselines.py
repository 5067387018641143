"""Named baselines of a workspace: the newest row of every case as of some moment, under a name that stays."""

import re
from dataclasses import dataclass
from pathlib import Path

from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean
from npubench.storage.files import write_atomically
from npubench.storage.json import decode_lines, encode
from npubench.storage.workspace import writing

BASELINES = "baselines.jsonl"
RESERVED = ("latest", "previous", "baseline")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Baseline:
    """A name for the rows up to one."""

    name: str  # by which sides name it
    run_id: str  # of the run that it was set to
    revision: int  # `Store.revision` then: the newest row of each case up to that one
    at: str  # ISO 8601, UTC: when it was set


def read_baselines(root: Path) -> list[Baseline]:
    """Those of the workspace at `root`, the one that was set last at the end. Raises UsageError."""
    return list(decode_lines(Baseline, root / BASELINES))


def set_baseline(root: Path, baseline: Baseline) -> None:
    """Keep it in the place of one of that name. Raises UsageError for a name that cannot be one."""
    if _NAME.fullmatch(baseline.name) is None or baseline.name in RESERVED:
        raise UsageError(
            f"{baseline.name!r} is no name for a baseline: up to 64 letters, digits, dots, dashes and"
            f" underscores, and none of {', '.join(RESERVED)}"
        )
    _write(root, [one for one in read_baselines(root) if one.name != baseline.name] + [baseline])


def remove_baseline(root: Path, name: str) -> None:
    """Forget a name; its rows stay. Raises UsageError where there is none."""
    found = read_baselines(root)
    find_baseline(found, name, root)
    _write(root, [one for one in found if one.name != name])


def find_baseline(baselines: list[Baseline], name: str, root: Path) -> Baseline:
    """The one of that name, or for `baseline` the one that was set last. Raises UsageError."""
    if name == "baseline" and baselines:
        return baselines[-1]
    for one in baselines:
        if one.name == name:
            return one
    names = [one.name for one in baselines]
    there = f": there is {', '.join(names[-8:])}" if names else ": set one with `npubench baseline set NAME`"
    raise UsageError(f"{root} has no baseline {name!r}{did_you_mean(name, names, most=1)}{there}")


def _write(root: Path, baselines: list[Baseline]) -> None:
    with writing(root):
        write_atomically(root / BASELINES, "".join(f"{encode(one)}\n" for one in baselines))
