"""Files of a folder as text: only what is a regular file of sane size is opened, whatever its name says.

A log may have any suffix or none, and may be called as the model that it is of (`resnet18.onnx`).
"""

import codecs
import hashlib
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from npubench import __version__
from npubench.domain.errors import UsageError
from npubench.domain.notes import Note, NoteCode
from npubench.domain.protocols import LogReading
from npubench.domain.records import CURRENT, Failure, FailureClass, LogCase, Result, Stage, Status
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.domain.text import path_meant
from npubench.storage.hashing import digest

LIMIT_BYTES = 64 * 2**20
"""Of one log. A build with a progress bar prints a few MiB."""
_SUFFIXES = (".txt", ".log", ".out", ".onnx", ".joint", ".axmodel", ".rknn", ".bmodel", ".xml", ".json")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOK_AT = 8192
_KINDS = (
    (stat.S_ISLNK, "a symbolic link: copy there what it points to"),
    (stat.S_ISDIR, "a folder: import it by itself"),
    (stat.S_ISFIFO, "a FIFO: remove it"),
    (stat.S_ISSOCK, "a socket: remove it"),
    (stat.S_ISCHR, "a device: remove it"),
    (stat.S_ISBLK, "a device: remove it"),
)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that was read: its tidy text, the hash of its bytes, and when it was last changed."""

    path: Path
    text: str
    sha256: str
    changed: datetime
    is_binary: bool


def files_of(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files. Raises UsageError where there is nothing."""
    try:
        names = sorted(folder.iterdir()) if folder.is_dir() else None
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed: {error.strerror}: check its permissions") from error
    if names is None:
        hint = "" if folder.exists() else path_meant(folder)
        raise UsageError(f"{folder} is no folder{hint}: give the one that holds the logs")
    found = [name for name in names if not name.name.startswith(".") and name.name != "__MACOSX"]
    if not found:
        raise UsageError(f"{folder} holds no files: give the folder with one log a case")
    return found


def read(path: Path) -> LogFile:
    """The text of one file. Raises UsageError for what is no regular file, too large or cannot be read.

    Neither a link nor a FIFO is ever opened for its content: the kind is that of the opened file itself.
    """
    try:
        _refuse(path, path.lstat())
        # A FIFO that takes the file's place in between must not make the open wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            _refuse(path, status)
            data = stream.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}: check its permissions") from error
    if len(data) > LIMIT_BYTES:
        raise _too_large(path)
    changed = datetime.fromtimestamp(status.st_mtime, UTC)
    text = decode(data)
    return LogFile(path, tidy(text), hashlib.sha256(data).hexdigest(), changed, _is_binary(text[:_LOOK_AT]))


