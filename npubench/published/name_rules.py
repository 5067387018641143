"""Rules for names that the reviewed list does not hold: which network a name of a publisher's style means.

They are data (reports/published/network_rules.toml). A name that no pattern fits whole joins to nothing.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from npubench.published.names import Input, Spelling, input_of, spelled
from npubench.storage.files import data_root


@dataclass(frozen=True, slots=True)
class Kind:
    """What a word such as `seg` at a name's end makes of the network."""

    suffix: str
    task: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern for names and what they mean; the head of network_rules.toml tells the fields."""

    name: str
    network: str  # with the pattern's groups in braces; empty: a name that is no network of vision
    confidence: str
    reason: str
    task: str = ""
    style: str = ""  # of publishers; empty: anybody's
    sample: str = ""
    variant: str = ""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    needs_kind: bool = False
    tasks: Mapping[str, str] = field(default_factory=dict)
    task_group: str = ""
    input: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    input_group: str = "size"
    head: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """How some publishers write, and what their tables have in common."""

    publishers: tuple[str, ...]
    also: tuple[str, ...] = ()  # further addresses of the first of them
    usual_inputs: bool = False  # a network has its usual input where the row tells none
    width_first: bool = False  # names tell the width before the height
    detection_head: str = ""  # where detectors end


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the rules make of a name."""

    network: str
    variant: str
    task: str
    size: Input
    batch: int | None
    head: str
    confidence: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The file."""

    rules: tuple[Rule, ...]
    kinds: Mapping[str, Kind]
    styles: Mapping[str, Style]

    def styles_of(self, publisher: str) -> tuple[str, ...]:
        """The styles that a publisher writes in, as known; none of anybody else."""
        return tuple(name for name, one in self.styles.items() if publisher in one.publishers)


def known_as(publisher: str) -> str:
    """The publisher as styles have it, for another address of theirs; letters are alike, as on GitHub."""
    return _publishers().get(publisher.casefold(), publisher)


@cache
def _publishers() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for one in rules().styles.values():
        found |= {name.casefold(): name for name in one.publishers}
        found |= {name.casefold(): one.publishers[0] for name in one.also}
    return found


def ruled(publisher: str, model: str, input_text: str) -> Ruled | None:
    """What the rules make of `model`; None: no rule fits."""
    parts = spelled(model)
    read = (parts, parts.unsized) if parts.unsized != parts else (parts,)
    found = [one for one in (_first(publisher, spelling, input_text) for spelling in read) if one]
    return next((one for one in found if one.confidence in ("high", "medium")), found[0] if found else None)


def _first(publisher: str, spelling: Spelling, input_text: str) -> Ruled | None:
    styles = rules().styles_of(publisher)
    for rule in rules().rules:
        if not rule.style or rule.style in styles:
            found = _matched(rule, spelling)
            if found is not None:
                style = rules().styles[styles[0]] if styles else Style(())
                return _meaning(rule, found, spelling, style, input_text)
    return None


def _matched(rule: Rule, spelling: Spelling) -> Mapping[str, str] | None:
    if not rule.network:
        whole = _pattern(rule.name).fullmatch("-".join(filter(None, (spelling.sample, spelling.stem))))
        return {} if whole else None
    if rule.sample and not _pattern(rule.sample).fullmatch(spelling.sample):
        return None
    stem, kind = spelling.stem, spelling.kind
    if kind and kind not in rule.kinds:
        # A word that this network does not take is a part of its name, unless the sample said it.
        if spelling.kind_of_sample:
            if rule.kinds:
                return None
            kind = ""
        else:
            stem, kind = f"{stem}-{kind}", ""
    if rule.needs_kind and not kind:
        return None
    found = _pattern(rule.name).fullmatch(stem)
    return None if found is None else {**{k: v or "" for k, v in found.groupdict().items()}, "kind": kind}


def _meaning(
    rule: Rule, groups: Mapping[str, str], spelling: Spelling, style: Style, input_text: str
) -> Ruled:
    words = {name: rule.words.get(name, {}).get(value, value) for name, value in groups.items()}
    kind = rules().kinds.get(groups.get("kind", ""))
    task = kind.task if kind else rule.tasks.get(groups.get(rule.task_group, ""), rule.task)
    name = rule.network.format_map(words) + (kind.suffix if kind else "")
    size, confidence, doubt = _size(rule, groups, spelling, style, input_text)
    head = spelling.head or rule.head or (style.detection_head if task in _WITH_BOXES else "")
    reason = "; ".join(filter(None, (f"rule: {rule.reason}", doubt)))
    batch = spelling.batch or size.batch
    return Ruled(name, rule.variant.format_map(words), task, size, batch, head, confidence, reason)


_WITH_BOXES = frozenset(("detection", "instance segmentation", "pose estimation", "rotated detection"))
_WORST = ("none", "low", "medium", "high")


def _size(
    rule: Rule, groups: Mapping[str, str], spelling: Spelling, style: Style, input_text: str
) -> tuple[Input, str, str]:
    """The input, what is left of the rule's confidence with it, and what is doubtful about it."""
    told, named = (
        input_of(input_text),
        spelling.size if not groups.get("pixels") else input_of(groups["pixels"]),
    )
    if style.width_first:
        named = Input(named.width, named.height)
    usual = input_of(rule.inputs.get(groups.get(rule.input_group, ""), rule.input))
    if not rule.network:
        return Input(), rule.confidence, ""
    if told.told and named.told:
        if sorted(_sides(told)) == sorted(_sides(named)):
            return told, rule.confidence, ""
        return Input(), "low", "the name and the row tell different inputs"
    if told.told or named.told:
        return (told if told.told else named), rule.confidence, ""
    if usual.told and style.usual_inputs:
        return usual, min(rule.confidence, "medium", key=_WORST.index), "its usual input, as none is told"
    return Input(), min(rule.confidence, "low", key=_WORST.index), "no input is told"


def _sides(size: Input) -> tuple[int, int]:
    return size.height or 0, size.width or 0


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


@cache
def rules() -> Rules:
    """The shipped rules, in their order."""
    file = data_root() / "reports" / "published" / "network_rules.toml"
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    return Rules(
        tuple(Rule(**{**one, "kinds": tuple(one.get("kinds", ()))}) for one in told["rule"]),
        {name: Kind(**one) for name, one in told["kinds"].items()},
        {
            name: Style(**{**one, "publishers": tuple(one["publishers"]), "also": tuple(one.get("also", ()))})
            for name, one in told["style"].items()
        },
    )
