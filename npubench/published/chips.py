"""Names of chips: one table of aliases (reports/published/chips.toml) that every room asks.

Publishers write one chip in many ways (`rk 3588`, `RK-3588`, `Rockchip RK3588`) and several chips in one
string (`RK3566/RK3568`, `3x BM1684X`). What a mode of a table says of the NPU (`single core`, `2 cores`,
`Half`) is read here, too.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean, printable
from npubench.storage.files import data_root
from npubench.storage.json import convert


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip, or what a publisher's string of several stands for."""

    name: str  # as pages write it
    vendor: str
    also: tuple[str, ...] = ()  # other spellings of the same chip
    cores: int | None = None  # NPU cores that work side by side; None: not told
    members: tuple[str, ...] = ()  # chips that the string stands for; none: it is one chip
    count: int = 1  # of equal chips that work together
    either: bool = False  # one of `members`, and nobody says which; else each of them
    related: tuple[str, ...] = ()  # chips that are near, and not the same
    note: str = ""  # what a reader has to know

    @property
    def single(self) -> bool:
        """Whether it is one chip; figures of several are no figures of one."""
        return not self.members

    @property
    def speaks_for(self) -> tuple[str, ...]:
        """Chips whose figure a figure under this name is: itself, or each of two that share a column."""
        if self.single:
            return (self.name,)
        return () if self.either or self.count > 1 else self.members


@cache
def chips() -> Mapping[str, Chip]:
    """Every chip of the table by its canonical name, in the table's order."""
    return {one.name: one for one in convert(_table()["chip"], tuple[Chip, ...])}


@cache
def _table() -> Mapping[str, Any]:
    file = data_root() / "reports" / "published" / "chips.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def where_to_look(chip: str, topic: str) -> str:
    """Where a missing fact of a chip is likely to be found: what to look for, and in whose documents.

    `topic` is a key of the table's `[look]`. Raises KeyError for another.
    """
    found = find_chip(chip)
    documents = _table()["documents"].get(found.vendor if found else "", "the chip's data sheet")
    return f"{_table()['look'][topic]}: see {documents}"


def find_chip(name: str) -> Chip | None:
    """The chip of that name in any spelling; None of a name that the table does not have.

    `2x RK3588` is two of a known chip, `RK3588/RK3576` both of two known ones, also where the table has no
    such string.
    """
    known = _by_key()
    if found := known.get(_key(name)):
        return found
    for vendor in _vendors():
        rest = _key(name).removeprefix(vendor)
        if rest != _key(name) and (found := known.get(rest)):
            return found
    return _several(name)


def chip_of(name: str) -> Chip:
    """The same. Raises UsageError that names the nearest for a name that the table does not have."""
    if found := find_chip(name):
        return found
    hint = did_you_mean(name, [*chips(), *(also for one in chips().values() for also in one.also)])
    shown = printable(name, 60)
    raise UsageError(f"no chip is called '{shown}'{hint}: `npubench results --published` lists their names")


def same_chip(one: str, other: str) -> bool:
    """Whether two names are of one chip; unknown names are compared letter by letter, without case."""
    return canonical(one) == canonical(other)


def canonical(name: str) -> str:
    """The name that pages write; an unknown one without what is never told apart (case, blanks, hyphens)."""
    return chip_named(name).name


def chip_named(name: str) -> Chip:
    """The chip of that name, of which nothing else is known where the table does not have it."""
    return find_chip(name) or Chip(_key(name).upper(), "")


_SEVERAL = re.compile(r"\s*(\d{1,3})\s*[x×*]\s*(\S.*)", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:[/,&+]|\bor\b|\band\b)\s*")


def _several(name: str) -> Chip | None:
    if found := _SEVERAL.fullmatch(name):
        one, count = find_chip(found[2]), int(found[1])
        if one is None or not one.single or count < 1:
            return None
        if count == 1:
            return one
        note = f"{count} chips that work together: no figure of one {one.name}"
        return Chip(f"{count}x {one.name}", one.vendor, members=(one.name,), count=count, note=note)
    parts = _BETWEEN.split(name.strip())
    members = [find_chip(part) for part in parts] if 1 < len(parts) <= 4 else []
    named = [one for one in members if one is not None and one.single]
    if not named or len(named) < len(parts):
        return None
    if len({one.name for one in named}) == 1:
        return named[0]
    cores = {one.cores for one in named}
    return Chip(
        "/".join(one.name for one in named),
        "/".join(dict.fromkeys(one.vendor for one in named)),
        cores=cores.pop() if len(cores) == 1 else None,
        members=tuple(one.name for one in named),
        note=f"{len(named)} chips in one string: equal figures are told of all of them",
    )


def _key(name: str) -> str:
    """What stays of a name when case, blanks, hyphens and brackets are taken away."""
    return re.sub(r"[\W_]+", "", name.casefold().replace("/", "slash")).replace("slash", "/")


@cache
def _by_key() -> Mapping[str, Chip]:
    return {_key(name): one for one in chips().values() for name in (one.name, *one.also)}


@cache
def _vendors() -> tuple[str, ...]:
    return tuple(dict.fromkeys(_key(one.vendor) for one in chips().values()))


@dataclass(frozen=True, slots=True)
class Mode:
    """What a table's mode says; None or 0 where it does not."""

    cores: int | None = None  # NPU cores that ran it
    halved: bool = False  # one of two halves of the NPU
    batch: int | None = None  # inputs a call
    threads: int | None = None  # callers at once
    modules: int = 1  # accelerators behind one host


_CORES = re.compile(r"\b(\d{1,2})[\s-]*cores?\b|\bNPU(\d)\b", re.IGNORECASE)
_ONE_CORE = re.compile(r"\b(?:single|one)[\s_-]*core\b", re.IGNORECASE)
_HALF = re.compile(r"\bhalf\b|\b1_1\b|\b11[12]\b", re.IGNORECASE)
_BATCH = re.compile(r"\bbatch(?:[\s_-]*size)?[\s:=_-]*(\d{1,4})\b|\b(?:bs|b)(\d{1,4})\b", re.IGNORECASE)
_THREADS = re.compile(
    r"\b(\d{1,3})[\s-]*(?:threads?|workers?|goroutines?)\b|\b(?:pool|threads?)(?:[\s-]*(?:of|size))?[\s:=-]*(\d{1,3})\b",
    re.IGNORECASE,
)
_MODULES = re.compile(r"\b(\d{1,2})[\s-]*modules?\b", re.IGNORECASE)


def mode_of(text: str) -> Mode:
    """What is read of a mode such as `2 cores, batch 4`, `single core`, `NPU1`, `Half`."""
    cores = 1 if _ONE_CORE.search(text) else _number(_CORES, text)
    return Mode(
        cores,
        bool(_HALF.search(text)),
        _number(_BATCH, text),
        _number(_THREADS, text),
        _number(_MODULES, text) or 1,
    )


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return next((int(one) for one in found.groups() if one), None) if found else None


def share_of_mode(chip: Chip, mode: Mode) -> float | None:
    """Part of the NPU that a mode's figures are of: n of the chip's cores, or a half; None: not told."""
    if mode.cores and chip.cores:
        return min(1.0, mode.cores / chip.cores)
    return 0.5 if mode.halved else None
