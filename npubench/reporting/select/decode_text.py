"""What a text says of a decoder: `8K60 H.265/VP9, 8K30 H.264`, `HEVC 3840x2160@60`, `H.264 only, 1080p60`.

The text is as a source has it. Read are rates with the codecs that they stand beside, and codecs that the
text denies; what can be understood in two ways is left out, never guessed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Rate:
    """What a decoder takes of one codec."""

    pixels_per_s: float
    width: int | None = None  # of the largest frame named, pixels; None: only its pixels are told
    height: int | None = None

    def joined(self, other: "Rate") -> "Rate":
        """Both of one decoder: the higher rate and the larger frame."""
        larger = max(self, other, key=lambda one: (one.width or 0) * (one.height or 0))
        return replace(larger, pixels_per_s=max(self.pixels_per_s, other.pixels_per_s))


@dataclass(frozen=True, slots=True)
class DecodeText:
    """A text understood; codecs are called h264, h265, av1, vp9, mjpeg and so on."""

    rates: dict[str, Rate] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()  # the text says that they are not decoded
    without_rate: frozenset[str] = frozenset()  # named, and no rate for sure theirs
    only: bool = False  # the text says that there are no others than those named
    nothing: bool = False  # the text says that nothing is decoded
    unnamed: Rate | None = None  # a rate beside which no codec stands

    def denies(self, codec: str) -> bool:
        """Whether the text says that this codec is not decoded."""
        named = {*self.rates, *self.without_rate}
        return self.nothing or codec in self.denied or (self.only and bool(named) and codec not in named)


CODECS = {
    "h264": r"H\.?\s?264|AVC",
    "h265": r"H\.?\s?265|HEVC",
    "av1": r"AV1",
    "vp9": r"VP-?9",
    "vp8": r"VP-?8",
    "avs2": r"AVS2",
    "avs3": r"AVS3",
    "mjpeg": r"M-?JPEG|Motion\s?JPEG|JPEG",
    "mpeg4": r"MPEG-?4",
    "mpeg2": r"MPEG-?2",
    "vc1": r"VC-?1",
}
"""Codec to the ways of writing it."""

_CODEC = re.compile(
    r"(?<![A-Za-z])(?:"
    + "|".join(f"(?P<{name}>{text})" for name, text in CODECS.items())
    + r")(?![A-Za-z0-9])",
    re.IGNORECASE,
)


def codec_of(text: str) -> str | None:
    """The codec that a word such as `HEVC`, `H.265`, `h265` or `avc` means; None of another."""
    found = _CODEC.fullmatch(text.strip())
    return found.lastgroup if found else None


FRAMES = {
    "480p": (854, 480),
    "576p": (720, 576),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2160p": (3840, 2160),
    "4320p": (7680, 4320),
    "4k": (3840, 2160),
    "8k": (7680, 4320),
    "uhd": (3840, 2160),
    "fhd": (1920, 1080),
}
"""Names of frames to width and height. `4K` is often 4096x2304: the smaller reading promises less."""

_NAMED = r"(?:480|576|720|1080|1440|2160|4320)p|[48]K(?:\s?UHD)?|UHD|Full[\s-]?HD|FHD"
_FRAME = (
    rf"(?:(?P<name>{_NAMED})|(?P<wide>\d{{3,5}})\s?x\s?(?P<high>\d{{3,5}})(?:p(?=\W*\d))?"
    r"|(?P<mp>\d{1,2}(?:\.\d+)?)\s?MP)"
)
_UNIT = r"(?:fps|frames?\s?/\s?s(?:ec)?|frames?\sper\ssecond|Hz)"
_STREAMS = r"(?:channels?|ch|streams?|ways?)"
_END = rf"\s*(?:\Z|[/)]|{'|'.join(CODECS.values())})"
_FPS = r"(?P<fps>\d{1,4}(?:\.\d+)?)(?:\s?(?:-|to|/)\s?(?P<other>\d{1,4})(?![\dpKb.]|\s?-?bit))?"
_SPEED = re.compile(
    rf"""(?<![\w.])
    (?:(?P<count>\d{{1,3}})\s?(?:x|[-\s]?{_STREAMS}(?:\s?of|\s?x|\s?@|:)?)\s?)?
    {_FRAME}
    (?: \s?(?:@|at\b)\s?p? | (?<=[pP\dK])p?(?=\d)
      | \s(?=\d{{1,4}}(?:\.\d+)?\s?{_UNIT}) | \s(?=\d{{1,3}}{_END}) | (?<=MP)(?=\d) )\s?
    {_FPS} \s?(?:p\b|{_UNIT})?
    (?:\s?x\s?(?P<times>\d{{1,3}})(?![\dpKx.]|\sx) | \s(?P<ways>\d{{1,3}})[-\s]?{_STREAMS}\b)?
    (?![\dxK])
    """,
    re.IGNORECASE | re.VERBOSE,
)
_RATE_FIRST = re.compile(
    rf"(?<![\w.]){_FPS}\s?(?:{_UNIT}\s?(?:at|@|of|in)?|at|@)\s?{_FRAME}(?![\dxK])", re.IGNORECASE
)
_PIXELS = re.compile(
    r"(?<![\w.])(?P<figure>\d+(?:\.\d+)?)\s?(?P<prefix>[MG])(?:pix(?:els?)?|px)\s?(?:/\s?s|per second)",
    re.IGNORECASE,
)

_LOWER, _LARGE = 16, 8192
"""A frame's side that is no frame: what is beyond is a count, a rate or a slip."""


