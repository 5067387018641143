"""Command-line changes to catalogue cases: weights and seed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.nearest import did_you_mean, path_meant
from npubench.domain.specs import CaseSpec, ModelSpec, OperatorSpec

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
