"""Output of `run_joint`, the runner of Pulsar 1 boards, to figures.

Format: Pulsar documentation, quick start, and the format strings of the run_joint sample. Indents
differ by version; the words and single blanks within a line do not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from npubench.backends.axera.lines import (
    DamagedError,
    need,
    put_once,
    reject_split_number,
    unparsed,
    whole_lines,
)
from npubench.backends.axera.tensors import Tensor, read_tensors
from npubench.records import Failure, Stage

_US = r"([0-9]{1,12})"
_MS = r"([0-9]{1,9}\.[0-9]{2})"
_RUN_TASK = re.compile(rf"\s*Run task took {_US} us \({_US} rounds for average\)\s*")
_PART = re.compile(rf"\s*Run (NEU|ONNX|AXE) took an average of {_US} us \(overhead {_US} us\)\s*")
_CREATE = re.compile(
    rf"\s*Create handle took {_MS} ms \(neu {_MS} ms, onnx {_MS} ms, axe {_MS} ms, overhead {_MS} ms\)\s*"
)
_PERF_TOTAL = re.compile(rf"\s*NPU perf cnt total: {_US}")
_PERF_EU = re.compile(rf"\s*NPU perf cnt of eu\(([0-9]{{1,3}})\): {_US}")
_CMM = re.compile(rf"\s*CMM usage: {_US}")
_NPU_MODE = re.compile(r"\s*virtual npu (?:mode is ([0-9]_[0-9])|(disable))")
_TEXTS = {
    "runner_version": re.compile(r"\s*run joint version: (\S+)"),
    "tools_version": re.compile(r"\s*tools version: (\S+)"),
    "quantization": re.compile(r"\s*Quantization Type is (8 bit|16 bit|unknown)"),
    "batch_size": re.compile(r"\s*Using batch size ([0-9]{1,6})"),
    "wbt": re.compile(r"\s*Using wbt ([0-9]{1,6})"),
    "random_inputs": re.compile(r"\s*input\[[0-9]+\] .* (using random data|using default value)"),
}
_ENDS_OPEN = re.compile(r"\s*(?:NPU perf cnt|CMM usage)\b")
_KNOWN = re.compile(r"\s*(?:Run (?:task|NEU|ONNX|AXE)\b|Create handle\b|NPU perf cnt\b|CMM usage\b)")
_FOLLOWS = re.compile(
    r"\s*(?:$|(?:NPU perf cnt|Create handle|Run|CMM usage|Get CMM|Not set|dump|Using|Max Batch|Support"
    r"|Is Filter|Quantization|run joint|virtual npu|tools version|Memory|Shape|Size)\b|(?:[Ii]nput|Output)\[)"
)
"""What may come after a line that ends in a number; after anything else its rest may be elsewhere."""
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_COUNTERS_APART = 0.01
"""Share of the total by which the counters of the units may miss it; a lost digit is far more."""
_ROUNDING_MS = 0.03
"""Five numbers of two decimals, each up to half a hundredth off."""


@dataclass(frozen=True, slots=True)
class Part:
    """Mean time of one kind of subgraph, us, and the runtime's own overhead within it."""

    us: int
    overhead_us: int


@dataclass(frozen=True, slots=True)
class RunJoint:
    """One call of run_joint. Times in us; `create_ms` has total, neu, onnx, axe and overhead.

    `host_overhead_us` is the run task minus its parts; None unless all parts are known to be there
    and they do not exceed the task. `perf_eu` maps the number of an execution unit to its cycles; the
    counters are there only when the units add up to the total.
    """

    run_task_us: int
    rounds: int
    parts: Mapping[str, Part]
    host_overhead_us: int | None
    create_ms: Mapping[str, float] | None = None
    cmm_bytes: int | None = None
    npu_mode: str | None = None
    perf_total: int | None = None
    perf_eu: Mapping[int, int] = field(default_factory=dict)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def parse_run_joint(text: str) -> RunJoint | Failure:
    """The figures of one or several equal printouts; UNPARSED_OUTPUT for anything doubtful."""
    try:
        return _parse(whole_lines(text))
    except DamagedError as damage:
        return unparsed(Stage.MEASURE, "run_joint", str(damage), text)