def _frame(found: re.Match[str]) -> tuple[float, int | None, int | None] | None:
    """Pixels, width and height."""
    if found["name"]:
        name = re.sub(r"[\s-]", "", found["name"].lower())
        wide, high = FRAMES[{"4kuhd": "4k", "8kuhd": "8k", "fullhd": "fhd"}.get(name, name)]
        return float(wide * high), wide, high
    if found["mp"]:
        return float(found["mp"]) * 1e6, None, None
    wide, high = int(found["wide"]), int(found["high"])
    return (float(wide * high), wide, high) if max(wide, high) <= _LARGE else None


def _rate(found: re.Match[str]) -> Rate | None:
    groups = found.groupdict()
    # Of `25/30` and `30-60` the lower promises less.
    fps = min(float(one) for one in (groups["fps"], groups["other"]) if one)
    count = int(groups.get("count") or groups.get("times") or groups.get("ways") or 1)
    frame = _frame(found)
    if frame is None or fps <= 0 or count < 1:
        return None
    return Rate(frame[0] * fps * count, frame[1], frame[2])


class _What(Enum):
    CODEC = auto()
    RATE = auto()


@dataclass(slots=True)
class _Run:
    """Codecs, or rates, that stand side by side."""

    what: _What
    codecs: list[str] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)


def _runs(part: str) -> list[_Run]:
    tokens: list[tuple[int, int, str | Rate]] = []
    for found in _CODEC.finditer(part):
        tokens.append((found.start(), found.end(), found.lastgroup or ""))
    for pattern in (_SPEED, _RATE_FIRST, _PIXELS):
        for found in pattern.finditer(part):
            if any(found.start() < end and start < found.end() for start, end, _ in tokens):
                continue
            rate = _pixel_rate(found) if pattern is _PIXELS else _rate(found)
            if rate is not None:
                tokens.append((found.start(), found.end(), rate))
    runs: list[_Run] = []
    for _, _, token in sorted(tokens, key=lambda one: one[0]):
        what = _What.CODEC if isinstance(token, str) else _What.RATE
        if not runs or runs[-1].what is not what:
            runs.append(_Run(what))
        if isinstance(token, str):
            runs[-1].codecs.append(token)
        else:
            runs[-1].rates.append(token)
    return runs


def _pixel_rate(found: re.Match[str]) -> Rate:
    return Rate(float(found["figure"]) * (1e9 if found["prefix"] in "gG" else 1e6))


