"""Output of `pulsar version`, `pulsar info` and `pulsar run`.

Format: Pulsar documentation.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from npubench.backends.axera.lines import DamagedError, put_once, unparsed, whole_lines
from npubench.domain.records import Accuracy, Failure, OutputAccuracy, Stage

_VERSION = re.compile(r"\s*([0-9]+(?:\.[0-9]+){1,4}(?:[-.]\w+)*)")
_COMMIT = re.compile(r"\s*([0-9a-f]{7,40})")
_LABELLED = re.compile(r"\s*(version|commit): ?(\S+)")
_VIRTUAL_NPU = re.compile(r"\s*Virtual NPU: AX620_VNPU_([0-9A-Z]+)\s*")
_MEMORY = re.compile(r"\s*Approx Memory: ([0-9]+(?:\.[0-9]+)?) (B|KB|MB|GB)\s*")
_TOOLCHAIN = re.compile(r"\s*Toolchain Version: (\S+)\s*")
_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
_SCORE = re.compile(
    r"(?:\[[^\]]*\])?\s*Layer: (\S+) +2-norm RE: ([0-9]{1,9}(?:\.[0-9]{1,6})?)%"
    r" +cosine-sim: (-?[01]\.[0-9]{4,9})\s*"
)


@dataclass(frozen=True, slots=True)
class JointInfo:
    """What a .joint says of itself: NPU mode (`111`, `112`, `0`), memory in bytes, toolchain commit."""

    npu_mode: str | None
    memory_bytes: int | None
    toolchain: str | None


def parse_version(text: str) -> Mapping[str, str]:
    """`version` and `commit` of `pulsar version` or `pulsar2 version`; empty when it is neither."""
    lines = [line for line in whole_lines(text if text.endswith("\n") else f"{text}\n") if line.strip()]
    found = {match[1]: match[2] for line in lines if (match := _LABELLED.fullmatch(line.rstrip()))}
    if found:
        return found
    for first, second in pairwise(lines):
        version, commit = _VERSION.fullmatch(first.rstrip()), _COMMIT.fullmatch(second.rstrip())
        if version and commit:
            return {"version": version[1], "commit": commit[1]}
    return {}


def parse_info(text: str) -> JointInfo | Failure:
    """The figures of `pulsar info`; UNPARSED_OUTPUT when it contradicts itself."""
    found: dict[str, str] = {}
    try:
        for line in whole_lines(text):
            if match := _VIRTUAL_NPU.fullmatch(line):
                put_once(found, "virtual NPU", match[1])
            elif match := _TOOLCHAIN.fullmatch(line):
                put_once(found, "toolchain", match[1])
            elif match := _MEMORY.fullmatch(line):
                put_once(found, "memory", str(round(float(match[1]) * _BYTES[match[2]])))
    except DamagedError as damage:
        return unparsed(Stage.COMPILE, "pulsar info", str(damage), text)
    memory = found.get("memory")
    mode = found.get("virtual NPU")
    return JointInfo(
        npu_mode="0" if mode == "DISABLE" else mode,
        memory_bytes=None if memory is None else int(memory),
        toolchain=found.get("toolchain"),
    )


def parse_scores(text: str) -> Mapping[str, OutputAccuracy] | Failure:
    """The score table of `pulsar run`, by output; empty without one.

    UNPARSED_OUTPUT when a row is damaged: the worst output may be the one that is missing.
    """
    scores: dict[str, OutputAccuracy] = {}
    inside = False
    try:
        for line in whole_lines(text):
            if match := _SCORE.fullmatch(line):
                put_once(scores, match[1], OutputAccuracy(float(match[3]), round(float(match[2]) / 100, 8)))
            elif inside and "Layer" in line:
                raise DamagedError(f"the line {line.strip()[:80]!r} is not whole")
            inside = inside or "Score compare table" in line
        if any(abs(score.cosine) > 1 for score in scores.values()):
            raise DamagedError("a cosine beyond 1")
    except DamagedError as damage:
        return unparsed(Stage.COMPILE, "pulsar run", str(damage), text)
    return scores if inside else {}


def accuracy(scores: Mapping[str, OutputAccuracy], outputs: Sequence[str]) -> Accuracy | None:
    """The worst cosine and relative error; None unless the score of every output is there."""
    if not scores or len(scores) < len(outputs):
        return None
    return Accuracy(
        cosine=min(score.cosine for score in scores.values()),
        psnr_db=None,
        max_abs=None,
        relative_error=max(score.relative_error for score in scores.values()),
        outputs=scores,
    )
