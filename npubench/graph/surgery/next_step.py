"""What to try after a target refused a model: rewrites first, then a cut. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from npubench.domain.failures import Failure, FailureClass, Stage
from npubench.graph.surgery.cut import Cut, cut, is_of
from npubench.graph.surgery.graph_view import pruned
from npubench.graph.surgery.record import Rewritten
from npubench.graph.surgery.table import REWRITES, Rewrite

if TYPE_CHECKING:
    from onnx import ModelProto

REFUSALS = frozenset({FailureClass.UNSUPPORTED_OPERATOR, FailureClass.UNSUPPORTED_ATTRIBUTE})
"""Failures that a cut can help, when they name operators."""

UNEXPLAINED = frozenset({FailureClass.TOOL_ERROR, FailureClass.CRASH, FailureClass.UNSUPPORTED_ATTRIBUTE})
"""Failures that may come of a restriction in the table, where no operator is named."""


@dataclass(frozen=True)
class Operation:
    """How far surgery on a model went: the model as rewritten, what was applied, what is to be cut off."""

    model: "ModelProto"
    rewrites: tuple[Rewritten, ...] = ()
    lacking: tuple[str, ...] = ()

    def parts(self) -> Cut | Failure:
        """Head, body and tail; all is body as long as nothing is to be cut off."""
        if not self.lacking:
            return Cut(None, pruned(self.model), None, (), None)
        return cut(self.model, self.lacking)


def next_step(so_far: Operation, failure: Failure, backend: str) -> Operation | None:
    """What to try after a failure; None where nothing here helps.

    Operators that a rewrite of the table takes away are rewritten; what is refused and left, or was
    rewritten before, is to be cut off. Each step rewrites more or cuts more, so there is a last one.
    """
    if failure.stage is not Stage.COMPILE:
        return None
    refused = failure.operators if failure.failure_class in REFUSALS else ()
    if not refused and failure.failure_class not in UNEXPLAINED:
        return None
    model, applied, touched = so_far.model, list(so_far.rewrites), set()
    unwanted = {*so_far.lacking, *refused}
    for entry in _fitting(refused, backend, {one.name for one in applied}, unwanted):
        changed, count = entry.apply(model)
        if not count or (
            refused and _counted(changed, refused) >= _counted(model, refused) and entry.replaces == ""
        ):
            continue
        model = changed
        applied.append(Rewritten(entry.name, count, entry.restrictions))
        touched.add(entry.replaces)
    left = [
        name
        for name in refused
        if name not in touched and name not in so_far.lacking and _counted(model, (name,))
    ]
    if len(applied) == len(so_far.rewrites) and not left:
        return None
    return replace(so_far, model=model, rewrites=tuple(applied), lacking=(*so_far.lacking, *left))


def _fitting(
    refused: Collection[str], backend: str, applied: Collection[str], unwanted: Collection[str]
) -> list[Rewrite]:
    """Entries that may help and make nothing that was refused, too."""
    fitting = []
    for entry in REWRITES:
        told = any(one.backend == backend for one in entry.restrictions)
        fits = entry.replaces in refused or not entry.replaces if refused else told
        made = set(entry.makes) - {entry.replaces}
        if fits and entry.name not in applied and not made & set(unwanted):
            fitting.append(entry)
    return fitting


def _counted(model: "ModelProto", types: Collection[str]) -> int:
    return sum(is_of(node, types) for node in model.graph.node)