def decode(data: bytes) -> str:
    """UTF-8, or what a byte order mark says, or UTF-16 where every other byte of plain text is 0.

    Bytes that are none of these become U+FFFD: a log is read as far as it is text.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    return data.decode(_sixteen_bits(data[:_LOOK_AT]) or "utf-8", "replace")


def shown_name(file_name: str) -> str:
    """A file name as a row keeps it: bytes that are no text and characters that no page shows become `?`."""
    return "".join(char if char.isprintable() else "?" for char in file_name)


def case_name(file_name: str) -> str:
    """What a log's file name says of its case: without the suffixes of logs and of models.

    What no page shows becomes `?`.
    """
    name = shown_name(file_name)
    while (suffix := next((s for s in _SUFFIXES if name.lower().endswith(s)), None)) and name != suffix:
        name = name[: -len(suffix)]
    return name


def _refuse(path: Path, status: os.stat_result) -> None:
    for is_kind, words in _KINDS:
        if is_kind(status.st_mode):
            raise UsageError(f"{path} is not read: it is {words}")
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is not read: it is no regular file: remove it")
    if status.st_size > LIMIT_BYTES:
        raise _too_large(path)
    if status.st_size == 0:
        raise UsageError(f"{path} is empty: remove it")


def _too_large(path: Path) -> UsageError:
    return UsageError(f"{path} is not read: it has more than {LIMIT_BYTES // 2**20} MiB, which no log has")


def _sixteen_bits(head: bytes) -> str | None:
    """UTF-16 of mostly Latin letters has a 0 in nearly every pair, always on the same side."""
    pairs = len(head) // 2
    if pairs < 2:
        return None
    first, second = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if second > 0.7 * pairs and first < 0.1 * pairs:
        return "utf-16-le"
    if first > 0.7 * pairs and second < 0.1 * pairs:
        return "utf-16-be"
    return None


def _is_binary(text: str) -> bool:
    """Serial consoles leave some stray bytes in a log; a file of another kind is full of them."""
    strays = sum(
        char == "\ufffd" or char == "\x7f" or (char < " " and char not in "\t\n\v\f\r\b\x1b") for char in text
    )
    return strays > 0.1 * len(text)


_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\[[0-9]{1,3}(?:;[0-9]{1,3})*m")
"""ANSI control sequences, also those that lost their escape character in a copied log."""


def plain(text: str) -> str:
    """The text without ANSI colours."""
    return _COLOUR.sub("", text)


def tidy(text: str) -> str:
    """The same without blanks and carriage returns at line ends; a last line without line end stays so."""
    return "\n".join(line.rstrip(" \t\r") for line in plain(text).split("\n"))


_DATE = re.compile(r"\b(20[0-9]{2}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})")
_OPERATOR_NAME = re.compile(
    r"conv[0-9]+s[0-9]+p[0-9]+d[0-9]+ic[0-9]+oc[0-9]+g[0-9]+(?:\..*)?|[a-z]+_[0-9]+(?:x[0-9]+){2,5}"
)
"""As the published operator table has them: `conv3s1p1d1ic3oc64g1`, `add_1x3x112x112`."""


@dataclass(frozen=True, slots=True)
class ImportedCase:
    """A case and the file that tells of it; `date` is what the log tells, None where it tells none."""

    name: str
    told: LogCase
    log: LogFile
    date: datetime | None


class NoLogError(UsageError):
    """No file of a folder is a log; `problems` has a line for each, the first of which the message tells."""

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        super().__init__(f"{folder} holds no log that can be read: {problems[0]}")
        self.problems = problems


Others = Callable[[], Mapping[str, LogReading]]
"""The other backends that read logs, by name; called only where a file is no log of the board's."""


def read_folder(
    folder: Path, backend: str, reading: LogReading, others: Others = dict
) -> tuple[list[ImportedCase], list[str]]:
    """The cases of all logs of a folder, by name, and a line for each file that gives none.

    Raises NoLogError when there are none at all.
    """
    cases: list[ImportedCase] = []
    problems: list[str] = []
    sources: dict[str, Path] = {}
    for file in files_of(folder):
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
        raise NoLogError(folder, problems)
    return cases, problems


def read_file(file: Path, backend: str, reading: LogReading, others: Others = dict) -> list[ImportedCase]:
    """The cases of one log; usually one. Raises UsageError when it cannot be read or is no log."""
    log = read(file)
    found = reading.read_log(log.text)
    if not found:
        raise _no_log(log, backend, others())
    date, stem = _date(log.text), case_name(file.name)
    return [
        ImportedCase(
            case_name(case.name) or (stem if len(found) == 1 else f"{stem}#{number}"), case, log, date
        )
        for number, case in enumerate(found, 1)
    ]


def rows(
    cases: Iterable[ImportedCase], board: BoardSpec, run_id: str, operators: Collection[str] = ()
) -> list[Result]:
    """Rows as of a run on `board`. `operators` are names of cases that are operators rather than models."""
    return [_row(case, board, run_id, operators) for case in cases]


def _no_log(log: LogFile, backend: str, others: Mapping[str, LogReading]) -> UsageError:
    for name, other in others.items():
        if name != backend and other.read_log(log.text):
            return UsageError(f"{log.path} is no log of {backend} but of {name}: give --board one of that")
    what = "is binary" if log.is_binary else f"holds nothing that a tool of {backend} prints"
    return UsageError(f"{log.path} is no log: it {what}")


