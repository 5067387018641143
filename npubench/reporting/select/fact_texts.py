"""Amounts out of the texts of facts: watts, US dollars, bytes of memory, megahertz.

The texts are as a source has them: `<= 8 W`, `2.5 W typical`, `7 to 25`, `5.33-21.59 USD`, `1 of 4 GB for the
user`. What is not understood gives nothing; another currency or a ratio such as W a TOPS is no amount.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from npubench.domain.figures import Bound


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount that a text names, in the unit of the function that read it."""

    value: float  # of a range the upper end
    low: float | None = None  # the lower end of a range
    bound: Bound = Bound.EXACT  # upper: at most; lower: at least
    how: str = ""  # typical, about, option, for the user, reserved


_NUMBER = r"(?<![\w.,])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_TO = r"\s*(?:-|–|—|~|to|and)\s*"
_AT_MOST = re.compile(
    r"(?:<=?|≤|\b(?:up to|at most|(?:no|not) more than|not (?:above|over)|under|below|less than|within"
    r"|max(?:imum|\.)?(?: of)?|peak(?: of)?))\s*\Z",
    re.IGNORECASE,
)
_AT_LEAST = re.compile(
    r"(?:>=?|≥|\b(?:at least|from|starting (?:at|from)|over|more than|above|min(?:imum|\.)?(?: of)?))\s*\Z",
    re.IGNORECASE,
)
_MOST_BEHIND = re.compile(r"\A\s*(?:max(?:imum)?\b|peak\b|or less\b|at most\b)", re.IGNORECASE)
_LEAST_BEHIND = re.compile(r"\A\s*(?:and up\b|or more\b|and more\b|\+|min(?:imum)?\b)", re.IGNORECASE)
_TYPICAL = re.compile(r"\btyp(?:ical(?:ly)?)?\b", re.IGNORECASE)
_ABOUT = re.compile(r"(?:~|≈|\b(?:about|approx\w*\.?|around|ca\.?|circa|roughly))\s*\Z", re.IGNORECASE)
_BRACKET = re.compile(r"\([^()]*\)")


def _amounts(text: str, units: Mapping[str, float], unit: str, bare: float | None) -> Iterator[Amount]:
    """Amounts in order. `unit` is a pattern of the unit with one group, a key of `units` in lower case.

    `bare` is the scale of a text that is a number or a range and no unit.
    """
    told = _BRACKET.sub(" ", text)
    if bare is not None and (alone := re.fullmatch(rf"\W*?{_NUMBER}(?:{_TO}{_NUMBER})?\s*", told)):
        yield _bounded(text, told, alone, [float(one) * bare for one in _numbers(alone[1], alone[2])])
        return
    for found in re.finditer(rf"{_NUMBER}\s*(?:{unit}{_TO}{_NUMBER}|{_TO}{_NUMBER})?\s*{unit}", told):
        first, named, second, other, last = found.groups()
        scales = (units[(named or last).lower()], units[last.lower()])
        pairs = zip(_numbers(first, second or other), scales, strict=False)
        yield _bounded(text, told, found, [number * scale for number, scale in pairs])


def _numbers(*texts: str | None) -> list[float]:
    return [float(one.replace(",", "")) for one in texts if one]


def _bounded(text: str, told: str, found: re.Match[str], ends: list[float]) -> Amount:
    """An amount with what the words around it say; a bracket may repeat it with a bound."""
    before, behind = told[: found.start(1)], told[found.end() :]
    repeated = (
        _AT_MOST.search(inside[0][: again.start()].lstrip("("))
        for inside in _BRACKET.finditer(text)
        for again in re.finditer(re.escape(found[1]), inside[0])
    )
    bound = Bound.EXACT
    if _AT_MOST.search(before) or _MOST_BEHIND.search(behind) or any(repeated):
        bound = Bound.UPPER
    elif _AT_LEAST.search(before) or _LEAST_BEHIND.search(behind):
        bound = Bound.LOWER
    beside = re.search(rf"{re.escape(found[0].strip())}\s*\(([^()]*)\)", text)
    near = " ".join(
        (re.split(r"[,;]", before)[-1], re.split(r"[,;]", behind)[0], beside[1] if beside else "")
    )
    if bound is Bound.EXACT and beside and _MOST_BEHIND.search(beside[1]):
        bound = Bound.UPPER
    how = "typical" if _TYPICAL.search(near) else "about" if _ABOUT.search(before) else ""
    return Amount(max(ends), min(ends) if len(ends) > 1 and min(ends) < max(ends) else None, bound, how)


_WATTS = {"w": 1.0, "watt": 1.0, "watts": 1.0, "mw": 1e-3}
_WATT = r"((?:m[Ww]|[Ww](?:atts?)?))\b(?!\s*(?:/|per\b|an?\b\s*(?:TOPS|core|stream|channel)))"


def watts(text: str) -> tuple[Amount, ...]:
    """Watts that a text names; a bare number or range is in watts. `5 V / 1 A` and `2 TOPS/W` name none."""
    return tuple(_amounts(text, _WATTS, _WATT, 1.0))


