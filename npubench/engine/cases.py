"""What a command line says of catalogue cases: weights, seed, and where samples lie."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.specs import BatchAxes, CaseSpec, FileSpec, ModelSpec, OperatorSpec, SamplesFrom
from npubench.domain.text import did_you_mean, path_meant
from npubench.graph.check import shown
from npubench.measure.statistics import OPTION

if TYPE_CHECKING:
    from npubench.catalog import Catalog


WITHOUT_FILE = ("random", "auto")
"""Weights that are no file: seeded ones, and those that OpenMMLab offers for download."""


def with_seed(cases: Sequence[CaseSpec], seed: int) -> tuple[CaseSpec, ...]:
    """Cases with seeded weights moved by `seed`; 0 leaves the catalogue's own."""
    return tuple(
        replace(case, seed=case.seed + seed) if isinstance(case, (ModelSpec, OperatorSpec)) else case
        for case in cases
    )


def with_checkpoints(
    cases: Sequence[CaseSpec], checkpoints: Sequence[str], catalog: "Catalog"
) -> tuple[CaseSpec, ...]:
    """Models with weights given as CASE=FILE or CASE=auto. Raises UsageError for what fits no case."""
    given: dict[str, str] = {}
    for text in checkpoints:
        name, separator, file = text.partition("=")
        if not separator or not (file in WITHOUT_FILE or Path(file).is_file()):
            hint = path_meant(Path(file)) if separator else ""
            raise UsageError(
                f"--checkpoint {text}: no such file{hint}: give CASE=FILE, such as resnet18=resnet18.pth, or"
                " CASE=auto"
            )
        weights = file if file in WITHOUT_FILE else str(Path(file).resolve())
        given[catalog.aliases.get(name, name)] = weights
    models = {case.name for case in cases if isinstance(case, ModelSpec)}
    if unknown := sorted(set(given) - models):
        near = [alias for alias, name in catalog.aliases.items() if name in models]
        hint = did_you_mean(unknown[0], [*models, *near])
        raise UsageError(
            f"--checkpoint {unknown[0]}: not a model of this run{hint}: name the model as a case, too"
        )
    return tuple(
        replace(case, weights=given[case.name])
        if isinstance(case, ModelSpec) and case.name in given
        else case
        for case in cases
    )


NONE = "none"
_AXIS = re.compile(r"-?[0-9]{1,3}")


def parse_batch_axes(texts: Sequence[str]) -> BatchAxes | None:
    """`NAME=AXIS`, `AXIS`, `NAME=none` and `none` as one declaration; None without any. Raises UsageError."""
    given: dict[str, int | None] = {}
    for text in texts:
        name, separator, axis = text.rpartition("=")
        if not (axis == NONE or _AXIS.fullmatch(axis)) or (separator and not name):
            raise UsageError(
                f"{OPTION} {shown(text)}: no axis: give AXIS, NAME=AXIS or none, such as images=0"
            )
        place = None if axis == NONE else int(axis)
        if given.setdefault(name, place) != place:
            raise UsageError(f"{OPTION} {shown(text)}: given differently before: give one of them")
    if "" in given and given[""] is None and len(given) > 1:
        raise UsageError(f"{OPTION} none goes alone: it says that no input holds more than one sample")
    return BatchAxes(tuple(given.items()), SamplesFrom.OPTION) if given else None


def with_batch_axes(cases: Sequence[CaseSpec], batch: BatchAxes | None) -> tuple[CaseSpec, ...]:
    """Every case with what is said of inputs that it has; a name that no case has is refused."""
    if batch is None:
        return tuple(cases)
    known: dict[str, int] = {}
    found = list[CaseSpec]()
    unread = False
    for case in cases:
        inputs = dict(_inputs(case))
        unread = unread or not inputs
        known |= inputs
        own = tuple((name, axis) for name, axis in batch.axes if not name or not inputs or name in inputs)
        for name, axis in own:
            _check(case, name, axis, inputs)
        if own and isinstance(case, (OperatorSpec, ModelSpec, FileSpec)):
            found.append(replace(case, batch=replace(batch, axes=own)))
        else:
            found.append(case)
    for name, _ in batch.axes:
        if name and known and not unread and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.3)
            hint = f"did you mean '{shown(near[0])}'?" if near else f"there are {', '.join(sorted(known))}"
            raise UsageError(f"{OPTION} {shown(name)}: no input of that name: {hint}")
    return tuple(found)


def _check(case: CaseSpec, name: str, axis: int | None, inputs: dict[str, int]) -> None:
    """A named input must have the axis; of a file that leaves its rank open the run will tell."""
    rank = inputs.get(name, -1)
    if axis is not None and rank >= 0 and not -rank <= axis < rank:
        raise UsageError(
            f"{OPTION} {shown(name)}={axis}: '{shown(name)}' of {shown(case.name)} has {rank} dimensions:"
            f" give one of 0 to {rank - 1}"
        )


def _inputs(case: CaseSpec) -> Iterator[tuple[str, int]]:
    """Names of inputs with their ranks, -1 unknown; nothing where only an export tells them."""
    if isinstance(case, (OperatorSpec, ModelSpec)):
        yield from ((tensor.name, len(tensor.shape)) for tensor in case.inputs)
    elif isinstance(case, FileSpec):
        yield from _inputs_of_file(case.path)


def _inputs_of_file(path: Path) -> Iterator[tuple[str, int]]:
    from npubench.domain.records import Failure
    from npubench.graph.check import not_a_model
    from npubench.graph.read import load
    from npubench.graph.walk import dimensions, has_rank, true_inputs

    # What cannot be read becomes a row of its own later.
    if not_a_model(path):
        return
    try:
        model = load(path)
    except OSError:
        return
    if not isinstance(model, Failure):
        for value in true_inputs(model.graph):
            yield value.name, len(dimensions(value)) if has_rank(value) else -1
