"""What TPU-MLIR prints and writes: comparisons, the compiler's profile, and why it gave up."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from npubench.domain.records import Failure, FailureClass, Stage

_COMPARE = re.compile(r"^\[Running\]: npz_tool\.py compare (?P<ours>\S+) (?P<theirs>\S+)")
_SIMILARITY = re.compile(r"^min_similarity = \((?P<cosine>[^,]+), (?P<euclid>[^,]+), (?P<sqnr>[^)]+)\)")
CYCLES = re.compile(r"^TCYC : (\d+)\b", re.M)
_RUNTIME = re.compile(r"\bruntime: (\d+(?:\.\d*)?|\.\d+)\s*ms")
_COMMAND = re.compile(r"(?P<name>[A-Za-z]\w*?)_\d+\|\w+\|s:\d+\|[^ ]*?e:\d+\|t:(?P<cycles>\d+)")
_NOT_SUPPORTED = re.compile(r"Op not support:\{(?P<names>[^}]*)\}")
_ONLY = re.compile(r"Only support ArgMax")


@dataclass(frozen=True, slots=True)
class Similarity:
    """A comparison of the tool's own: cosine, its euclidean measure, and SQNR in dB (None: infinite)."""

    ours: str
    theirs: str
    cosine: float
    euclidean: float
    sqnr_db: float | None

    @property
    def identical(self) -> bool:
        """Equal bit for bit."""
        return self.cosine == 1.0 and self.euclidean == 1.0 and self.sqnr_db is None


@dataclass(frozen=True, slots=True)
class Profile:
    """The compiler's timeline: cycles, the time it makes of them, and cycles by kind of command."""

    cycles: int
    latency_us: float
    cycles_by_command: Mapping[str, int]


def similarities(tool_output: str) -> tuple[Similarity, ...]:
    """Every comparison in the log, in order."""
    found, files = [], None
    for line in tool_output.splitlines():
        if match := _COMPARE.match(line):
            files = (match["ours"], match["theirs"])
        elif files and (match := _SIMILARITY.match(line)):
            try:
                cosine, euclid, sqnr = (float(match[name]) for name in ("cosine", "euclid", "sqnr"))
            except ValueError:
                continue
            found.append(Similarity(*files, cosine, euclid, sqnr if math.isfinite(sqnr) else None))
    return tuple(found)


def cmodel(tool_output: str) -> Similarity | None:
    """The comparison of the artifact on the cmodel with the quantised reference."""
    found = [one for one in similarities(tool_output) if one.ours.endswith("_model_outputs.npz")]
    return found[-1] if found else None


def parse_profile(text: str) -> Profile | None:
    """compiler_profile_0.txt; None where the compiler wrote none for this chip, or not these lines.

    A model of which something runs elsewhere is cut into parts there, which run one after another.
    """
    cycles, times = CYCLES.findall(text), _RUNTIME.findall(text)
    if not cycles or len(cycles) != len(times):
        return None
    commands = Counter[str]()
    for match in _COMMAND.finditer(text):
        commands[match["name"]] += int(match["cycles"])
    return Profile(sum(map(int, cycles)), math.fsum(map(float, times)) * 1000, commands)


def unsupported(tool_output: str) -> Failure | None:
    """The failure of a model with operators that the tool says it lacks; None when it says so of none."""
    quoted = [re.findall(r"'(\w+)'", match["names"]) for match in _NOT_SUPPORTED.finditer(tool_output)]
    names = tuple(dict.fromkeys(name for group in quoted for name in group))
    if not names and _ONLY.search(tool_output):
        names = ("ArgMin",)
    if not names:
        return None
    message = f"TPU-MLIR does not support {', '.join(names)}"
    return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, names)