def _parse(lines: list[str]) -> RunJoint:
    found: dict[str, Any] = {}
    parts: dict[str, Part] = {}
    perf_eu: dict[int, int] = {}
    for previous, line, following in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if _ENDS_OPEN.match(line) and not _FOLLOWS.match(following):
            reject_split_number(line, following)
        elif not _note_part(line, parts, perf_eu) and not _note(line, found) and _KNOWN.match(line):
            raise DamagedError(f"the line {line.strip()[:80]!r} is not whole")
        if (known := re.fullmatch(_TEXTS["tools_version"], previous)) and _COMMIT.fullmatch(line.strip()):
            put_once(found, f"commit of tools {known[1]}", line.strip())
    task_us, rounds = need(found, "run task")
    _check(task_us, rounds, parts, found)
    commit = found.get(f"commit of tools {found.get('tools_version')}")
    texts = {key: str(found[key]) for key in _TEXTS if key in found}
    inputs, outputs = read_tensors(lines)
    # The lines end with their number: only a sum tells that none of them lost its last digits.
    counted, total = sum(perf_eu.values()), found.get("NPU perf cnt total", 0)
    counters_add_up = bool(perf_eu) and abs(counted - total) <= _COUNTERS_APART * total
    return RunJoint(
        run_task_us=task_us,
        rounds=rounds,
        parts=parts,
        host_overhead_us=_host_overhead(lines, task_us, parts),
        create_ms=found.get("create handle"),
        cmm_bytes=found.get("CMM usage"),
        npu_mode=found.get("NPU mode"),
        perf_total=found.get("NPU perf cnt total") if counters_add_up else None,
        perf_eu=perf_eu if counters_add_up else {},
        inputs=inputs,
        outputs=outputs,
        texts=texts | ({"tools_commit": commit} if commit else {}),
    )


def _note_part(line: str, parts: dict[str, Part], perf_eu: dict[int, int]) -> bool:
    if match := _PART.fullmatch(line):
        part = Part(int(match[2]), int(match[3]))
        if parts.setdefault(match[1], part) != part:
            raise DamagedError(f"two different times of {match[1]}")
    elif match := _PERF_EU.fullmatch(line):
        eu, count = int(match[1]), int(match[2])
        if perf_eu.setdefault(eu, count) != count:
            raise DamagedError(f"two different counts of eu({eu})")
    return match is not None


def _note(line: str, found: dict[str, Any]) -> bool:
    if match := _RUN_TASK.fullmatch(line):
        put_once(found, "run task", (int(match[1]), int(match[2])))
    elif match := _CREATE.fullmatch(line):
        names = ("total", "neu", "onnx", "axe", "overhead")
        put_once(found, "create handle", dict(zip(names, map(float, match.groups()), strict=True)))
    elif match := _PERF_TOTAL.fullmatch(line):
        put_once(found, "NPU perf cnt total", int(match[1]))
    elif match := _CMM.fullmatch(line):
        put_once(found, "CMM usage", int(match[1]))
    elif match := _NPU_MODE.fullmatch(line):
        put_once(found, "NPU mode", match[1] or match[2])
    else:
        for key, pattern in _TEXTS.items():
            if match := pattern.fullmatch(line):
                put_once(found, key, match[1])
                break
    return match is not None


def _check(task_us: int, rounds: int, parts: Mapping[str, Part], found: Mapping[str, Any]) -> None:
    if task_us == 0 or rounds == 0:
        raise DamagedError("a run task of 0 us or 0 rounds")
    if not parts:
        raise DamagedError("there is no whole line of a NEU, ONNX or AXE part")
    for name, part in parts.items():
        if part.us > task_us:
            raise DamagedError(f"{name} took {part.us} us within a run task of {task_us} us")
    create = found.get("create handle")
    if create:
        total = sum(value for key, value in create.items() if key != "total")
        if abs(total - create["total"]) > _ROUNDING_MS:
            raise DamagedError(f"create handle took {create['total']} ms, but its parts {total:.2f} ms")


def _host_overhead(lines: list[str], task_us: int, parts: Mapping[str, Part]) -> int | None:
    """Only when the part lines follow the task line and are followed by the performance counters.

    Otherwise one may be missing, and the host would be charged with its time.
    """
    lines = [line for line in lines if line.strip()]
    starts = [i for i, line in enumerate(lines) if _RUN_TASK.fullmatch(line)]
    for start in starts:
        names: list[str] = []
        for line in lines[start + 1 :]:
            match = _PART.fullmatch(line)
            if match is None:
                if not _PERF_TOTAL.fullmatch(line) or set(names) != set(parts):
                    return None
                break
            names.append(match[1])
        else:
            return None
    overhead_us = task_us - sum(part.us for part in parts.values())
    return overhead_us if overhead_us >= 0 else None
