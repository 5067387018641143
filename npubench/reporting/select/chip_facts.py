"""What is known of a chip, figure by figure: decoder, memory, price, power, clock, peak.

A `FactSheet` holds a candidate's facts, its board's own first. Each question gives what was `Told`: every
value with its source, the one that counts first. Contradictory ones stay: a verdict that one of them flips
says so.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Bound
from npubench.domain.specs import BoardSpec, Fact
from npubench.published.chip_facts import facts_of
from npubench.published.chips import find_chip, same_chip, where_to_look
from npubench.reporting.select.decode_text import Rate, decode_text
from npubench.reporting.select.fact_texts import (
    Amount,
    megahertz,
    memory_is_hosts,
    memory_sizes,
    us_dollars,
    watts,
)

LEVELS = ("chip", "module", "board")
"""What a price or a power may be of. Figures of different levels are never compared."""


@dataclass(frozen=True, slots=True)
class FactSheet:
    """Facts of one chip on one board."""

    chip: str = ""  # name
    own: tuple[Fact, ...] = ()  # of the board itself: they win
    inherited: tuple[Fact, ...] = ()  # of the chip, and of other boards with it

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All of them, the board's own first."""
        return (*self.own, *self.inherited)

    def of(self, *fields: str) -> Iterator[Fact]:
        """Facts of these fields: the board's own by the order of the fields, then the inherited ones."""
        for facts in (self.own, self.inherited):
            for field in fields:
                yield from (fact for fact in facts if fact.field == field)

    def get(self, field: str) -> Fact | None:
        """The first fact of a field."""
        return next(self.of(field), None)


def sheet_of(board: str, chip: str, boards: Sequence[BoardSpec]) -> FactSheet:
    """Facts of the board of that name, of its chip, and of other boards with that chip."""
    own = tuple(fact for one in boards if one.name == board for fact in one.facts)
    others = [
        replace(fact, condition=fact.condition or f"board {one.name}")
        for one in boards
        if one.name != board and same_chip(one.chip, chip)
        for fact in one.facts
    ]
    said = {(fact.field, fact.value) for fact in own}
    inherited: list[Fact] = []
    for fact in (*facts_of(chip), *others):
        if (fact.field, fact.value) not in said:
            said.add((fact.field, fact.value))
            inherited.append(fact)
    return FactSheet(chip, own, tuple(inherited))


@dataclass(frozen=True, slots=True)
class FactValue:
    """A figure with where it was taken from."""

    value: float  # in the unit that the function names; of a range the upper end
    source: str  # where it was taken from
    about: str = ""  # chip, module or board
    low: float | None = None  # the lower end of a range
    bound: Bound = Bound.EXACT  # upper: at most; lower: at least
    how: str = ""  # measured, listed, typical, about, maximum, option, for the user, denied, half of the NPU
    condition: str = ""  # under which it holds, or which product it is of
    date: str = ""  # of the source
    field: str = ""  # of the fact
    text: str = ""  # of the fact, as the source has it
    width: int | None = None  # of the largest frame that a decoder is told to take, pixels
    height: int | None = None
    others: tuple["FactValue", ...] = ()  # what other facts of the same level say

    @property
    def said(self) -> str:
        """The fact in its source's words, with what it is about, its condition, source and date."""
        return _in_words(self.text, (self.about, self.condition), (self.source, self.date))


def said(fact: Fact) -> str:
    """The same of a fact without a figure."""
    text = f"{fact.field}: {fact.value}"
    return _in_words(text, (level_of(fact), fact.condition), (fact.source, fact.date))


def _in_words(text: str, about: Iterable[str], source: Iterable[str]) -> str:
    aside = "; ".join(filter(None, about))
    return f"{text}{f' ({aside})' if aside else ''}: {', '.join(filter(None, source))}"


@dataclass(frozen=True, slots=True)
class Told:
    """All that is told of one figure."""

    values: tuple[
        FactValue, ...
    ] = ()  # the first counts; the others are of other sources, products, conditions
    elsewhere: tuple[FactValue, ...] = ()  # of another level than is asked
    wordless: tuple[Fact, ...] = ()  # facts that speak of it without a figure that can be read
    of_host: bool = False  # a fact says that the host's counts
    look: str = ""  # where to look for what is missing
    silent: tuple[Fact, ...] = ()  # listings that name others and not this

    @property
    def first(self) -> FactValue | None:
        """The value that counts."""
        return self.values[0] if self.values else None

    @property
    def first_with_others(self) -> FactValue | None:
        """The value that counts, which knows what the others say."""
        return replace(self.values[0], others=self.values[1:]) if self.values else None

    def others(self, verdict: Callable[[FactValue], object]) -> tuple[FactValue, ...]:
        """Values by which the verdict would be another than by the first."""
        if not self.values:
            return ()
        counts = verdict(self.values[0])
        return tuple(one for one in self.values[1:] if verdict(one) != counts)


