"""A case's original log cut into its convert, copy and profile sections.

A heading is a line with the section's words alone (`model-convert`, `copy-to-device`, `profiling`, or one of
them), or with a case's name after them where the line is decorated: by rules, brackets or a number.
Each further convert section begins a further case.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from npubench.backends.axera.lines import plain
from npubench.tools.logs import case_name

_WORDS = {
    "convert": r"(?:model[-_ ]?)?conver(?:t|sion|ting)(?:[-_ ]model)?",
    "copy": r"copy(?:[-_ ]?(?:model[-_ ]?)?to[-_ ]?(?:the[-_ ]?)?(?:device|board))?",
    "profile": r"(?:model[-_ ]?)?profil(?:e|ing)",
}
_SECTION = re.compile(
    rf"(?:{'|'.join(f'(?P<{section}>{words})' for section, words in _WORDS.items())})(?![\w./-])",
    re.IGNORECASE,
)
_ANY_WORD = re.compile(r"conver|copy|profil", re.IGNORECASE)
"""What most lines have not, so that a large log costs little."""
_RULES = "=#*<>~+:.-\u2022\u3010\u3011\u300c\u300d" + "".join(
    map(chr, (*range(0x2010, 0x2016), *range(0x2500, 0x2600)))
)
"""What lines are decorated with: ASCII, dashes, box drawing, blocks and geometric shapes, CJK brackets."""
_DECORATION = f"{_RULES}[]() \t\r"
_TIME = re.compile(
    r"[\[(]?(?:20[0-9]{2}[-/][0-9]{2}[-/][0-9]{2}[ T])?[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,6})?[\])]?"
    r"[ \t|-]+(?:\[?(?:DEBUG|INFO|WARNING)\]?[ \t|-]+)?"
)
_NUMBER = re.compile(
    r"(?:section|step|stage|phase)[ \t:]*(?:[0-9]{1,2}[ \t:.)\]-]*)?"
    r"|[0-9]{1,2}(?:[ \t]?/[ \t]?[0-9]{1,2})?[ \t]?[.):\]-][ \t]*",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"(?:begins?|start(?:s|ed|ing)?|logs?|outputs?|results?|section|stage|step)\b[ \t:]*", re.IGNORECASE
)
_IS_OVER = re.compile(
    r"(?:done|end(?:s|ed)?|finish(?:ed)?|ok|success\w*|completed?|fail(?:ed|ure)?|errors?|took|time)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"[\w./+-]*\w")
_HEADING_LIMIT = 200


@dataclass(slots=True)
class CaseText:
    """The sections of one case; `name` is what a heading calls it, `headed` whether there is any heading.

    The end of the log is kept as it is: a last line that may have been cut has no line end.
    """

    name: str | None = None
    convert: str = ""
    copy: str = ""
    profile: str = ""
    headed: bool = True


def split_cases(text: str) -> list[CaseText]:
    """The cases of a log, in order. Without any heading the whole text stands in every section."""
    cases: list[CaseText] = []
    section, start = "convert", 0
    text = plain(text)
    for begin, line in _lines(text):
        heading = _heading(line)
        if heading is None:
            continue
        _add(cases, section, text[start:begin])
        if not cases or _begins(cases[-1], *heading):
            cases.append(CaseText(heading[1], convert=text[:begin] if not cases else ""))
        elif heading[1] and cases[-1].name is None:
            cases[-1].name = heading[1]
        section, start = heading[0], begin + len(line)
    _add(cases, section, text[start:])
    return cases or [CaseText(None, text, text, text, headed=False)]


def _lines(text: str) -> list[tuple[int, str]]:
    """Each line with its end, and where it begins."""
    found, begin = [], 0
    for line in text.split("\n"):
        found.append((begin, text[begin : begin + len(line) + 1]))
        begin += len(line) + 1
    return found


def _add(cases: list[CaseText], section: str, text: str) -> None:
    if cases:
        setattr(cases[-1], section, getattr(cases[-1], section) + text)


def _begins(case: CaseText, section: str, name: str | None) -> bool:
    other_name = name is not None and case.name is not None and name != case.name
    return other_name or (section == "convert" and bool(case.convert or case.copy or case.profile))


def _heading(line: str) -> tuple[str, str | None] | None:
    """The section that a line begins, and the case that it names."""
    if len(line) > _HEADING_LIMIT or not _ANY_WORD.search(line):
        return None
    dated = line.strip()
    inner = dated[time.end() :] if (time := _TIME.match(dated)) else dated
    core = inner.strip(_DECORATION)
    if number := _NUMBER.match(core):
        core = core[number.end() :].lstrip(_DECORATION)
    match = _SECTION.match(core)
    left, right = inner[: inner.find(core)] if core else "", inner.endswith(tuple(_RULES))
    if match is None or (left and not left.strip("-") and not right):
        return None  # `--profile` is an option of some program.
    rest = core[match.end() :].strip(_DECORATION)
    rest = rest[nothing.end() :] if (nothing := _NO_NAME.match(rest)) else rest
    section = str(match.lastgroup)
    if not rest:
        return section, None
    decorated = bool(left) or inner.endswith(tuple("=#*-]"))
    if not decorated or _IS_OVER.match(rest) or not _NAME.fullmatch(rest):
        return None
    return section, case_name(PurePosixPath(rest).name)
