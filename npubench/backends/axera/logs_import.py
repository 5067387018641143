"""Original logs of AX620A cases, one text file each, to the rows that a live run would have given.

The same parsers read them. What a log cannot tell (hashes, shapes) stays empty; a case whose parts
speak of different models becomes a failure instead of a figure.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from npubench import __version__
from npubench.backends.axera import board_errors, build_errors, pulsar_figures
from npubench.backends.axera.artifact_check import saved_files
from npubench.backends.axera.equal_figures import suspicious_groups
from npubench.backends.axera.inference_report import add_parts, parse_inference_report, split_reports
from npubench.backends.axera.lines import short_lines
from npubench.backends.axera.log_sections import CaseText, split_cases
from npubench.backends.axera.run_joint import parse_run_joint
from npubench.definitions import CURRENT
from npubench.errors import UsageError
from npubench.identity import digest, sha256_of_file
from npubench.npu_parts import part_of_npu
from npubench.records import Failure, FailureClass, Figures, Result, Stage, Status
from npubench.specs import BoardSpec, CaseKind, Precision

_DATE = re.compile(r"\b(20[0-9]{2}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})")
_PART = re.compile(r"part_([0-9]+)\.lava")
_MODE = re.compile(r"AX620_VNPU_(111|112|0)\b|VIRTUAL_NPU_MODE_(111|112|0)\b|--virtual_npu[ =](111|112|0)\b")
_JOINT = re.compile(r"[\w./+-]+\.joint\b")
_STRAY = re.compile(r"[\x00-\x07\x0e-\x1a\x7f\ufffd]")
_LOOK_AT = 8192
_ANY_NAME = {"model", "output", "out", "compiled", "tmp", "test"}
_COPY_FAILED = re.compile(
    r"lost connection|[Cc]onnection (?:refused|timed out|closed|reset)|No route to host|Permission denied"
    r"|No such file or directory|No space left on device|Host key verification failed"
)
_OPERATOR_NAME = re.compile(r"conv[0-9]+s[0-9]+p[0-9]+d[0-9]+ic[0-9]+oc[0-9]+g[0-9]+(?:\..*)?")


@dataclass(frozen=True, slots=True)
class ImportedCase:
    """What one case's log tells; `date` is the log's own, or the file's where `dated` is False."""

    name: str
    source: Path
    source_sha256: str
    date: datetime
    dated: bool
    estimate: Figures | None = None
    figures: Figures | None = None
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)


def read_folder(folder: Path) -> tuple[list[ImportedCase], list[str]]:
    """The cases of all .txt and .log files of a folder, by name, and why others cannot be read.

    Raises UsageError when there are none.
    """
    try:
        names = sorted(folder.iterdir()) if folder.is_dir() else None
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed: {error.strerror}: check its permissions") from error
    if names is None:
        raise UsageError(f"{folder} is no folder: give the one that holds the logs")
    files = [file for file in names if file.suffix in {".txt", ".log"}]
    if not files:
        raise UsageError(f"{folder} holds no .txt or .log files: give the folder with one log a case")
    cases: list[ImportedCase] = []
    problems: list[str] = []
    sources: dict[str, Path] = {}
    for file in files:
        try:
            found = read_log(file)
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


def read_log(file: Path) -> list[ImportedCase]:
    """The cases of one log; usually one. Raises UsageError when it cannot be read or is no text."""
    if not file.is_file():
        raise UsageError(f"{file} cannot be read: it is no regular file: remove it")
    try:
        data = file.read_bytes()
        changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}: check its permissions") from error
    text = data.decode("utf-8", "replace")
    if _is_binary(text[:_LOOK_AT]):
        raise UsageError(f"{file} is binary, not a log: remove it")
    cases = split_cases(text if text.endswith("\n") else f"{text}\n")
    date = _date(text)
    return [
        replace(
            _read_case(_name(case, file, number, len(cases)), case),
            source=file,
            source_sha256=sha256_of_file(file),
            date=date or changed,
            dated=date is not None,
        )
        for number, case in enumerate(cases)
    ]


def _is_binary(text: str) -> bool:
    """Serial consoles leave some stray bytes in a log; a file of another kind is full of them."""
    return len(_STRAY.findall(text)) > 0.1 * len(text)


def rows(
    cases: Iterable[ImportedCase], board: BoardSpec, run_id: str, operators: Collection[str] = ()
) -> list[Result]:
    """Rows as of a run on `board`, with a warning on groups of cases whose figures are identical.

    `operators` are names of cases that are operators rather than models.
    """
    results = [_row(case, board, run_id, operators) for case in cases]
    warned: dict[str, list[str]] = {}
    for group in suspicious_groups(results):
        for name in group.cases:
            others = ", ".join(case for case in group.cases if case != name)
            what = f"its {group.kind} figures equal those of {others} to the last digit"
            warned.setdefault(name, []).append(f"{what}: look at the original logs")
    return [replace(row, warnings=(*row.warnings, *warned.get(row.case, ()))) for row in results]