_HERTZ = {"mhz": 1.0, "ghz": 1e3}


def megahertz(text: str) -> tuple[Amount, ...]:
    """Megahertz that a text names; a bare number is in megahertz."""
    return tuple(_amounts(text, _HERTZ, r"([MG][Hh]z)\b", 1.0))


_USD = {"usd": 1.0}
_DOLLAR = re.compile(r"\bUS\s?\$|(?<![A-Za-z])\$|\b(?:US )?dollars?\b|\bUSD(?=\d|\b)", re.IGNORECASE)
_AHEAD = re.compile(rf"\bUSD\s+{_NUMBER}(?:{_TO}(?:USD\s*)?{_NUMBER})?(?!\s*USD|[\d.])")


def us_dollars(text: str) -> Amount | None:
    """The dearest price in US dollars that a text names, with the cheapest as the lower end of a range."""
    plain = _AHEAD.sub(_behind, _DOLLAR.sub(" USD ", text))
    found = list(_amounts(plain, _USD, r"(USD)\b(?!\s*(?:/|a|per)\s*(?:mo|y(?:ea)?r|h))", None))
    if not found:
        return None
    dearest = max(found, key=lambda one: one.value)
    cheapest = min(one.value if one.low is None else one.low for one in found)
    return replace(dearest, low=cheapest if cheapest < dearest.value else None)


def _behind(found: re.Match[str]) -> str:
    """`USD 99` as `99 USD`."""
    return f"{found[1]} - {found[2]} USD " if found[2] else f"{found[1]} USD "


_SIZES = {
    "GB": 2.0**30,
    "GiB": 2.0**30,
    "MB": 2.0**20,
    "MiB": 2.0**20,
    "Gbit": 2.0**27,
    "Gb": 2.0**27,
    "Mbit": 2.0**17,
}
"""Memories are of powers of two, whatever their seller calls them."""
_UNIT = r"(GiB|GB|MiB|MB|Gbit|Gb|Mbit)\b(?!\s*/\s*s)"
_NO_MEMORY = r"(?:eMMC|UFS|flash|NAND|NOR|SSD|NVMe|ROM|storage|SD\b|disk|microSD|EEPROM)"
_SIZE = re.compile(
    rf"(?<![\w.,])(?:(\d{{1,2}})\s*[x×]\s*)?((?:\d+(?:\.\d+)?\s*/\s*)*)(\d+(?:\.\d+)?)\s*{_UNIT}(?!\s*(?:[\w-]+\s)?{_NO_MEMORY})"
)
_PART = re.compile(rf"(?<![\w.,])(\d+(?:\.\d+)?)\s*(?:{_UNIT})?\s*(?:of|out of)\s*(\d+(?:\.\d+)?)\s*{_UNIT}")
_USABLE = re.compile(
    r"\A\s*(?:(?:is|are)\s)?(?:CMM|for (?:the )?(?:user|NPU|models|apps?\b)|usable|available|free|user\b)",
    re.IGNORECASE,
)
_TAKEN = re.compile(
    r"\A\s*(?:(?:is|are)\s)?(?:system|for (?:the )?(?:accelerator|system|OS|firmware)|reserved|kept)",
    re.IGNORECASE,
)
_NONE = re.compile(r"\b(?:none|no memory)\b(?: of its own)?", re.IGNORECASE)


def memory_is_hosts(text: str) -> bool:
    """Whether a text says that there is no memory of its own, but the host's."""
    return bool(_NONE.search(text)) and not _SIZE.search(text)


def memory_sizes(text: str) -> tuple[Amount, ...]:
    """Bytes of memory: the part that is free to use first, then what the text names, then options.

    Flash and other storage is none; `16-bit`, a rate and a bandwidth are no size.
    """
    usable: list[Amount] = []
    for found in _PART.finditer(text):
        unit = found[2] or found[4]
        part = Amount(float(found[1]) * _SIZES[unit], how="for the user")
        usable.append(part)
        usable.append(Amount(float(found[3]) * _SIZES[found[4]], how="in all"))
    rest = _PART.sub(" ", text)
    whole: list[Amount] = []
    for found in _SIZE.finditer(rest):
        behind = rest[found.end() :]
        if _TAKEN.search(behind):
            continue
        scale = _SIZES[found[4]] * int(found[1] or 1)
        numbers = [float(one) for one in (*found[2].split("/"), found[3]) if one.strip()]
        bound = Bound.UPPER if _AT_MOST.search(rest[: found.start()]) else Bound.EXACT
        how = "for the user" if _USABLE.search(behind) else ""
        named = [Amount(number * scale, bound=bound, how=how) for number in numbers]
        (usable if how else whole).extend(named)
    options = [replace(one, how="option") for one in whole[1:]] if usable or whole else []
    if usable:
        whole = [replace(one, how=one.how or "in all") for one in whole[:1]]
    sizes = (*usable, *whole[:1], *options)
    return tuple(
        {one.value: one for one in reversed(sizes)}[value] for value in dict.fromkeys(s.value for s in sizes)
    )
