"""Figures out of the texts of chip facts: prices, decoders, memory. What is not understood is None.

Every parser takes the text as a source has it (`boards/*.toml` quotes them) and never guesses: a price in
another currency, a decoder without a resolution or a memory without a size give nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from npubench.domain.specs import Fact

FRAMES = {
    "480p": (854, 480),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "4k": (3840, 2160),
    "8k": (7680, 4320),
}
_CODEC = re.compile(r"H\.?26([45])|\b(AV1|VP9|AVS2|MJPEG)\b", re.IGNORECASE)
_SPEED = re.compile(
    r"(?:(\d+)\s*x\s*)?\b(480p|720p|1080p|4K|8K)\s*(?:@\s*)?(\d{1,4})(?!\d|\s*[Kp]\b)", re.IGNORECASE
)
_MEASURED = re.compile(r"(\d+(?:\.\d+)?) at (\d+)x(\d+)")
_USD = re.compile(r"(\d+(?:\.\d+)?)(?:\s*-\s*(\d+(?:\.\d+)?))?\s*USD", re.IGNORECASE)
_MEMORY = r"(\d+(?:\.\d+)?)\s*(Gbit|GB|GiB|MB|MiB)\b(?!\s*(?:/s|eMMC))"
_NUMBER = r"\A\s*(\d+(?:\.\d+)?)"
_UNITS = {"Gbit": 2.0**27, "GB": 2.0**30, "GiB": 2.0**30, "MB": 2.0**20, "MiB": 2.0**20}
PRICES = {"chip": "price_chip", "module": "price_core_module", "board": "price_board"}


@dataclass(frozen=True, slots=True)
class FactValue:
    """A figure with where it was taken from."""

    value: float  # in the unit that the function names
    source: str  # where it was taken from
    about: str = ""  # what it is of, or how it is known


def price_usd(facts: Mapping[str, Fact], of: str | None = None) -> FactValue | None:
    """The dearest price named, of the chip, else the module, else the board, or only of what is asked."""
    for what in PRICES if of is None else (of,):
        fact = facts.get(PRICES[what]) or (facts.get("price") if what == "board" else None)
        if fact and (found := _USD.findall(fact.value)):
            return FactValue(max(float(high or low) for low, high in found), fact.source, what)
    return None


def power_w(facts: Mapping[str, Fact]) -> FactValue | None:
    """Watts of a `power_w` fact."""
    for fact, found in _matching(facts, r"\A\s*(\d+(?:\.\d+)?)\s*W?\b", "power_w"):
        return FactValue(float(found[1]), fact.source)
    return None


def _matching(facts: Mapping[str, Fact], pattern: str, *names: str) -> Iterator[tuple[Fact, re.Match[str]]]:
    """Those of the facts whose text the pattern finds something in."""
    for name in names:
        if (fact := facts.get(name)) and (found := re.search(pattern, fact.value)):
            yield fact, found


def memory_bytes(facts: Mapping[str, Fact]) -> FactValue | None:
    """Memory of the board, else of the chip; `about` is `up to` where the text says so."""
    for fact, found in _matching(facts, _MEMORY, "board", "memory"):
        about = "up to" if re.search(r"up to\s*$", fact.value[: found.start()]) else ""
        return FactValue(float(found[1]) * _UNITS[found[2]], fact.source, about)
    return None


def decode_pixels_per_s(facts: Mapping[str, Fact], codec: str) -> FactValue | None:
    """Pixels a second that the decoder takes of `codec`; 0.0 where the fact lists others only.

    A measured rate comes before the listed one. `8K30 H.264` and `H.264 4K60` are both read; codecs that
    stand before or after one speed share it.
    """
    measured = facts.get(f"{codec}_decode_measured_fps")
    if measured and (rates := _MEASURED.findall(measured.value)):
        best = max(float(fps) * int(one) * int(other) for fps, one, other in rates)
        return FactValue(best, measured.source, "measured")
    fact = facts.get("video_decode")
    listed = _listed(fact.value) if fact else {}
    return FactValue(listed.get(codec, 0.0), fact.source, "listed") if fact and listed else None


def _listed(text: str) -> dict[str, float]:
    """Codec to pixels a second, of a text such as `8K60 H.265/VP9, 8K30 H.264`."""
    found: dict[str, float] = {}
    codecs: list[str] = []
    for part in re.split(r"[,;]", text):
        here = [f"h26{digit}" if digit else other.lower() for digit, other in _CODEC.findall(part)]
        speeds = [
            float(count or 1) * int(fps) * FRAMES[frame.lower()][0] * FRAMES[frame.lower()][1]
            for count, frame, fps in _SPEED.findall(part)
        ]
        codecs = here or codecs
        for codec in codecs if speeds else ():
            found[codec] = max(found.get(codec, 0.0), *speeds)
    return found


def peak_mac_per_s(facts: Mapping[str, Fact]) -> FactValue | None:
    """Peak INT8 multiply-accumulates a second: half the listed TOPS, an operation being half a MAC."""
    for exact, found in _matching(facts, r"peak (\d+(?:\.\d+)?) TMAC/s", "npu_mac_per_cycle_111"):
        return FactValue(float(found[1]) * 1e12, exact.source, "half of the NPU")
    for fact, listed in _matching(facts, _NUMBER, "npu_tops_int8"):
        # Sparse TOPS count products with zero that nobody computes: no roof of a dense network.
        if "sparse" not in fact.value:
            return FactValue(float(listed[1]) * 0.5e12, fact.source)
    return None


def bandwidth_bytes_per_s(facts: Mapping[str, Fact]) -> FactValue | None:
    """Memory bandwidth: a fact of its own, else bus width times rate of the `memory` fact."""
    listed = ("memory_bandwidth_GBps", "memory_bandwidth_theoretical_GBps")
    for fact, found in _matching(facts, _NUMBER, *listed):
        return FactValue(float(found[1]) * 1e9, fact.source)
    for fact, found in _matching(facts, r"(\d+)-bit .*?(\d+) Mbit/s", "memory"):
        return FactValue(int(found[1]) * int(found[2]) * 1e6 / 8, fact.source)
    return None
