"""`select` from options to a decision: reads requirements, rows and the atlas, and judges.

Raises what `choose` says; nothing is printed.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npubench import published
from npubench.catalog import Catalog
from npubench.domain.errors import UsageError
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec
from npubench.domain.text import did_you_mean
from npubench.published.chips import canonical, find_chip
from npubench.published.networks import Network
from npubench.reporting.data.translate import translate
from npubench.reporting.select.asked_models import check_models, names_of
from npubench.reporting.select.atlas_times import Atlas, atlas, network_asked
from npubench.reporting.select.candidate import chip_key
from npubench.reporting.select.choosing import Beyond, Predictor
from npubench.reporting.select.decide import decide
from npubench.reporting.select.doubtful import with_doubts
from npubench.reporting.select.predicted_times import Wanted, predicted_times
from npubench.reporting.select.requirements import Requirements, read_requirements
from npubench.reporting.select.times import Missing, ModelTime
from npubench.reporting.select.verdict import Decision
from npubench.storage.store import Store


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """What `select` is asked."""

    requirements: Path | Requirements  # streams, models, bounds and weights: a TOML file, or as read
    out: Path  # a folder of results; without any there what others published decides
    others: tuple[Path, ...] = ()  # further folders of results
    published: bool = False  # whether what others published, and predictions from it, are weighed, too
    boards: tuple[str, ...] = ()  # only these boards and chips, also without results; nothing is all
    tables: tuple[Path, ...] = ()  # folders of tables of what others published, besides the shipped ones


@dataclass(frozen=True, slots=True)
class Selected:
    """A decision and what it was made of."""

    decision: Decision  # which chips do the job, and why the others do not
    rows: Sequence[Result]  # that were weighed
    boards: Sequence[BoardSpec]  # every known one, those that were asked for first


def choose(options: SelectOptions, catalog: Catalog) -> Selected:
    """Decide; the texts are in the language of now.

    Raises UsageError for requirements that do not read, an unknown model, board or chip, and a further folder
    without results.
    """
    asked = options.requirements
    asked = asked if isinstance(asked, Requirements) else read_requirements(asked)
    notes: tuple[str, ...] = ()
    if not (options.published or options.others or (options.out / "results.db").is_file()):
        options = replace(options, published=True)
        notes = (translate("no results at {out}: decided by what others published", out=str(options.out)),)
    found = atlas(options.tables) if options.published else None
    rows = _rows(options)
    named = dict.fromkeys([*options.boards, *(one.board for one in asked.known)])
    specs = [catalog.boards[name] for name in named if name in catalog.boards]
    _check_names(options.boards, {row.board for row in rows}, catalog, found)
    boards = [*specs, *(spec for spec in catalog.boards.values() if spec not in specs)]
    shapes = {model.name: [one.shape for one in model.inputs] for model in catalog.models.values()}
    keys = _keys(options.boards, rows, catalog.boards.values())
    kept = [row for row in rows if keys is None or chip_key(row.chip, row.board) in keys]
    chips = [chip for chip in (found.by_chip if found else ()) if keys is None or chip in keys]
    chips += [chip.name for name in options.boards if (chip := find_chip(name))]
    # A name that publishers use for several networks says none, whatever their tables call their rows.
    own = [row for row in rows if not row.board.startswith("published-")]
    notes += check_models(asked, names_of(own, catalog, found))
    predict = _predictor(asked, {*chips, *(row.chip for row in kept)}, found) if found else None
    beyond = Beyond(shapes, found, predict, lambda name: catalog.case(name) is not None)
    decision = decide(asked, kept, specs, boards, beyond, chips)
    decision = replace(decision, warnings=(*notes, *decision.warnings))
    decision = with_doubts(decision, rows, published.figures(options.tables) if found else ())
    return Selected(decision, kept, boards)


def _check_names(names: Iterable[str], of_rows: set[str], catalog: Catalog, atlas: Atlas | None) -> None:
    known = {*of_rows, *catalog.boards, *(atlas.by_chip if atlas else ())}
    for name in names:
        if name not in known and canonical(name) not in known and find_chip(name) is None:
            hint = did_you_mean(name, known)
            raise UsageError(
                f"no board and no chip is called {name!r}{hint}, and no result is of one: "
                "see npubench list boards"
            )


def _keys(
    names: Sequence[str], rows: Iterable[Result], boards: Iterable[BoardSpec]
) -> Collection[str] | None:
    """Keys of the chips that are named by themselves or by a board; None: all."""
    if not names:
        return None
    carried = {one.name: chip_key(one.chip, one.name) for one in boards}
    carried |= {row.board: chip_key(row.chip, row.board) for row in rows}
    return {carried.get(name) or canonical(name) for name in names}


def _predictor(asked: Requirements, chips: Iterable[str], found: Atlas) -> Predictor:
    """Predicts what the atlas lacks of these chips: all of it in one fit."""
    networks = [
        (network, need.precision)
        for _, need in asked.models
        for name in need.names
        if (network := network_asked(name, need.input_size, found))
    ]
    wanted = [
        Wanted(canonical(chip), network, precision)
        for chip in sorted(chips)
        for network, precision in networks
        if not found.times(chip, network) and not far_off(network, found)
    ]
    answers = predicted_times(wanted)

    def predict(chip: str, network: Network, precision: str) -> ModelTime | Missing | None:
        if told := far_off(network, found):
            return Missing(told)
        return answers.get(Wanted(canonical(chip), network, precision))

    return predict


FAR = 4
"""Times the pixels of a network's largest published input, and parts of its smallest, that are predicted."""


def far_off(network: Network, found: Atlas) -> str:
    """Why an input is too far from all that were published of a network to be predicted; empty: it is not."""
    least, most = found.pixels.get(network.name, (0, 0))
    pixels = (network.height or 0) * (network.width or 0)
    if not most or not pixels or least / FAR <= pixels <= most * FAR:
        return ""
    return translate(
        "not predicted: {network} is far from the inputs that were published, {least} to {most} pixels",
        network=network.key,
        least=least,
        most=most,
    )


def _rows(options: SelectOptions) -> list[Result]:
    rows: list[Result] = []
    spared = options.published and not (options.out / "results.db").is_file()
    for folder in (*(() if spared else (options.out,)), *options.others):
        with Store.read(folder / "results.db") as store:
            rows += store.latest()
    return [*rows, *published.results()] if options.published else rows
