"""Whether a build log speaks of this job's file."""

import re
from pathlib import PurePosixPath

from npubench.backends.axera.lines import whole_lines_and_rest

_SAVED = re.compile(r"File saved: (.+)")


def saved_files(text: str, suffix: str) -> tuple[str, ...]:
    """Names of the files of that suffix that the log says were saved, each once, in their order.

    The suffix proves a name whole, so a log may end with it.
    """
    said, rest = whole_lines_and_rest(text)
    names = [
        PurePosixPath(match[1].strip()).name
        for line in (*said, rest)
        if (match := _SAVED.search(line)) and match[1].strip().endswith(suffix)
    ]
    return tuple(dict.fromkeys(names))


def saved_another(text: str, name: str) -> str | None:
    """The file that the log says was saved in place of `name`; None when that is named, or no file is."""
    saved = saved_files(text, PurePosixPath(name).suffix)
    return None if not saved or name in saved else saved[-1]
