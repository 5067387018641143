"""A log's text without what only terminals and line ends add."""

import re

_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\[[0-9]{1,3}(?:;[0-9]{1,3})*m")
"""ANSI control sequences, also those that lost their escape character in a copied log."""


def plain(text: str) -> str:
    """The text without ANSI colours."""
    return _COLOUR.sub("", text)


def tidy(text: str) -> str:
    """The same without blanks and carriage returns at line ends; a last line without line end stays so."""
    return "\n".join(line.rstrip(" \t\r") for line in plain(text).split("\n"))
