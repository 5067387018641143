"""A folder of logs to the rows that live runs would have given, through a backend's `LogReading`.

What a log cannot tell (hashes, shapes) stays empty. A file that is no log costs itself alone.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from npubench import __version__
from npubench.definitions import CURRENT
from npubench.errors import UsageError
from npubench.identity import digest
from npubench.logs import files
from npubench.protocols import LogReading
from npubench.records import LogCase, Result, Status
from npubench.specs import BoardSpec, CaseKind, Precision

_DATE = re.compile(r"\b(20[0-9]{2}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})")
_OPERATOR_NAME = re.compile(
    r"conv[0-9]+s[0-9]+p[0-9]+d[0-9]+ic[0-9]+oc[0-9]+g[0-9]+(?:\..*)?|[a-z]+_[0-9]+(?:x[0-9]+){2,5}"
)
"""As the published operator table has them: `conv3s1p1d1ic3oc64g1`, `add_1x3x112x112`."""


@dataclass(frozen=True, slots=True)
class ImportedCase:
    """A case and the file that tells of it; `date` is the log's own, or the file's where `dated` is False."""

    name: str
    told: LogCase
    source: Path
    source_sha256: str
    date: datetime
    dated: bool


Others = Callable[[], Mapping[str, LogReading]]
"""The other backends that read logs, by name; called only where a file is no log of the board's."""


def read_folder(
    folder: Path, backend: str, reading: LogReading, others: Others = dict
) -> tuple[list[ImportedCase], list[str]]:
    """The cases of all logs of a folder, by name, and a line for each file that gives none.

    Raises UsageError when there are none at all.
    """
    cases: list[ImportedCase] = []
    problems: list[str] = []
    sources: dict[str, Path] = {}
    for file in files.files_of(folder):
        try:
            found = read_file(file, backend, reading, others)
        except UsageError as error:
            problems.append(str(error))
            continue
        for case in found:
            first = sources.setdefault(case.name, file)
            if first == file:
                cases.append(case)
            else:
                problems.append(f"{file} is of {case.name}, which {first} is of already: left out")
    if not cases:
        raise UsageError(f"{folder} holds no log that can be read: {problems[0]}")
    return cases, problems


def read_file(file: Path, backend: str, reading: LogReading, others: Others = dict) -> list[ImportedCase]:
    """The cases of one log; usually one. Raises UsageError when it cannot be read or is no log."""
    log = files.read(file)
    found = reading.read_log(log.text)
    if not found:
        raise _no_log(log, backend, others())
    date = _date(log.text)
    stem = files.case_name(file.name)
    return [
        ImportedCase(
            name=files.case_name(case.name) or (stem if len(found) == 1 else f"{stem}#{number + 1}"),
            told=case,
            source=file,
            source_sha256=log.sha256,
            date=date or log.changed,
            dated=date is not None,
        )
        for number, case in enumerate(found)
    ]


def rows(
    cases: Iterable[ImportedCase], board: BoardSpec, run_id: str, operators: Collection[str] = ()
) -> list[Result]:
    """Rows as of a run on `board`. `operators` are names of cases that are operators rather than models."""
    return [_row(case, board, run_id, operators) for case in cases]


def _no_log(log: files.LogFile, backend: str, others: Mapping[str, LogReading]) -> UsageError:
    for name, other in others.items():
        if name != backend and other.read_log(log.text):
            return UsageError(f"{log.path} is no log of {backend} but of {name}: give --board one of that")
    what = "is binary" if log.is_binary else f"holds nothing that a tool of {backend} prints"
    return UsageError(f"{log.path} is no log: it {what}")


def _date(text: str) -> datetime | None:
    match = _DATE.search(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None


def _row(case: ImportedCase, board: BoardSpec, run_id: str, operators: Collection[str]) -> Result:
    told = case.told
    operator = case.name in operators or _OPERATOR_NAME.fullmatch(case.name) is not None
    undated = () if case.dated else ("the log tells no date: started_at is the file's",)
    precision, guessed = _precision(told, board)
    status = Status.OK if told.figures else Status.FAILED if told.failure else Status.SKIPPED
    return Result(
        key=digest(f"{board.backend}-log", case.source_sha256, case.name, board.name),
        run_id=run_id,
        emulated=board.emulated,
        started_at=case.date.isoformat(timespec="milliseconds"),
        duration_s=0.0,
        board=board.name,
        chip=board.chip,
        backend=board.backend,
        tools=told.tools,
        case=case.name,
        case_kind=CaseKind.OPERATOR if operator else CaseKind.MODEL,
        precision=precision,
        status=status,
        figures=told.figures,
        estimate=told.estimate,
        failure=replace(told.failure, detail="") if told.failure else None,
        skip_reason=told.skip_reason if status is Status.SKIPPED else None,
        warnings=(*told.warnings, *guessed, *undated),
        protocol={"imported_from": case.source.name},
        log_sha256=case.source_sha256,
        npubench_version=__version__,
        definitions=CURRENT,
    )


def _precision(told: LogCase, board: BoardSpec) -> tuple[Precision, tuple[str, ...]]:
    """What the log says, else what the board is run in; a warning where that may be another."""
    if told.precision is not None:
        return told.precision, ()
    first = board.precisions[0] if board.precisions else Precision.INT8
    if len(board.precisions) == 1:
        return first, ()
    return first, (f"the log tells no precision: taken for {first.value}, the board's first",)
