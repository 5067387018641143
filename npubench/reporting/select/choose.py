"""What `npubench select` does besides printing: gather the rows and the boards, and decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from npubench import published
from npubench.catalog import Catalog
from npubench.domain.errors import UsageError
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec
from npubench.domain.text import did_you_mean
from npubench.reporting.select.decide import Decision, decide
from npubench.reporting.select.requirements import read_requirements
from npubench.storage.store import Store


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """What `select` is asked."""

    requirements: Path
    """Streams, models, bounds and weights, as TOML."""
    out: Path
    """A folder of results; it may be missing where `published` is weighed."""
    others: tuple[Path, ...] = ()
    """Further folders of results."""
    published: bool = False
    """Whether the published results that come with npubench are weighed, too."""
    boards: tuple[str, ...] = ()
    """Only these, also without results; nothing is all that have some."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A decision and what it was made of."""

    decision: Decision
    """Which chips do the job, and why the others do not."""
    rows: Sequence[Result]
    """The rows that were weighed."""
    boards: Sequence[BoardSpec]
    """Every known board, those that were asked for first."""


def choose(options: SelectOptions, catalog: Catalog) -> Selected:
    """Decide; the texts are in the language of now.

    Raises UsageError for requirements that do not read, a folder without results, and an unknown board.
    """
    asked = read_requirements(options.requirements)
    rows = _rows(options)
    named = dict.fromkeys([*options.boards, *(one.board for one in asked.known)])
    specs = [catalog.boards[name] for name in named if name in catalog.boards]
    _refuse_unknown(options.boards, rows, catalog)
    boards = [*specs, *(spec for spec in catalog.boards.values() if spec not in specs)]
    shapes = {model.name: [one.shape for one in model.inputs] for model in catalog.models.values()}
    return Selected(decide(asked, rows, specs, boards, shapes), rows, boards)


def _rows(options: SelectOptions) -> list[Result]:
    rows: list[Result] = []
    spared = options.published and not (options.out / "results.db").is_file()
    for folder in (*(() if spared else (options.out,)), *options.others):
        with Store.read(folder / "results.db") as store:
            rows += store.latest()
    rows += published.results() if options.published else []
    return [row for row in rows if not options.boards or row.board in options.boards]


def _refuse_unknown(boards: Sequence[str], rows: Sequence[Result], catalog: Catalog) -> None:
    known = {row.board for row in rows} | set(catalog.boards)
    for board in boards:
        if board not in known:
            hint = did_you_mean(board, known)
            raise UsageError(
                f"no board is called {board!r}{hint}, and no result is of one: see npubench list boards"
            )
