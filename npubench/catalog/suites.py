"""The catalogue as one value, and suites expanded against it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate

from npubench.catalog.models import Zoo
from npubench.domain.specs import BoardSpec, ModelSpec, OperatorSpec

GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of cases, by their full names."""

    name: str
    title: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that can be named. `aliases` maps a short name to a full one; `zoo` are names of
    OpenMMLab without a manifest entry, which no glob means.

    `problems` are one line each, FILE:LINE: key 'x.y': what is wrong, what to do; what they speak of
    is left out. `broken_boards` are the names of those that this leaves as a file below describes them.
    """

    boards: Mapping[str, BoardSpec] = field(default_factory=dict)
    operators: Mapping[str, OperatorSpec] = field(default_factory=dict)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    suites: Mapping[str, Suite] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    broken_boards: frozenset[str] = frozenset()
    zoo: Zoo = field(default_factory=Zoo)

    def case(self, name: str) -> OperatorSpec | ModelSpec | None:
        """The operator or model of that full name or alias; then those of the zoo."""
        for candidate in (name, self.aliases.get(name, name)):
            if spec := self.operators.get(candidate) or self.models.get(candidate):
                return spec
        return self.zoo.model(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that a mistyped name may have meant."""
        return (*self.models, *self.operators, *self.aliases, *self.zoo.lines)


def matching(catalog: Catalog, pattern: str, only: str | None = None) -> tuple[str, ...]:
    """Full names that a name, an alias or a glob stands for, in catalogue order.

    `only` (operators or models) keeps globs to one kind.
    """
    if spec := catalog.case(pattern):
        return (spec.name,)
    if not GLOB.search(pattern):
        return ()
    try:
        matches = re.compile(translate(pattern)).match
    except re.error:
        # A bracket range such as [z-a] matches nothing.
        return ()
    return tuple(name for name in _names(catalog, only) if matches(name))


def _names(catalog: Catalog, only: str | None) -> Iterable[str]:
    if only != "operators":
        yield from catalog.models
    if only != "models":
        yield from catalog.operators