_NO = re.compile(r"\b(?:no|not|without|except|excluding|un\w*supported|lacks?)\b|\bn/a\b", re.IGNORECASE)
_ENCODE = re.compile(r"\bencod\w*|\benc\b", re.IGNORECASE)
_ENCODE_ONLY = re.compile(r"\bencod\w*[\s-]+only\b|\bonly[\s-]+encod\w*", re.IGNORECASE)
_DECODE = re.compile(r"\bdecod\w*|\bdec\b", re.IGNORECASE)
_ONLY = re.compile(r"\bonly\b", re.IGNORECASE)
_BOTH = re.compile(
    r"\b(?:encod\w*\s?(?:and|\+|/|&)\s?decod\w*|decod\w*\s?(?:and|\+|/|&)\s?encod\w*)", re.IGNORECASE
)
_BRACKET = re.compile(r"\(([^()]*)\)")
_FRAME_CODEC_FPS = re.compile(
    rf"\b({_NAMED})\s({'|'.join(CODECS.values())})\s(?:at|@)\s?(\d{{1,3}})\s?{_UNIT}", re.IGNORECASE
)
_NOTHING = re.compile(
    r"\s*(?:none|no (?:hardware |video )*(?:decod\w*|codec)|(?:in )?software only|not supported)\b",
    re.IGNORECASE,
)


def _plain(text: str) -> str:
    """One way of writing: `x` for times, both codecs of `H.264/265` in full, no remarks in brackets."""
    text = re.sub(r"\s*[×*✕]\s*(?=\d)", " x ", text)
    text = re.sub(r"(?<=\d)\s+x\s+(?=\d{3,5}(?![\dpK]))", "x", text).replace("–", "-").replace("＠", "@")
    text = re.sub(r"\bMPEG-?4\s?(?:Part\s?10\s?[,/]?\s?)?AVC\b", "H.264", text, flags=re.IGNORECASE)
    text = re.sub(r"\bH\.?264\s?([/&])\s?(?:26)?5\b", r"H.264\1H.265", text, flags=re.IGNORECASE)
    text = re.sub(r"\bH\.?265\s?([/&])\s?(?:26)?4\b", r"H.265\1H.264", text, flags=re.IGNORECASE)
    text = _BOTH.sub("decode", text)
    for word, count in (("dual|two", 2), ("quad|four", 4), ("single|one", 1)):
        text = re.sub(
            rf"\b(?:{word})[\s-](?=(?:{_NAMED})\b|(?:{_NAMED})p?@?\d)",
            f"{count} x ",
            text,
            flags=re.IGNORECASE,
        )
    text = _FRAME_CODEC_FPS.sub(r"\1@\3 \2", text)
    text = re.sub(r"\bwhile\b.*", "", text, flags=re.IGNORECASE | re.DOTALL)
    text = re.sub(rf",\s*(?=\d+(?:\.\d+)?\s?{_UNIT})", " ", text, flags=re.IGNORECASE)
    return _BRACKET.sub(_remark, text)


def _remark(found: re.Match[str]) -> str:
    """What a bracket adds: codecs, rates, or that a codec is denied; a calculation adds nothing."""
    inside = found[1]
    rest = inside
    for pattern in (_SPEED, _RATE_FIRST, _CODEC):
        rest = pattern.sub(" ", rest)
    if not re.search(r"\w", rest):
        return f" {inside} "
    denial = _ENCODE_ONLY.search(inside) or (_NO.search(inside) and not _CODEC.search(inside))
    return f" {inside} " if denial and not re.search(r"\d", inside) else " "


