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
    whole_lines_and_rest,
)
from npubench.backends.axera.tensors import Tensor, read_tensors
from npubench.domain.records import Failure, FailureClass, Stage

_US = r"([0-9]{1,12})"
_MS = r"([0-9]{1,9}\.[0-9]{2})"
_RUN_TASK = re.compile(rf"\s*Run task took {_US} us \({_US} rounds for average\)\s*")
_PART = re.compile(rf"\s*Run (NEU|ONNX|AXE) took an average of {_US} us \(overhead {_US} us\)\s*")
_CREATE = re.compile(
    rf"\s*Create handle took {_MS} ms"
    rf" \(neu {_MS} ms, (?:onnx {_MS} ms, )?axe {_MS} ms, overhead {_MS} ms\)\s*"
)
_PERF_TOTAL = re.compile(rf"\s*NPU perf cnt total: {_US}")
_PERF_EU = re.compile(rf"\s*NPU perf cnt of eu\(([0-9]{{1,3}})\): {_US}")
_CMM = re.compile(rf"\s*CMM usage: {_US}")
_NPU_MODE = re.compile(r"\s*virtual npu (?:mode is ([0-9]_[0-9])|(disable)!?)")
_TEXTS = {
    "runner_version": re.compile(r"\s*run joint version: (\S+)"),
    "tools_version": re.compile(r"\s*tools version: (\S+)"),
    "quantization": re.compile(r"\s*Quantization Type is ((?:8|16|32) bit|mix|unknown)"),
    "batch_size": re.compile(r"\s*Using batch size ([0-9]{1,6})"),
    "wbt": re.compile(r"\s*Using wbt ([0-9]{1,6})"),
    "random_inputs": re.compile(r"\s*input\[[0-9]+\] .* (using random data|using default value)"),
}
_ENDS_OPEN = re.compile(r"\s*(?:NPU perf cnt|CMM usage)\b")
_COUNTER = re.compile(r"\s*NPU perf cnt\b")
_KNOWN = re.compile(r"\s*(?:Run (?:task|NEU|ONNX|AXE)\b|Create handle\b|NPU perf cnt\b|CMM usage\b)")
_FOLLOWS = re.compile(
    r"\s*(?:$|(?:NPU perf cnt|Create handle|Run|CMM usage|Get CMM|Not set|dump|Using|Max Batch|Support"
    r"|Is Filter|Quantization|run joint|virtual npu|tools version|Memory|Shape|Size)\b|(?:[Ii]nput|Output)\[)"
)
"""What may come after a line that ends in a number; after anything else its rest may be elsewhere."""
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_AFTER_PARTS = re.compile(r"\s*(?:NPU perf cnt total: |dump output\[|can not dump output\[)")
_BRACKETED = (_RUN_TASK, _PART, _CREATE)
"""Lines whose last bracket proves them whole, whatever follows it."""
_STRAY = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffd]")
_CUT_PART = re.compile(r"\s*Run\b")
_COUNTERS_APART = 0.01
"""Share of the total by which it may miss what the counters of the units allow; a lost digit is far more."""
_ROUNDING_US = 1
"""By which each part may exceed what is left of the task: all are whole microseconds of other clocks."""
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

    `parts_whole` says that no part can be missing from `parts`, `host_overhead_us` is then the run task minus
    them, else None. `perf_eu` maps the number of an execution unit to its cycles. Units work at the same
    time: the counters are there only when the total is between the busiest unit's and the sum of all.
    """

    run_task_us: int
    rounds: int
    parts: Mapping[str, Part]
    host_overhead_us: int | None
    parts_whole: bool = False
    create_ms: Mapping[str, float] | None = None
    cmm_bytes: int | None = None
    npu_mode: str | None = None
    perf_total: int | None = None
    perf_eu: Mapping[int, int] = field(default_factory=dict)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def parse_run_joint(text: str, *, exited_well: bool = False) -> RunJoint | Failure:
    """The figures of one or several equal printouts; UNPARSED_OUTPUT for anything doubtful.

    `exited_well` says that the runner is known to have ended with exit code 0 after printing this: then a
    line end at the very end proves that nothing is missing, and a part that breaks off was lost on the way.
    """
    said, rest = whole_lines_and_rest(text)
    *lines, last = map(_without_binary, (*said, rest))
    try:
        if _is_closed(last):
            lines.append(last)
        elif exited_well and _CUT_PART.match(last):
            raise DamagedError(f"it ends within the line {last.strip()[:80]!r}")
        return _parse(lines, exited_well and not rest)
    except DamagedError as damage:
        return unparsed(Stage.MEASURE, "run_joint", str(damage), text)


def wrong_rounds(call: RunJoint, repeat: int) -> Failure | None:
    """The failure of an average over other rounds than were asked for; the first of several is dropped."""
    asked = repeat - 1 if repeat > 1 else 1
    if call.rounds == asked:
        return None
    message = (
        f"run_joint averaged over the wrong rounds: {call.rounds}, where --repeat {repeat} makes {asked}"
    )
    return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)


def _is_closed(line: str) -> bool:
    """Whether a line that may have been cut shows by its last bracket that it was not."""
    return any(pattern.fullmatch(line) for pattern in _BRACKETED)


def _without_binary(line: str) -> str:
    """The line as far as its closing bracket, where what follows has bytes that are no text."""
    whole = next((match for pattern in _BRACKETED if (match := pattern.match(line))), None)
    return whole[0].rstrip() if whole and _STRAY.search(line, whole.end()) else line


def _parse(lines: list[str], complete: bool) -> RunJoint:
    found: dict[str, Any] = {}
    parts: dict[str, Part] = {}
    perf_eu: dict[int, int] = {}
    counters_whole = True
    for previous, line, following in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if _ENDS_OPEN.match(line) and not _FOLLOWS.match(following):
            reject_split_number(line, following)
        elif not _note_part(line, parts, perf_eu) and not _note(line, found) and _KNOWN.match(line):
            if not _COUNTER.match(line):
                raise DamagedError(f"the line {line.strip()[:80]!r} is not whole")
            counters_whole = False
        if (known := re.fullmatch(_TEXTS["tools_version"], previous)) and _COMMIT.fullmatch(line.strip()):
            put_once(found, f"commit of tools {known[1]}", line.strip())
    task_us, rounds = need(found, "run task")
    _check(task_us, rounds, parts, found)
    commit = found.get(f"commit of tools {found.get('tools_version')}")
    texts = {key: str(found[key]) for key in _TEXTS if key in found}
    inputs, outputs = read_tensors(lines)
    total = found.get("NPU perf cnt total", 0)
    counters_fit = counters_whole and _counters_fit(total, perf_eu)
    parts_whole = _parts_whole(lines, parts, complete)
    return RunJoint(
        run_task_us=task_us,
        rounds=rounds,
        parts=parts,
        host_overhead_us=max(0, task_us - sum(part.us for part in parts.values())) if parts_whole else None,
        parts_whole=parts_whole,
        create_ms=found.get("create handle"),
        cmm_bytes=found.get("CMM usage"),
        npu_mode=found.get("NPU mode"),
        perf_total=total if counters_fit else None,
        perf_eu=perf_eu if counters_fit else {},
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
        values = (float(value or 0) for value in match.groups())
        put_once(found, "create handle", dict(zip(names, values, strict=True)))
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
    in_parts_us = sum(part.us for part in parts.values())
    if in_parts_us > task_us + _ROUNDING_US * len(parts):
        took = " and ".join(f"{name} {part.us} us" for name, part in parts.items())
        raise DamagedError(f"{took} exceed the run task of {task_us} us that they are parts of")
    create = found.get("create handle")
    if create:
        total = sum(value for key, value in create.items() if key != "total")
        if abs(total - create["total"]) > _ROUNDING_MS:
            raise DamagedError(f"create handle took {create['total']} ms, but its parts {total:.2f} ms")


def _counters_fit(total: int, perf_eu: Mapping[int, int]) -> bool:
    """The lines end with their number: only such bounds tell that none of them lost its last digits."""
    least, most = max(perf_eu.values(), default=0), sum(perf_eu.values())
    apart = _COUNTERS_APART * total
    return bool(perf_eu) and total > 0 and least - apart <= total <= most + apart


def _parts_whole(lines: list[str], parts: Mapping[str, Part], complete: bool) -> bool:
    """Whether all parts are known to be there; else the host would be charged with the time of a lost one.

    They follow the task line, and what the runner prints next proves the list whole: the performance
    counters, or the dump of outputs. Runners without either print nothing more: then `complete` proves it.
    """
    said = [line for line in lines if line.strip()]
    starts = [i for i, line in enumerate(said) if _RUN_TASK.fullmatch(line)]
    for start in starts:
        names: set[str] = set()
        after = None
        for line in said[start + 1 :]:
            if (match := _PART.fullmatch(line)) is None:
                after = line
                break
            names.add(match[1])
        closed = complete and not after if after is None else _AFTER_PARTS.match(after)
        if not closed or names != set(parts):
            return False
    return bool(parts)