def level_of(fact: Fact, own: bool = False) -> str:
    """What a fact is about: as it says, else as its field does; a board's own power is the board's."""
    by_field = _LEVEL_OF_FIELD.get(fact.field, "board" if own and fact.field.startswith("power") else "chip")
    return fact.about or by_field


_LEVEL_OF_FIELD = {
    "price_chip": "chip",
    "price_core_module": "module",
    "price_board": "board",
    "price": "board",
    "board": "board",
    "board_memory": "board",
}


def _value(fact: Fact, sheet: FactSheet, amount: Amount, how: str = "") -> FactValue:
    return FactValue(
        amount.value,
        fact.source,
        level_of(fact, fact in sheet.own),
        amount.low,
        amount.bound,
        amount.how or how,
        *(fact.condition, fact.date, fact.field),
        f"{fact.value} {fact.unit}" if fact.unit and _bare(fact.value) else fact.value,
    )


def _bare(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


NEAR = 0.01
"""Values that differ by less are one: 34 GB/s and 33.8."""


def _apart(values: Iterable[FactValue]) -> tuple[FactValue, ...]:
    """Without what repeats an earlier value of the same level."""
    found: list[FactValue] = []
    for one in values:
        if not any(
            abs(one.value - other.value) <= NEAR * other.value
            and (one.about, one.bound) == (other.about, other.bound)
            for other in found
        ):
            found.append(one)
    return tuple(found)


def _of_level(values: Sequence[FactValue], level: str | None, wordless: Iterable[Fact], look: str) -> Told:
    """Those of the level asked; without one, of the smallest that is told of."""
    told = [one.about for one in values]
    level = level or next((one for one in LEVELS if one in told), None)
    return Told(
        _apart(one for one in values if one.about == level),
        tuple(one for one in values if one.about != level),
        tuple(wordless),
        look=look,
    )


def price_told(sheet: FactSheet, level: str | None = None) -> Told:
    """US dollars of the chip, the module or the board; without a level of the smallest that has a price."""
    values, wordless = [], []
    for fact in sheet.of("price_chip", "price_core_module", "price_board", "price"):
        amount = us_dollars(fact.value)
        if amount is None:
            wordless.append(fact)
        else:
            values.append(_value(fact, sheet, amount))
    return _of_level(values, level, wordless, where_to_look(sheet.chip, "price"))


def power_told(sheet: FactSheet, level: str | None = None) -> Told:
    """Watts at load of the chip, the module or the board; a maximum is a bound. Idle power is no power."""
    values, wordless = [], []
    for fact in sheet.of("power_w", "power_range_w", "power_max_w"):
        amounts = watts(fact.value)
        if not amounts:
            wordless.append(fact)
        for amount in amounts[:1]:
            most = fact.field == "power_max_w" and amount.bound is Bound.EXACT
            bounded = replace(amount, bound=Bound.UPPER, how="maximum") if most else amount
            values.append(_value(fact, sheet, bounded))
    return _of_level(values, level, wordless, where_to_look(sheet.chip, "power"))


_MEMORY = (
    "board",
    "board_memory",
    "memory_capacity",
    "memory_user",
    "board_memory_split",
    "memory",
    "memory_max",
)
_PREFERENCE = ("for the user", "", "in all", "option")


def memory_told(sheet: FactSheet) -> Told:
    """Bytes of memory: of the board's own facts, then of the part that is free to use, then as listed."""
    values, hosts = [], False
    for fact in sheet.of(*_MEMORY):
        hosts = hosts or memory_is_hosts(fact.value)
        values += [_value(fact, sheet, amount) for amount in memory_sizes(fact.value)]
    own = {(fact.field, fact.source) for fact in sheet.own}

    def order(one: FactValue) -> tuple[bool, bool, int]:
        return (one.field, one.source) not in own, one.bound is not Bound.EXACT, _PREFERENCE.index(one.how)

    values.sort(key=order)
    sizes = {(one.value, one.bound): one for one in reversed(values)}
    told = tuple(one for one in values if sizes[one.value, one.bound] is one)
    return Told(told, of_host=hosts and not values, look=where_to_look(sheet.chip, "memory"))


def decode_told(sheet: FactSheet, codec: str) -> Told:
    """Pixels a second that the decoder takes of `codec`; 0.0 where a fact denies it (`how` is denied).

    A measured rate comes before a listed one. A text that names other codecs alone says nothing of this one;
    `wordless` has facts that say that it is decoded and not how fast.
    """
    fields = (f"{codec}_decode_measured_fps", f"video_decode_{codec}", "video_decode", "decode_streams")
    still = ("video_decode_jpeg",) if codec == "mjpeg" else ()
    values: list[FactValue] = []
    wordless: list[Fact] = []
    silent: list[Fact] = []
    for fact in sheet.of(*fields, *still, "video_decode_other", f"{codec}_decode"):
        if fact.field == f"{codec}_decode":
            if _DENIES.match(fact.value):
                values.append(_decoder(fact, sheet, None, "denied"))
            else:
                wordless.append(fact)
            continue
        told = decode_text(fact.value)
        named = fact.field in (fields[0], fields[1], "video_decode_jpeg")
        rate = told.rates.get(codec) or (told.unnamed if named else None)
        if rate is not None:
            how = "measured" if fact.field == fields[0] else "listed"
            values.append(_decoder(fact, sheet, rate, how))
        elif told.denies(codec):
            values.append(_decoder(fact, sheet, None, "denied"))
        elif codec in told.without_rate or told.unnamed:
            wordless.append(fact)
        elif told.rates and fact.field.startswith("video_decode"):
            silent.append(fact)
    hosts = not values and not wordless and memory_told(sheet).of_host
    look = where_to_look(sheet.chip, "decode")
    # A chip without memory of its own holds no frame either: its host decodes.
    return Told(_apart(_of_one_source(values)), (), tuple(wordless), hosts, look, tuple(silent))


_DENIES = re.compile(r"\s*(?:no|none|not supported|unsupported)\s*(?:\(|[;,.]|\Z)", re.IGNORECASE)
"""`no` alone: `no node found` says that somebody has not seen one."""


def _decoder(fact: Fact, sheet: FactSheet, rate: Rate | None, how: str) -> FactValue:
    value = _value(fact, sheet, Amount(rate.pixels_per_s if rate else 0.0), how)
    return replace(value, width=rate.width if rate else None, height=rate.height if rate else None)


def _of_one_source(values: Sequence[FactValue]) -> Iterator[FactValue]:
    """One source may tell a rate of one stream and a higher one of many: that is one decoder."""
    for at, one in enumerate(values):
        same = [other for other in values if _listed_with(one, other)]
        if any(_listed_with(one, other) for other in values[:at]):
            continue
        best = max(same, key=lambda other: other.value, default=one)
        largest = max(same, key=lambda other: (other.width or 0) * (other.height or 0), default=one)
        yield replace(one, value=best.value, width=largest.width, height=largest.height)


def _listed_with(one: FactValue, other: FactValue) -> bool:
    key = (one.source, one.how, one.field.endswith("_other"))
    return one.value > 0 < other.value and key == (other.source, other.how, other.field.endswith("_other"))


def clock_told(sheet: FactSheet) -> Told:
    """Megahertz of the NPU at its highest operating point."""
    values = [
        _value(fact, sheet, amount)
        for fact in sheet.of("npu_clock_MHz")
        for amount in megahertz(fact.value)[:1]
    ]
    return Told(_apart(values), look=where_to_look(sheet.chip, "clock"))


def npu_cores(sheet: FactSheet) -> int | None:
    """NPU cores that work side by side: a fact that is a number, else the table of chips."""
    told = next((int(fact.value) for fact in sheet.of("npu_cores") if fact.value.isdecimal()), None)
    chip = find_chip(sheet.chip) if told is None else None
    return told or (chip.cores if chip else None)


def peak_mac_per_s(sheet: FactSheet) -> FactValue | None:
    """Peak INT8 multiply-accumulates a second: half the listed TOPS, an operation being half a MAC.

    `how` is `half of the NPU` where the exact figure is of that.
    """
    for fact, figure in _matching(sheet, r"peak (\d+(?:\.\d+)?) TMAC/s", "npu_mac_per_cycle_111"):
        return _value(fact, sheet, Amount(figure * 1e12), "half of the NPU")
    for fact, figure in _matching(sheet, r"\A\s*(\d+(?:\.\d+)?)", "npu_tops_int8"):
        # Sparse TOPS count products with zero that nobody computes: no roof of a dense network.
        if "sparse" not in fact.value:
            return _value(fact, sheet, Amount(figure * 0.5e12))
    return None


def bandwidth_bytes_per_s(sheet: FactSheet) -> FactValue | None:
    """Memory bandwidth: a fact of its own, else bus width times rate of the `memory` fact."""
    listed = ("memory_bandwidth_GBps", "memory_bandwidth_theoretical_GBps")
    for fact, figure in _matching(sheet, r"\A\s*(\d+(?:\.\d+)?)", *listed):
        return _value(fact, sheet, Amount(figure * 1e9))
    for fact in sheet.of("memory"):
        if found := re.search(r"(\d+)-bit .*?(\d+) Mbit/s", fact.value):
            return _value(fact, sheet, Amount(int(found[1]) * int(found[2]) * 1e6 / 8))
    return None


def _matching(sheet: FactSheet, pattern: str, *fields: str) -> Iterator[tuple[Fact, float]]:
    """Facts whose text the pattern finds a number in."""
    for fact in sheet.of(*fields):
        if found := re.search(pattern, fact.value):
            yield fact, float(found[1])