class _Reader:
    """Parts of a text in order, and what is still waiting for its other half."""

    def __init__(self) -> None:
        self.rates: dict[str, Rate] = {}
        self.denied: set[str] = set()
        self.without: set[str] = set()
        self.unnamed: list[Rate] = []
        self.only = False
        self._codecs: list[str] = []  # that wait for a rate
        self._waiting: list[Rate] = []  # for codecs
        self._last_codecs: list[str] = []  # of what was complete, codecs first
        self._last_rates: list[Rate] = []  # of what was complete, rates first
        self._behind: list[str] = []  # codecs behind rates: theirs, if what follows is no codec with a rate

    def give(self, codecs: Iterable[str], rates: Sequence[Rate]) -> None:
        """Each codec takes all of the rates."""
        for codec in codecs:
            for rate in rates:
                self.rates[codec] = self.rates[codec].joined(rate) if codec in self.rates else rate

    def part(self, runs: list[_Run]) -> None:
        """One part between commas."""
        if len(runs) == 1 and runs[0].what is _What.CODEC:
            self._codecs_alone(runs[0].codecs)
        elif len(runs) == 1:
            self._rates_alone(runs[0].rates)
        elif runs and runs[0].what is _What.CODEC:
            self._codecs_first(runs)
        elif runs:
            self._rates_first(runs)

    def _codecs_alone(self, codecs: list[str]) -> None:
        if self._waiting:
            self.give(codecs, self._waiting)
            self._last_rates, self._waiting = self._waiting, []
        elif self._last_rates:
            self._behind += codecs
        else:
            self._codecs += codecs

    def _rates_alone(self, rates: list[Rate]) -> None:
        if self._codecs:
            self._last_codecs, self._codecs = [*self._last_codecs, *self._codecs], []
            self.give(self._last_codecs, rates)
        elif self._last_codecs:
            self.give(self._last_codecs, rates)
        else:
            self._settle()
            self._waiting += rates

    def _codecs_first(self, runs: list[_Run]) -> None:
        # `4K60 H.265, H.264, AV1 1080p60`: H.264 may belong to either side.
        self.without.update(self._behind)
        self._behind, self._last_rates, self._waiting = [], [], []
        self.give((*self._codecs, *runs[0].codecs), runs[1].rates)
        self._codecs = []
        for first, second in zip(runs[2::2], runs[3::2], strict=False):
            self.give(first.codecs, second.rates)
        pairs = len(runs) // 2 * 2
        self._last_codecs = list(runs[pairs - 2].codecs)
        if pairs < len(runs):
            self._last_codecs, self._codecs = [], list(runs[-1].codecs)

    def _rates_first(self, runs: list[_Run]) -> None:
        self._settle()
        self.without.update(self._codecs)
        self._codecs, self._last_codecs = [], []
        self.give(runs[1].codecs, (*self._waiting, *runs[0].rates))
        self._waiting = []
        for first, second in zip(runs[2::2], runs[3::2], strict=False):
            self.give(second.codecs, first.rates)
        pairs = len(runs) // 2 * 2
        self._last_rates = list(runs[pairs - 2].rates)

    def _settle(self) -> None:
        self.give(self._behind, self._last_rates)
        self._behind, self._last_rates = [], []

    def deny(self, codecs: Iterable[str]) -> None:
        """These are not decoded; a list that goes on behind them is no list of what is."""
        self.denied.update(codecs)
        self._settle()
        self._last_codecs = []

    def finish(self) -> DecodeText:
        """What was understood."""
        self._settle()
        without = (self.without | {*self._codecs}) - self.rates.keys() - self.denied
        unnamed = None
        for rate in self._waiting:
            unnamed = unnamed.joined(rate) if unnamed else rate
        rates = {codec: rate for codec, rate in self.rates.items() if codec not in self.denied}
        return DecodeText(
            rates,
            frozenset(self.denied),
            frozenset(without),
            self.only,
            unnamed=None if rates or without else unnamed,
        )


def decode_text(text: str) -> DecodeText:
    """Rates by codec, and what is denied. Empty for a text that says nothing that is understood."""
    reader = _Reader()
    for statement in re.split(r"[;\n]", _plain(text)):
        encodes = denies = False
        for number, part in enumerate(_parts(statement)):
            runs = _runs(part)
            codecs = [codec for run in runs for codec in run.codecs]
            if _ENCODE.search(part) and not _DECODE.search(part):
                denied = _ENCODE_ONLY.search(part) and not any(run.rates for run in runs)
                reader.deny(codecs if denied else ())
                encodes = encodes or _labelled(part) or (number == 0 and not denied)
                continue
            encodes = encodes and not _DECODE.search(part)
            if encodes:
                continue
            if _NO.search(part) or (denies and not any(run.rates for run in runs)):
                denies = True
                # `no more than 4K60 H.265` denies nothing.
                reader.deny(codecs if not any(run.rates for run in runs) else ())
                continue
            denies = False
            reader.only = reader.only or bool(codecs and _ONLY.search(part))
            reader.part(runs)
    told = reader.finish()
    silent = not (told.rates or told.without_rate or told.denied or told.unnamed)
    return replace(told, nothing=silent and bool(_NOTHING.match(text)) and "host" not in text.casefold())


def _labelled(part: str) -> bool:
    """Whether a part begins with `encode`, which then holds for what follows it."""
    return bool(re.match(r"\W*(?:video\s+)?encod", part, re.IGNORECASE))


def _parts(statement: str) -> Iterator[str]:
    yield from re.split(r",|\s\+\s|\band\b|&", statement)
