"""Output of `run_joint`, the runner of Pulsar 1 boards, to figures.

Format: Pulsar documentation, quick start, and the format strings of the run_joint sample. Indents
differ by version; the words and single blanks within a line do not.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from npubench.backends.signature import Signature, Tolerance, ToolTensor
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.domain.specs import Shape
from npubench.tools.logs import (
    DamagedError,
    Field,
    need,
    not_whole,
    note_line,
    put_once,
    reading,
    reject_split_number,
    whole_lines,
    whole_lines_and_rest,
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the runner sees it; `kind` is the layout, type and colour it prints.

    `layout` is NHWC or NCHW, `dtype` a numpy name (or the runner's own, as `uint10_packed`); both are empty
    where it names none that it knows.
    """

    name: str
    shape: Shape
    kind: str
    memory: str
    size_bytes: int
    layout: str = ""
    dtype: str = ""


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
_STEPS = ("total", "neu", "onnx", "axe", "overhead")
_FIELDS: dict[str, Field] = {
    "run task": (_RUN_TASK, lambda line: (int(line[1]), int(line[2]))),
    "create handle": (
        _CREATE,
        lambda line: {name: float(ms or 0) for name, ms in zip(_STEPS, line.groups(), strict=True)},
    ),
    "NPU perf cnt total": (_PERF_TOTAL, lambda line: int(line[1])),
    "CMM usage": (_CMM, lambda line: int(line[1])),
    "NPU mode": (_NPU_MODE, lambda line: line[1] or line[2]),
    **{key: (pattern, lambda line: line[1]) for key, pattern in _TEXTS.items()},
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
    perf_eu: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@reading(Stage.MEASURE, "run_joint")
def parse_run_joint(text: str, *, exited_well: bool = False) -> RunJoint:
    """The figures of one or several equal printouts; UNPARSED_OUTPUT for anything doubtful.

    `exited_well` says that the runner is known to have ended with exit code 0 after printing this: then a
    line end at the very end proves that nothing is missing, and a part that breaks off was lost on the way.
    """
    printed, rest = whole_lines_and_rest(text)
    *lines, last = map(_without_binary, (*printed, rest))
    if any(pattern.fullmatch(last) for pattern in _BRACKETED):
        lines.append(last)
    elif exited_well and _CUT_PART.match(last):
        raise DamagedError(f"it ends within the line {last.strip()[:80]!r}")
    return _parse(lines, exited_well and not rest)


def wrong_rounds(call: RunJoint, repeat: int) -> Failure | None:
    """The failure of an average over other rounds than were asked for; the first of several is dropped."""
    asked = repeat - 1 if repeat > 1 else 1
    if call.rounds == asked:
        return None
    message = (
        f"run_joint averaged over the wrong rounds: {call.rounds}, where --repeat {repeat} makes {asked}"
    )
    return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)


def _without_binary(line: str) -> str:
    """The line as far as its closing bracket, where what follows has bytes that are no text."""
    whole = next((match for pattern in _BRACKETED if (match := pattern.match(line))), None)
    return whole[0].rstrip() if whole and _STRAY.search(line, whole.end()) else line


def _parse(lines: list[str], complete: bool) -> RunJoint:
    found: dict[str, Any] = {}
    parts: dict[str, Part] = {}
    perf_eu: dict[str, int] = {}
    counters_whole = True
    for previous, line, following in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if _ENDS_OPEN.match(line) and not _FOLLOWS.match(following):
            reject_split_number(line, following)
        elif _note_part(line, parts, perf_eu) or note_line(line, _FIELDS, found):
            pass
        elif _KNOWN.match(line):
            if not _COUNTER.match(line):
                raise not_whole(line)
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


def _note_part(line: str, parts: dict[str, Any], perf_eu: dict[str, Any]) -> bool:
    if match := _PART.fullmatch(line):
        put_once(parts, match[1], Part(int(match[2]), int(match[3])))
    elif match := _PERF_EU.fullmatch(line):
        put_once(perf_eu, match[1], int(match[2]))
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


def _counters_fit(total: int, perf_eu: Mapping[str, int]) -> bool:
    """The lines end with their number: only such bounds tell that none of them lost its last digits."""
    least, most = max(perf_eu.values(), default=0), sum(perf_eu.values())
    apart = _COUNTERS_APART * total
    return bool(perf_eu) and total > 0 and least - apart <= total <= most + apart


def _parts_whole(lines: list[str], parts: Mapping[str, Part], complete: bool) -> bool:
    """Whether all parts are known to be there; else the host would be charged with the time of a lost one.

    They follow the task line, and what the runner prints next proves the list whole: the performance
    counters, or the dump of outputs. Runners without either print nothing more: then `complete` proves it.
    """
    printed = [line for line in lines if line.strip()]
    for start, line in enumerate(printed, 1):
        if _RUN_TASK.fullmatch(line):
            names = [match[1] for match in takewhile(bool, map(_PART.fullmatch, printed[start:])) if match]
            after = printed[start + len(names) :][:1]
            closed = _AFTER_PARTS.match(after[0]) if after else complete
            if not closed or set(names) != set(parts):
                return False
    return bool(parts)


