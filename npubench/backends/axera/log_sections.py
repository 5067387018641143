"""A case's original log cut into its convert, copy and profile sections.

A heading is a line with the section's word alone, or with a case's name after it where the line
begins with a rule, a bracket or the like. Each further convert section begins a further case.
"""

import re
from dataclasses import dataclass

from npubench.backends.axera.lines import plain

_WORDS = {
    "convert": "convert",
    "conversion": "convert",
    "copy": "copy",
    "profile": "profile",
    "profiling": "profile",
}
_BARE = re.compile(rf"\s*({'|'.join(_WORDS)})\s*:?\s*", re.IGNORECASE)
_DECORATED = re.compile(
    rf"\s*[=#\-*\[<>~+]+\s*(?:section\s*:?\s*)?({'|'.join(_WORDS)})\b[\s:=\-*\]<>~+#]*([\w.+-]*?[\w])?[\s=\-*\]<>~+#:]*",
    re.IGNORECASE,
)
_HEADING_LIMIT = 200


@dataclass(slots=True)
class CaseText:
    """The sections of one case; `name` is what a heading calls it, `headed` whether there is any heading."""

    name: str | None = None
    convert: str = ""
    copy: str = ""
    profile: str = ""
    headed: bool = True


def split_cases(text: str) -> list[CaseText]:
    """The cases of a log, in order. Without any heading the whole text stands in every section."""
    cases: list[CaseText] = []
    section = "convert"
    preamble = ""
    for line in plain(text).splitlines(keepends=True):
        heading = _heading(line)
        if heading is not None:
            section, name = heading
            if not cases or _begins(cases[-1], section, name):
                cases.append(CaseText(name, convert=preamble if not cases else ""))
            elif name and cases[-1].name is None:
                cases[-1].name = name
        elif not cases:
            preamble += line
        else:
            setattr(cases[-1], section, getattr(cases[-1], section) + line)
    return cases or [CaseText(None, preamble, preamble, preamble, headed=False)]


def _begins(case: CaseText, section: str, name: str | None) -> bool:
    other_name = name is not None and case.name is not None and name != case.name
    return other_name or (section == "convert" and bool(case.convert or case.copy or case.profile))


def _heading(line: str) -> tuple[str, str | None] | None:
    if len(line) > _HEADING_LIMIT:
        return None
    if match := _BARE.fullmatch(line):
        return _WORDS[match[1].lower()], None
    if match := _DECORATED.fullmatch(line):
        return _WORDS[match[1].lower()], match[2]
    return None
