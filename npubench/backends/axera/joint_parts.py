"""What the parts of a .joint run on: NEU subgraphs on the NPU, ONNX and AXE subgraphs on the CPU.

run_joint names only which kinds there are. `pulsar info --part_info` lists the parts; its table is documented
nowhere, so a row is read by what each has to hold: a part's number (`part_0`, or first in a row below a head
of parts) and its kind, as a word or as the suffix of its file (`part_0.neu`, `.lava`, `.axe`, `.onnx`).
Operators count where a row names them.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from npubench.backends.axera.lines import DamagedError, put_once, whole_lines
from npubench.backends.axera.run_joint import RunJoint

NPU, CPU = "NPU", "CPU"
RUNS_ON = {"NEU": NPU, "ONNX": CPU, "AXE": CPU}
_KINDS = {"neu": "NEU", "lava": "NEU", "npu": "NEU", "onnx": "ONNX", "axe": "AXE", "axengine": "AXE"}
_PART = re.compile(r"\bpart[_ -]?([0-9]{1,4})(?![0-9])", re.IGNORECASE)
_HEAD = re.compile(r"\bparts?\b", re.IGNORECASE)
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
            numbers = set(_PART.findall(line))
            if not numbers and below and (first := _FIRST.match(line)):
                numbers = {first[1]}
            below = below or _HEAD.search(line) is not None
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
    if len(places) > 1 and len(operators) == 1:
        return dict.fromkeys(operators, CPU)
    found: dict[str, str] = {}
    for part in sorted(parts, key=lambda part: RUNS_ON[part.kind], reverse=True):
        found |= dict.fromkeys(part.words & set(operators), RUNS_ON[part.kind])
    return {operator: found[operator] for operator in operators if operator in found}
