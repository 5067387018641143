"""The one line that matters in what pip wrote."""

import re

_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|[Nn]ame resolution|Network is unreachable|ProxyError"
    r"|Connection refused|ConnectTimeoutError|Name or service not known"
)
_NOT_FOUND = re.compile(r"No matching distribution|Could not find a version")
_ERROR = re.compile(r"\s*(?:ERROR|error): (?P<text>.*\S)")
_EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception): .*\S")


def pip_error(output: str) -> str:
    """Why pip (or a Python script) failed: its last error, and the network if that is the reason."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [match["text"] for line in lines if (match := _ERROR.match(line))]
    exceptions = [line.strip() for line in lines if _EXCEPTION.match(line.strip())]
    reason = (errors or exceptions or [line.strip() for line in lines] or ["no output"])[-1]
    if _NOT_FOUND.search(reason) and _NO_NETWORK.search(output):
        return f"{reason}: the package index cannot be reached; check the network and pip's configuration"
    return reason