_HEAD = re.compile(r"\s*(Input|Output)\[([0-9]{1,4})\]: (.+)")
_SHAPE = re.compile(
    r"\s*Shape \[([0-9]{1,9}(?:, ?[0-9]{1,9})*)\](?: +(?P<layout>NHWC|NCHW|unknown))?"
    r"(?: +(?P<dtype>u?int[0-9]+|sint[0-9]+|float[0-9]+|uint[0-9]+_packed|unknown))?"
    r"(?: +(?P<colour>[A-Z]\w*))?(?: +Q=(?P<scale>[0-9.]+))?"
)
_MEMORY = re.compile(r"\s*Memory (Physical|Virtual|unknown)")
_SIZE = re.compile(r"\s*Size ([0-9]{1,12})")
_PATTERNS = (_HEAD, _SHAPE, _MEMORY, _SIZE)
_ITEM_BYTES = {
    **{"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4},
    **{"float16": 2, "float32": 4, "float64": 8},
}


def read_tensors(lines: list[str]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs in their order; a block that contradicts itself is left out.

    A line that belongs to no whole block, or a number that is missing, says that lines were lost or moved:
    then no block is believed, for one may have got the lines of another.
    """
    blocks = [
        [pattern.fullmatch(line) for pattern, line in zip(_PATTERNS, lines[at:], strict=False)]
        for at in range(len(lines) - len(_PATTERNS) + 1)
    ]
    whole = [[match for match in block if match] for block in blocks if all(block)]
    if sum(any(p.fullmatch(line) for p in _PATTERNS) for line in lines) != len(_PATTERNS) * len(whole):
        return (), ()
    found: dict[tuple[str, int], Tensor | None] = {}
    for head, *rest in whole:
        key, tensor = (head[1], int(head[2])), _tensor(head[3], *rest)
        found[key] = tensor if found.get(key, tensor) == tensor else None
    kinds = ("Input", "Output")
    numbers = [sorted(number for kind, number in found if kind == one) for one in kinds]
    if any(not listed or listed != list(range(len(listed))) for listed in numbers):
        return (), ()
    inputs, outputs = (
        tuple(t for key, t in sorted(found.items()) if key[0] == kind and t is not None) for kind in kinds
    )
    return inputs, outputs


def _tensor(name: str, described: re.Match[str], memory: re.Match[str], size: re.Match[str]) -> Tensor | None:
    shape = tuple(int(dim) for dim in described[1].split(","))
    kind = " ".join(described[0].partition("]")[2].split())
    layout, dtype = (_known(described[part]) for part in ("layout", "dtype"))
    item_bytes = _ITEM_BYTES.get(dtype)
    if item_bytes and "NV" not in kind and math.prod(shape) * item_bytes != int(size[1]):
        return None
    return Tensor(name, shape, kind, memory[1], int(size[1]), layout, dtype)


def _known(word: str | None) -> str:
    """The runner calls signed numbers `sint8`."""
    return "" if word in (None, "unknown") else str(word).replace("sint", "int")


NPU, CPU = "NPU", "CPU"
RUNS_ON = {"NEU": NPU, "ONNX": CPU, "AXE": CPU}
_KINDS = {"neu": "NEU", "lava": "NEU", "npu": "NEU", "onnx": "ONNX", "axe": "AXE", "axengine": "AXE"}
_LISTED_PART = re.compile(r"\bpart[_ -]?([0-9]{1,4})(?![0-9])", re.IGNORECASE)
_LISTED_HEAD = re.compile(r"\bparts?\b", re.IGNORECASE)
_FIRST = re.compile(r"[\s|+]*([0-9]{1,4})[\s|]")
_KIND = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(_KINDS)})(?![A-Za-z0-9])", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]\w*")


@dataclass(frozen=True, slots=True)
class JointPart:
    """A part of a .joint: NEU, ONNX or AXE; `words` are all words of its rows, among them operators."""

    number: int
    kind: str
    words: frozenset[str] = frozenset()


def read_parts(text: str) -> tuple[JointPart, ...]:
    """The parts that `pulsar info --part_info` lists, by number; none where it lists none, or two ways."""
    kinds: dict[str, str] = {}
    words: dict[str, set[str]] = {}
    below = False
    try:
        for line in whole_lines(text):
            numbers = set(_LISTED_PART.findall(line))
            if not numbers and below and (first := _FIRST.match(line)):
                numbers = {first[1]}
            below = below or _LISTED_HEAD.search(line) is not None
            named = {_KINDS[word.lower()] for word in _KIND.findall(line)}
            if len(numbers) == 1 and len(named) == 1:
                (number,) = numbers
                put_once(kinds, number, named.pop())
                words.setdefault(number, set()).update(_WORD.findall(line))
    except DamagedError:
        return ()
    parts = (JointPart(int(number), kind, frozenset(words[number])) for number, kind in kinds.items())
    return tuple(sorted(parts, key=lambda part: part.number))


def ran_on(calls: Iterable[RunJoint]) -> dict[str, str]:
    """Kind of part -> NPU or CPU, of the kinds that every call lists; empty unless all lists are whole."""
    lists = [frozenset(call.parts) if call.parts_whole else frozenset() for call in calls]
    kinds = set(lists)
    return {kind: RUNS_ON[kind] for kind in sorted(kinds.pop())} if len(kinds) == 1 else {}


def placement(
    operators: Collection[str], kinds: Mapping[str, str], parts: Collection[JointPart] = ()
) -> dict[str, str]:
    """Operator type -> NPU or CPU: of a model whose parts are all of one, or by what their rows name.

    `kinds` is what ran (`ran_on`), else what the artifact holds counts. An operator that a CPU part names is
    the CPU's, also where an NPU part has others of its type. Where parts of both are there and no row names
    an operator, it is unknown where it runs: then it is in no placement, but for a single operator.
    """
    places = set(kinds.values()) or {RUNS_ON[part.kind] for part in parts}
    if len(places) == 1:
        return dict.fromkeys(operators, places.pop())
    found: dict[str, str] = {}
    for part in sorted(parts, key=lambda part: RUNS_ON[part.kind], reverse=True):
        found |= dict.fromkeys(part.words & set(operators), RUNS_ON[part.kind])
    if len(places) > 1 and len(operators) == 1 and not found:
        return dict.fromkeys(operators, CPU)
    return {operator: found[operator] for operator in operators if operator in found}


PULSAR = Tolerance(
    layout="tensors lie as the configuration asks, by default NHWC",
    rank="a native layout gives four axes to vectors, too",
    dtypes={
        "float64": ("float32",),
        "float32": ("uint8", "int8", "uint16", "int16", "float16"),
        "float16": ("float32", "uint8", "int8", "uint16", "int16"),
        "int64": ("int32", "float32"),
        "int32": ("float32",),
        "int8": ("float32",),
        "uint8": ("float32", "int8"),
        "bool": ("uint8", "int8", "float32"),
    },
    dtypes_why="pictures go in as bytes, and what comes out is FP32 or what the configuration asks",
)
"""What a .joint differs in; it keeps names."""

_INFO_HEAD = re.compile(r"\W*NAME\W+I/O\?\W+SHAPE\b.*")
_ROW = re.compile(
    r"[|\s]*(?P<name>\S(?:.*?\S)?)[|\s]+(?P<side>IN|OUT)[|\s]+\[(?P<shape>[0-9, ]*)\]"
    r"(?:[|\s]+(?P<dtype>[a-z]+[0-9]+))?(?:[|\s].*)?"
)
_LIKE_A_ROW = re.compile(r".*[|\s](?:IN|OUT)[|\s]+\[.*")
_DTYPE = re.compile(r"u?int(?:8|16|32|64)|float(?:16|32|64)")
_PACKED = re.compile(r"\bNV(?:12|21)\b|YUV")


def of_info(text: str) -> Signature:
    """The table of `pulsar info`; nothing is told without one, or by one with a damaged row."""
    lines = whole_lines(text)
    start = next((at for at, line in enumerate(lines) if _INFO_HEAD.fullmatch(line)), None)
    if start is None:
        return Signature()
    found: dict[str, list[ToolTensor]] = {"IN": [], "OUT": []}
    for line in lines[start + 1 :]:
        if match := _ROW.fullmatch(line.rstrip()):
            found[match["side"]].append(ToolTensor(match["name"], _sizes(match["shape"]), match["dtype"]))
        elif _LIKE_A_ROW.fullmatch(line):
            return Signature()
    return Signature(tuple(found["IN"]), tuple(found["OUT"])) if any(found.values()) else Signature()


def of_run_joint(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Signature:
    """The blocks that run_joint prints; nothing is told where it prints none that are whole."""
    if not inputs and not outputs:
        return Signature()
    return Signature(tuple(map(_told, inputs)), tuple(map(_told, outputs)))


def _told(tensor: Tensor) -> ToolTensor:
    dtype = _DTYPE.search(tensor.kind)
    # Of NV12 the rows are those of brightness and colour together.
    shape = None if _PACKED.search(tensor.kind) else tensor.shape
    return ToolTensor(tensor.name, shape, dtype[0] if dtype else None)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(",") if size.strip())
