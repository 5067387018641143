"""Which toolchain stands at a place."""

import threading
from collections.abc import Callable, Mapping

from npubench.backends.axera.options import Where
from npubench.backends.axera.pulsar_tools import parse_version
from npubench.backends.axera.toolchain import NOT_STARTED, SHORT_S, identify
from npubench.domain.errors import BoardError, UsageError
from npubench.domain.protocols import OpenHost
from npubench.domain.records import ToolInfo


def probe(backend: str, where: Where, open_host: OpenHost | None, fix: str) -> ToolInfo:
    """The toolchain's version, or the id of its image; why not, where there is none."""
    try:
        completed = identify(where, open_host)
    except (BoardError, UsageError) as error:
        return ToolInfo(backend, False, reason=str(error), fix=fix)
    if completed.returncode == NOT_STARTED or (where.image is not None and completed.returncode != 0):
        lines = completed.output.strip().splitlines()
        return ToolInfo(backend, False, reason=lines[-1] if lines else f"{where.command} is missing", fix=fix)
    if completed.timed_out:
        reason = f"{where.command} version did not end within {SHORT_S:g} s"
        return ToolInfo(backend, False, reason=reason, fix=fix)
    if where.image is not None:
        return ToolInfo(backend, True, {f"{backend} image": f"{where.image} {completed.output.strip()}"})
    return ToolInfo(backend, True, labelled(backend, parse_version(completed.output)))


def labelled(backend: str, version: Mapping[str, str]) -> dict[str, str]:
    """Version and commit under the toolchain's name; a version that cannot be read is "unknown"."""
    commit = {f"{backend} commit": version["commit"]} if "commit" in version else {}
    return {backend: version.get("version", "unknown"), **commit}


class Versions:
    """What each toolchain of this process says of itself, asked once."""

    def __init__(self) -> None:
        self._known: dict[Where, dict[str, str]] = {}
        self._lock = threading.Lock()

    def of(self, where: Where, backend: str, ask: Callable[[], str]) -> dict[str, str]:
        """Labelled versions of the toolchain at a place; `ask` gives the output of its version command."""
        with self._lock:
            if where not in self._known:
                self._known[where] = labelled(backend, parse_version(ask()))
            return self._known[where]