def _date(text: str) -> datetime | None:
    match = _DATE.search(text)
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def _row(case: ImportedCase, board: BoardSpec, run_id: str, operators: Collection[str]) -> Result:
    told = case.told
    operator = case.name in operators or _OPERATOR_NAME.fullmatch(case.name) is not None
    undated = () if case.date else (Note(NoteCode.NO_DATE),)
    precision, guessed = _precision(told, board)
    status = Status.OK if told.figures else Status.FAILED if told.failure else Status.SKIPPED
    return Result(
        key=digest(f"{board.backend}-log", case.log.sha256, case.name, board.name),
        run_id=run_id,
        emulated=board.emulated,
        started_at=(case.date or case.log.changed).isoformat(timespec="milliseconds"),
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
        protocol={"imported_from": shown_name(case.log.path.name)},
        log_sha256=case.log.sha256,
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


T = TypeVar("T")
LINE_LIMIT = 1000


def whole_lines(text: str) -> list[str]:
    """Lines whose end was printed, without colours and trailing blanks; of a redrawn line its last state."""
    return whole_lines_and_rest(text)[0]


def whole_lines_and_rest(text: str) -> tuple[list[str], str]:
    """The same, and what stands after the last line end: a line that may have been cut."""
    *complete, rest = [line.rstrip().rpartition("\r")[2] for line in plain(text).split("\n")]
    return complete, rest


def short_lines(text: str) -> list[str]:
    """All lines without colours, also the last one, each cut to a length that patterns search fast."""
    return [line[:LINE_LIMIT] for line in plain(text).splitlines()]


class DamagedError(ValueError):
    """Output that contradicts itself or breaks off within a known line; stays inside the parsers."""


def put_once(found: dict[str, Any], key: str, value: Any) -> None:
    """Note a value; the same value again is fine. Raises DamagedError for another one."""
    if found.setdefault(key, value) != value:
        raise DamagedError(f"{key} is given as {found[key]} and as {value}")


Field = tuple[re.Pattern[str], Callable[[re.Match[str]], Any]]
"""A line that tells a value, and how to read it."""


def note_line(line: str, fields: Mapping[str, Field], found: dict[str, Any]) -> bool:
    """Note under its key what a whole line tells; whether it is one of these. Raises like `put_once`."""
    for key, (pattern, value_of) in fields.items():
        if match := pattern.fullmatch(line):
            put_once(found, key, value_of(match))
            return True
    return False


def not_whole(line: str) -> DamagedError:
    """The error of a line that begins like one of a tool's and is none."""
    return DamagedError(f"the line {line.strip()[:80]!r} is not whole")


def need(found: Mapping[str, T], key: str) -> T:
    """A value that must have been printed. Raises DamagedError when it was not."""
    if key not in found:
        raise DamagedError(f"there is no whole {key} line")
    return found[key]


def reject_split_number(previous: str, line: str) -> None:
    """Raise DamagedError for a line that can only be the rest of the number that ended the one before."""
    if re.search(r"[0-9]$", previous) and re.match(r"[0-9.,]+$", line):
        raise DamagedError(f"a number is broken over two lines: {previous[-40:]!r}, {line[:40]!r}")


def unparsed(stage: Stage, tool: str, why: str, text: str) -> Failure:
    """The failure of output that cannot be read; the output is kept whole in `detail`."""
    message = f"{tool} printed what cannot be read: {why}"[:300]
    return Failure(stage, FailureClass.UNPARSED_OUTPUT, message, detail=text)


P = ParamSpec("P")


def reading(
    stage: Stage, tool: str
) -> Callable[[Callable[Concatenate[str, P], T]], Callable[Concatenate[str, P], T | Failure]]:
    """Of a parser of a tool's output: the same, with a failure in place of DamagedError."""

    def made(parse: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T | Failure]:
        @wraps(parse)
        def read(text: str, /, *args: P.args, **kwargs: P.kwargs) -> T | Failure:
            try:
                return parse(text, *args, **kwargs)
            except DamagedError as damage:
                return unparsed(stage, tool, str(damage), text)

        return read

    return made
