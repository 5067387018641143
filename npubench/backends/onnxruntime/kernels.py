"""The fused kernels of this machine against the same file without optimisation: what they alone lose."""

from collections.abc import Sequence
from typing import Any

from npubench.backends.onnxruntime.compare import similarity

COMPARED = 8
"""Samples at most: without optimisation a model may take ten times as long."""


class Remembering:
    """A session that runs each of its samples once, whoever asks for the outputs again."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._known: dict[int, tuple[Any, list[Any]]] = {}

    def run(self, names: None, feeds: dict[str, Any]) -> list[Any]:
        """All outputs. The sample is kept, so that no other has its identity."""
        if id(feeds) not in self._known:
            self._known[id(feeds)] = feeds, self._session.run(names, feeds)
        return self._known[id(feeds)][1]


def kernels(
    fused: Any, unoptimised: Any, reference: Any, samples: Sequence[dict[str, Any]]
) -> dict[str, float | None]:
    """The fields of `records.Kernels`: cosines of both against the reference over the same samples."""
    some = samples[:COMPARED]
    theirs = [reference.run(None, sample) for sample in some]
    found = (similarity([one.run(None, s) for s in some], theirs) for one in (fused, unoptimised))
    cosines = [one["cosine"] if one else None for one in found]
    return dict(zip(("fused_cosine", "unoptimised_cosine"), cosines, strict=True))