def _read_case(name: str, case: CaseText) -> ImportedCase:
    empty = ImportedCase(name, Path(), "", datetime.fromtimestamp(0, UTC), False)
    mixed = _mixed(case)
    if mixed is not None:
        return replace(empty, failure=mixed)
    estimate = _estimate(case.convert)
    warnings: tuple[str, ...] = ()
    if isinstance(estimate, Failure):
        warnings, estimate = (estimate.message,), None
    call = parse_run_joint(case.profile)
    if not isinstance(call, Failure):
        stale = _stale(case)
        if stale is not None:
            return replace(empty, failure=stale)
        mode = _mode(case, call.npu_mode)
        figures = pulsar_figures.measured([call], mode, None)
        if estimate is not None:
            details = {**estimate.details, "npu_mode": mode}
            estimate = replace(estimate, details=details, bounds=part_of_npu(mode))
        tools = {"run_joint": call.texts.get("runner_version"), "pulsar": call.texts.get("tools_version")}
        known = {key: value for key, value in tools.items() if value}
        return replace(empty, estimate=estimate, figures=figures, warnings=warnings, tools=known)
    return replace(empty, estimate=estimate, failure=_failure(case, call), warnings=warnings)


def _failure(case: CaseText, profile: Failure) -> Failure | None:
    """Why there is no measurement; None for a log that ends well before its profile section."""
    built = bool(saved_files(case.convert, ".joint"))
    whole_log = case.profile == case.convert
    if not built:
        named = build_errors.explain("pulsar", case.convert)
        if named is not None:
            return named
    for line in short_lines("" if whole_log else case.copy):
        if _COPY_FAILED.search(line):
            return Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, line.strip()[:300])
    if case.profile.strip() and (not whole_log or "run joint version" in case.profile):
        return board_errors.explain("run_joint", case.profile) or profile
    if built:
        return None
    message = "the log ends without a saved .joint: the converter crashed or hung"
    return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)


def _stale(case: CaseText) -> Failure | None:
    """The failure of a profile of what its own build cannot have made."""
    named = None if saved_files(case.convert, ".joint") else build_errors.explain("pulsar", case.convert)
    if named is None:
        return None
    message = f"the build failed ({named.message}), so the profile is of an older .joint"
    return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message[:300], named.operators)


def _estimate(convert: str) -> Figures | Failure | None:
    parsed = [parse_inference_report(text) for text in split_reports(convert)]
    if not parsed:
        return None
    parts = []
    for report in parsed:
        if isinstance(report, Failure):
            return report
        parts.append(report)
    named = len(set(_PART.findall(convert)))
    if all(part == parts[0] for part in parts) and named <= 1:
        parts = parts[:1]
    if len(parts) != max(1, named):
        message = f"{len(parts)} inference reports for {max(1, named)} part(s): none can be trusted"
        return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
    return add_parts(parts)


def _mixed(case: CaseText) -> Failure | None:
    names = {
        PurePosixPath(path).stem
        for section in (case.convert, case.copy, case.profile)
        for line in short_lines(section)
        for path in _JOINT.findall(line)
    }
    told = sorted(name for name in names if name not in _ANY_NAME)
    if len(told) < 2:
        return None
    message = f"one log speaks of {', '.join(told)}: its figures may be of any of them"
    return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)


def _name(case: CaseText, file: Path, number: int, count: int) -> str:
    if case.name and case.name not in _ANY_NAME:
        return case.name
    if count == 1:
        return file.stem
    saved = [PurePosixPath(name).stem for name in saved_files(case.convert, ".joint")]
    told = [name for name in saved if name not in _ANY_NAME]
    return told[0] if len(told) == 1 else f"{file.stem}#{number + 1}"


def _mode(case: CaseText, board_mode: str | None) -> str:
    told: set[str] = {mode for match in _MODE.findall(case.convert) for mode in match if mode}
    if len(told) == 1:
        return told.pop()
    return "0" if board_mode == "disable" else board_mode or "unknown"


def _date(text: str) -> datetime | None:
    match = _DATE.search(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None


def _row(case: ImportedCase, board: BoardSpec, run_id: str, operators: Collection[str]) -> Result:
    operator = case.name in operators or _OPERATOR_NAME.fullmatch(case.name) is not None
    undated = () if case.dated else ("the log tells no date: started_at is the file's",)
    status = Status.OK if case.figures else Status.FAILED if case.failure else Status.SKIPPED
    return Result(
        key=digest("pulsar-log", case.source_sha256, case.name, board.name),
        run_id=run_id,
        emulated=board.emulated,
        started_at=case.date.isoformat(timespec="milliseconds"),
        duration_s=0.0,
        board=board.name,
        chip=board.chip,
        backend="pulsar",
        tools=case.tools,
        case=case.name,
        case_kind=CaseKind.OPERATOR if operator else CaseKind.MODEL,
        precision=Precision.INT8,
        status=status,
        figures=case.figures,
        estimate=case.estimate,
        failure=replace(case.failure, detail="") if case.failure else None,
        skip_reason="the log has no profile section" if status is Status.SKIPPED else None,
        warnings=(*case.warnings, *undated),
        protocol={"imported_from": case.source.name},
        log_sha256=case.source_sha256,
        npubench_version=__version__,
        definitions=CURRENT,
    )
