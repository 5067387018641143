"""How far each row can be relied on: its verdict, its bounds and every doubt about it, in one place."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Result, Status, Verdict
from npubench.reporting.data.figures import figures_of, left_out_of
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength


class Standing(StrEnum):
    """What a row's figure is worth, in the words of a ranking."""

    STABLE = "stable"
    TOLD = "no verdict"
    """A simulation or a publication: one number, of which nobody says how steady it is."""
    UNJUDGED = "not judged"
    """Measured, and one round or less: nothing tells how steady it is."""
    NOISY = "noisy"
    DRIFTING = "drifting"
    THROTTLED = "throttled"
    INVALID = "invalid"
    DOUBTFUL = "doubtful"
    WEAK = "weak doubt"
    BOUND = "bound"
    EMULATED = "emulated"
    NO_TIME = "no time"
    FAILED = "failed"
    SKIPPED = "skipped"


UNSTEADY = frozenset({Standing.NOISY, Standing.DRIFTING, Standing.THROTTLED, Standing.INVALID})
_GREY = UNSTEADY | {Standing.DOUBTFUL, Standing.WEAK, Standing.EMULATED}
_VERDICTS = {
    Verdict.STABLE: Standing.STABLE,
    Verdict.NOISY: Standing.NOISY,
    Verdict.DRIFTING: Standing.DRIFTING,
    Verdict.THROTTLED: Standing.THROTTLED,
    Verdict.INVALID: Standing.INVALID,
}


@dataclass(frozen=True, slots=True)
class Reliance:
    """How far one row can be relied on."""

    standing: Standing  # the word for it
    doubts: tuple[Doubt, ...] = ()  # about the row or its board, strong ones first

    @property
    def doubtful(self) -> bool:
        """Whether its figures are not to be relied on: they are greyed, and marked in words."""
        return self.standing in _GREY

    @property
    def can_lead(self) -> bool:
        """Whether a headline may be made of it: nothing at all speaks against it."""
        return self.standing in (Standing.STABLE, Standing.TOLD) and not self.doubts

    @property
    def can_stand_in(self) -> bool:
        """The same where nothing tells how steady it is: a headline then says so."""
        return self.standing is Standing.UNJUDGED and not self.doubts


def _is_doubt(doubt: Doubt) -> bool:
    """That a simulation is no time of a board is said by its kind, where no row of the board is one."""
    return doubt.doubt_class is not DoubtClass.NO_BOARD_TIME or doubt.strength is Strength.STRONG


_NONE = {standing: Reliance(standing) for standing in Standing}


def reliances(results: Sequence[Result], doubts: Sequence[Doubt]) -> list[Reliance]:
    """One a row, in their order; `doubts` are those of `sanity.doubts` about the same rows."""
    doubts = [doubt for doubt in doubts if _is_doubt(doubt)]
    about = doubts_by_row(doubts)
    boards: defaultdict[tuple[str, str], list[Doubt]] = defaultdict(list)
    for doubt in doubts:
        if not doubt.cases:
            boards[doubt.board, doubt.backend].append(doubt)
    return [_reliance(row, about, boards) for row in results]


_Key = tuple[str, str, str, str]


def doubts_by_row(doubts: Sequence[Doubt]) -> Mapping[_Key, list[Doubt]]:
    """Doubts about single rows, by board, backend, precision and case."""
    about: defaultdict[_Key, list[Doubt]] = defaultdict(list)
    for doubt in doubts:
        for precision in doubt.precision.split(", "):
            for case in doubt.cases:
                about[doubt.board, doubt.backend, precision, case].append(doubt)
    return about


def _reliance(
    row: Result, about: Mapping[_Key, list[Doubt]], boards: Mapping[tuple[str, str], list[Doubt]]
) -> Reliance:
    if row.status is not Status.OK:
        return _NONE[Standing.FAILED if row.status is Status.FAILED else Standing.SKIPPED]
    found = tuple(about.get((row.board, row.backend, row.precision.value, row.case), ()))
    figures = main_figures(row)
    if boards and figures is not None and figures.kind is Kind.MEASURED:
        found += tuple(boards.get((row.board, row.backend), ()))
    standing = _standing(row, figures, found)
    return Reliance(standing, found) if found else _NONE[standing]


def main_figures(row: Result) -> Figures | None:
    """What a row is ranked by: figures of the first of its kinds, a board's own before an estimate."""
    for figures in row.all_figures:
        if figures_of(row, figures.kind) is figures:
            return figures
    return None


def _standing(row: Result, figures: Figures | None, doubts: Sequence[Doubt]) -> Standing:
    if figures is None or figures.latency_us is None:
        return Standing.NO_TIME
    if row.emulated:
        return Standing.EMULATED
    # A verdict is of what was measured: a simulation beside it has none.
    verdict = row.verdict if figures.kind is Kind.MEASURED or figures is row.figures else None
    if verdict is not None and verdict is not Verdict.STABLE:
        return _VERDICTS[verdict]
    if any(doubt.strength is Strength.STRONG for doubt in doubts):
        return Standing.DOUBTFUL
    if left_out_of(figures) is not None:
        return Standing.BOUND
    if doubts:
        return Standing.WEAK
    if verdict is not None:
        return Standing.STABLE
    return Standing.UNJUDGED if figures.kind is Kind.MEASURED else Standing.TOLD
