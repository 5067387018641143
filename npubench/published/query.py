"""What is asked of published figures: by chip, model, mode, precision, source and family."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache

from npubench.domain.errors import UsageError
from npubench.domain.records import Result
from npubench.domain.text import did_you_mean, printable
from npubench.published.atlas import PublishedFigure, family, join_of, publisher_of
from npubench.published.chips import canonical, find_chip
from npubench.published.rows import case_of


@dataclass(frozen=True, slots=True)
class Query:
    """Words for each thing; several of one are alternatives, none leaves it open. Case never matters.

    A word may be a glob. A chip is found by any of its spellings, a model by its publisher's name or by the
    network's, a mode by one of its parts (`2 cores, batch 8`: `batch 8`), a source by its address, publisher,
    owner or table.
    """

    case: tuple[str, ...] = ()  # a model by its publisher's name alone
    chip: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    family: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it leaves anything out."""
        return any(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True, slots=True)
class Named:
    """Under which names one figure, or one row, is found; in small letters, the first as people write it."""

    case: tuple[str, ...]
    chip: tuple[str, ...]
    model: tuple[str, ...]
    mode: tuple[str, ...]
    precision: tuple[str, ...]
    source: tuple[str, ...]
    family: tuple[str, ...]


def names_of(figure: PublishedFigure, joined: bool = True) -> Named:
    """Names of a figure of the atlas; without `joined` neither network nor family, which take long."""
    network = join_of(figure).network if joined else None
    of_network = (network.name, network.key) if network else ()
    return Named(
        (figure.model,),
        _chip_names(figure.chip),
        (figure.model, *of_network),
        _mode_names(figure.mode),
        (figure.precision,),
        _source_names(figure.source, figure.table),
        (family(figure).value,) if joined else (),
    )


def names_of_row(row: Result) -> Named:
    """Names of a published row of the tables that are no part of the atlas."""
    modes = [str(row.protocol.get("mode", "")), row.figures.npu_mode if row.figures else ""]
    return Named(
        (row.case,),
        _chip_names(row.chip),
        tuple(dict.fromkeys((row.case, case_of(row)))),
        tuple(name for mode in modes for name in _mode_names(mode)),
        (row.precision.value,),
        _source_names(str(row.protocol.get("source", "")), str(row.protocol.get("table", ""))),
        ("vision",),
    )


@lru_cache(maxsize=512)
def _chip_names(text: str) -> tuple[str, ...]:
    found = find_chip(text)
    return tuple(dict.fromkeys((text, canonical(text), *(found.speaks_for if found else ()))))


@lru_cache(maxsize=512)
def _mode_names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((text, *(part.strip() for part in text.split(",")))))


@lru_cache(maxsize=1024)
def _source_names(source: str, table: str) -> tuple[str, ...]:
    publisher = publisher_of(source)
    return tuple(dict.fromkeys((source, publisher, publisher.partition("/")[0], table)))


def matching(query: Query, named: Sequence[Named]) -> list[int]:
    """Positions of what the query asks for.

    Raises UsageError for a word that names nothing at all there, with what is near, and for words that name
    nothing together, with how many there are without each and what is near among those.
    """
    chosen: dict[str, set[int]] = {}
    for one in fields(query):
        words: tuple[str, ...] = getattr(query, one.name)
        if words:
            chosen[one.name] = _chosen(one.name, words, [getattr(each, one.name) for each in named])
    kept = sorted(set.intersection(*chosen.values())) if chosen else list(range(len(named)))
    if not kept:
        raise UsageError(_nothing_together(query, named, chosen))
    return kept


def _nothing_together(query: Query, named: Sequence[Named], chosen: Mapping[str, set[int]]) -> str:
    asked = {
        what: " or ".join(f"'{printable(word, 60)}'" for word in getattr(query, what)) for what in chosen
    }
    together = " and ".join(f"{what} {words}" for what, words in asked.items())
    left = {
        what: set.intersection(*(places for other, places in chosen.items() if other != what))
        for what in chosen
    }
    without = []
    for what, places in left.items():
        if places:
            near = _near(getattr(query, what)[0], what, named, places)
            without.append(f"without the {what} there are {len(places)}{near}")
    told = "; ".join(without) or "no two of these have a figure in common"
    return f"no published figure of {together} at once: {told}"


def _near(word: str, what: str, named: Sequence[Named], places: Iterable[int]) -> str:
    """What is called nearly so there, a model with the network that it is; of few names all of them."""
    by_name = {name: getattr(named[at], what) for at in sorted(places) for name in getattr(named[at], what)}
    by_name.pop("", None)
    near = get_close_matches(word.casefold(), by_name, n=1) or get_close_matches(word, by_name, n=1)
    if near:
        first, *others = by_name[near[0]]
        other = f", which is network '{printable(others[0], 60)}'" if what == "model" and others else ""
        return f" (did you mean '{printable(first, 60)}'{other}?)"
    few = ", ".join(printable(name, 40) for name in by_name) if len(by_name) <= _FEW else ""
    return f" ({few})" if few else ""


def _chosen(what: str, words: Iterable[str], named: Sequence[tuple[str, ...]]) -> set[int]:
    """Positions that one of the words names."""
    places: dict[tuple[str, ...], list[int]] = {}
    for at, names in enumerate(named):
        places.setdefault(names, []).append(at)
    folded = {names: frozenset(map(str.casefold, names)) for names in places}
    chosen: set[int] = set()
    for word in words:
        test = _tester(what, word)
        found = [names for names, small in folded.items() if test(small)]
        if not found:
            known = dict.fromkeys(name for names in places for name in names if name)
            shown, hint = printable(word, 60), did_you_mean(word, known)
            raise UsageError(f"no published figure of {what} '{shown}'{hint}: {_SEE[what]}")
        chosen.update(at for names in found for at in places[names])
    return chosen


_FEW = 6
"""Names that are told one by one."""

_SEE = {
    **dict.fromkeys(("case", "chip", "model", "mode", "precision"), "see `npubench results --published`"),
    "source": "name an address, a publisher such as owner/repository, an owner or a table",
    "family": "there are vision, language and other",
}


def _tester(what: str, word: str) -> Callable[[frozenset[str]], bool]:
    wanted = {word.casefold()}
    if what == "chip" and find_chip(word):
        wanted.add(canonical(word).casefold())
    pattern = word.casefold()
    is_glob = any(mark in word for mark in "*?[")

    def test(names: frozenset[str]) -> bool:
        return not wanted.isdisjoint(names) or (is_glob and any(fnmatchcase(name, pattern) for name in names))

    return test
