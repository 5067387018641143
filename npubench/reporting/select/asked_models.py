"""Names of models that are asked: which network each was taken for, and those that name nothing."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from npubench.catalog import Catalog
from npubench.domain.errors import UsageError
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.domain.text import did_you_mean, path_meant, printable
from npubench.published.networks import Network
from npubench.reporting.data.translate import translate
from npubench.reporting.select.atlas_times import Atlas, network_asked, why_not
from npubench.reporting.select.requirements import ModelNeed, Requirements, is_path


@dataclass(frozen=True, slots=True)
class Names:
    """What a model may be called by."""

    rows: frozenset[str]  # cases that have results, as `plain` writes them
    catalog: Catalog
    atlas: Atlas | None  # networks that others published; None: not weighed

    @property
    def all(self) -> Iterator[str]:
        """Every name, for what was mistyped."""
        yield from self.atlas.named if self.atlas else ()
        yield from self.catalog.names
        yield from self.rows


def plain(name: str) -> str:
    """Tables of one vendor write `yolox-s` and `YOLOX_s`."""
    return name.casefold().replace("_", "-")


def names_of(rows: Collection[Result], catalog: Catalog, atlas: Atlas | None) -> Names:
    """Names of models in rows, in the catalogue and in the atlas."""
    models = [row for row in rows if row.case_kind in (CaseKind.MODEL, CaseKind.OPERATOR)]
    called = [name for row in models for name in (row.case, str(row.protocol.get("same_network", "")))]
    return Names(frozenset(map(plain, called)), catalog, atlas)


def check_models(asked: Requirements, names: Names) -> tuple[str, ...]:
    """What has to be said of the models: which input was taken where several are published.

    Raises UsageError with every model of which no name is known anywhere, each with the nearest.
    """
    problems, notes = list[str](), dict[str, None]()
    for _, need in asked.models:
        taken = [network for name in need.names if (network := _network(name, need, names))]
        if not taken and not any(_is_known(name, need, names) for name in need.names):
            problems.append(_unknown(need, names))
        if taken and names.atlas and (note := _note(need, taken[0], names.atlas)):
            notes[note] = None
        if not taken and need.file and not any(_in_rows(name, names) for name in need.names):
            notes[_without_result(need.names[0])] = None
    if problems:
        raise UsageError("; ".join(dict.fromkeys(problems)))
    return tuple(notes)


def _without_result(name: str) -> str:
    return translate(
        "{name} has no result yet: --simulate runs it by the simulators that are here", name=name
    )


def _network(name: str, need: ModelNeed, names: Names) -> Network | None:
    if names.atlas is None:
        return None
    return network_asked(PurePath(name).stem if is_path(name) else name, need.input_size, names.atlas)


def _is_known(name: str, need: ModelNeed, names: Names) -> bool:
    known = _in_rows(name, names) or bool(names.catalog.case(name))
    return known or (is_path(name) and Path(need.file).is_file())


def _in_rows(name: str, names: Names) -> bool:
    stem = PurePath(name).stem if is_path(name) else name
    return not {plain(name), plain(stem)}.isdisjoint(names.rows)


def _unknown(need: ModelNeed, names: Names) -> str:
    name = need.names[0]
    shown = printable(name, 60)
    if is_path(name):
        hint = path_meant(Path(need.file), (".onnx",))
        return f"there is no file '{shown}'{hint}, and no result is of a model of that name"
    several = why_not(name, need.input_size, names.atlas) if names.atlas else ""
    if several:
        return f"'{shown}' says not which network is meant: {several.partition(': ')[2]}: name one of them"
    hint = did_you_mean(name, names.all)
    where = "see `npubench results --published` and `npubench list models`"
    return f"no result and no published network is called '{shown}'{hint}: {where}"


def _note(need: ModelNeed, network: Network, atlas: Atlas) -> str:
    """Which input was taken, where others are published, too, and none was asked."""
    sizes = {
        (one.network.height, one.network.width)
        for of_chip in atlas.by_chip.values()
        for one in of_chip.get(network.name, ())
    }
    sizes.discard((network.height, network.width))
    others = sorted(f"{wide}x{high}" for high, wide in sizes if high and wide)
    if need.input_size or not others or not network.height:
        return ""
    return translate(
        "{name} is taken at {wide}x{high}; published are {others}, too: say which input you mean",
        name=need.names[0],
        wide=network.width,
        high=network.height,
        others=", ".join(others),
    )
